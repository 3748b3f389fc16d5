"""One address of a service."""

import msgspec


class Address(msgspec.Struct, frozen=True):
    """`name` is for the Host header and for certificates. Of several priorities, the lowest is called."""

    ip: str
    port: int
    name: str
    priority: int = 0
    weight: int = 1
