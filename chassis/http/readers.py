"""Who reads an answer, by what their request says."""

from collections.abc import Mapping
from typing import Protocol

from chassis.languages import Reader


class Asked(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...


def reader_of(request: Asked, *chosen: str | None) -> Reader:
    """`chosen`: what they are known to have chosen, the nearest first."""
    return Reader(chosen=chosen, accepts=request.headers.get("accept-language"))
