"""What two services share: the names of events, the shapes that cross the seam. No code that does anything.

One module a service, after whom it belongs to. A service imports itself, contracts and chassis, and nothing
of another service. What is here changes by adding only: the other side may be an older process.
"""
