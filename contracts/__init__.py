"""What two services share: names of events, and structs that cross between services. No behaviour.

One module per service that owns the contract. A service imports itself, contracts and chassis, and
nothing of another service. Contracts may only gain fields: the other side may be an older process.
"""
