"""The short way into a service of the same process: one call with bytes, without ASGI (docs/adr/0073).

A service's fast routes take a `Call` and return a `Reply`. Whoever has read the request makes the Call: the
gateway, where the service is in its process, and the service's own app, where the request came over HTTP. So
the same code serves both compositions, and what crosses the seam is the same bytes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chassis.auth.tokens import Principal, Verifier
from chassis.context import RequestContext
from chassis.seam.upstream import Scope


class Verified(NamedTuple):
    """An access token that `verifier` has just checked. A service believes it if the verifier is its own
    object: nothing that arrives in bytes can be that."""

    verifier: Verifier
    principal: Principal


class Call:
    """A request whose headers came once each.

    headers: by lower-case names, as a service may see them.
    body: None while it has not been read. verified: the token of its Authorization header.
    """

    __slots__ = ("body", "headers", "method", "path", "query", "verified")

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: dict[bytes, bytes],
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body: bytes | None = None
        self.verified: Verified | None = None

    @classmethod
    def of(cls, scope: Scope) -> "Call | None":
        """The call of an ASGI request. None if a header came twice."""
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            return None
        return cls(scope["method"], scope["path"], scope["query_string"], headers)


class Reply:
    """An answer: its headers by lower-case names, and its body, whole or one piece at a time.

    is_current: while it is true, everybody without a role gets this answer to a GET of this path and query,
    if their Accept-Encoding is the same.
    """

    __slots__ = ("body", "headers", "is_current", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes | AsyncIterator[bytes],
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.is_current: Callable[[], bool] | None = None


class CallHeaders(Mapping[str, str]):
    """A call's headers as handlers read them: text, by names in any case."""

    __slots__ = ("_headers",)

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower().encode("latin-1")].decode("latin-1")

    def getall(self, name: str, default: list[str]) -> list[str]:
        """All lines of a header: one, or `default`."""
        value = self._headers.get(name.lower().encode("latin-1"))
        return default if value is None else [value.decode("latin-1")]

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._headers)

    def __len__(self) -> int:
        return len(self._headers)


class Way(Protocol):
    """A fast route of a service. `template`: of its path, as the gateway's routes have it."""

    template: str

    def arguments(self, segments: Sequence[str], call: Call) -> dict[str, Any] | None:
        """What its handler takes of path and headers. None: not a plain request, so send it by ASGI."""

    def serve(
        self, call: Call, arguments: dict[str, Any], context: RequestContext
    ) -> Awaitable[Reply]:
        """The answer, in a context of the service. Failures are answers too; raises nothing of its own."""


class Direct(Protocol):
    """A service of this process."""

    def ways(self) -> Mapping[tuple[str, str], Way]:
        """Its fast routes by method and template."""
