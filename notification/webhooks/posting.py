"""One attempt: a POST with a deadline. Its outcome reveals nothing about our network."""

import asyncio
import ssl
import time
from collections.abc import Mapping

import aiohttp
import msgspec

from notification.webhooks.addresses import BadDestination, check_url
from notification.webhooks.connecting import AddressRefused, Destinations
from notification.webhooks.store import ClaimedDelivery

ATTEMPT_DEADLINE_S = 15.0  # name lookup, connection, request and the response's status
CONNECT_TIMEOUT_S = 5.0
BODY_DEADLINE_S = 2.0  # for reading the beginning of the response's body
RESPONSE_BYTES_MAX = 4096  # read of a response
RESPONSE_KEPT_MAX = 1000  # characters stored
GONE = 410
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Stampede-Webhooks/1",
    "Accept-Encoding": "identity",
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is None without a response. `error` is None on 2xx, otherwise the reason of the failure."""

    status: int | None
    error: str | None
    latency_ms: int
    response: str | None = None
    retry_after_s: float | None = None


class Poster:
    """`session` comes from `destinations.open_session()`."""

    def __init__(self, destinations: Destinations, session: aiohttp.ClientSession) -> None:
        self._destinations = destinations
        self._session = session

    async def post(self, delivery: ClaimedDelivery, headers: Mapping[str, str]) -> Outcome:
        """Never raises because of the receiver."""
        began = time.monotonic()
        try:
            url = check_url(
                delivery.url,
                allow_private=self._destinations.allow_private,
                ports=self._destinations.ports,
            )
            async with asyncio.timeout(ATTEMPT_DEADLINE_S) as deadline:
                async with self._session.post(
                    url,
                    data=delivery.body,
                    headers={**HEADERS, **headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                ) as answer:
                    deadline.reschedule(None)
                    latency_ms = _since(began)
                    return _outcome(answer, latency_ms, await _beginning(answer))
        except Exception as failure:
            return Outcome(status=None, error=_words(failure), latency_ms=_since(began))


def _outcome(answer: aiohttp.ClientResponse, latency_ms: int, response: str) -> Outcome:
    good = 200 <= answer.status < 300
    return Outcome(
        status=answer.status,
        error=None if good else f"answered {answer.status}",
        latency_ms=latency_ms,
        response=response,
        retry_after_s=_seconds(answer.headers.get("Retry-After", "")),
    )


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """The beginning of the body, as text that PostgreSQL can store. Errors while reading it do not change the
    outcome. A connection with an unread rest is not reused."""
    read = b""
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while len(read) < RESPONSE_BYTES_MAX:
                piece = await answer.content.read(RESPONSE_BYTES_MAX - len(read))
                if not piece:
                    break
                read += piece
    except (aiohttp.ClientError, OSError):
        pass
    return read.decode("utf-8", "replace").replace("\x00", "�")[:RESPONSE_KEPT_MAX]


def _words(failure: Exception) -> str:
    """The failure in words for the endpoint's owner, without addresses or anything about our network."""
    known: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (AddressRefused, "the host has a private or reserved address"),
        (aiohttp.ClientConnectorDNSError, "the host cannot be found"),
        ((ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError), "TLS failed"),
        ((TimeoutError, aiohttp.ServerTimeoutError), "no answer in time"),
        (aiohttp.ClientConnectorError, "no connection could be made"),
        (aiohttp.ClientPayloadError, "the answer broke off"),
        (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
        ((aiohttp.ClientError, OSError), "the connection failed"),
    )
    if isinstance(failure, BadDestination):
        return f"the URL {failure}"
    for seen in (getattr(failure, "os_error", None), failure.__cause__, failure):
        for kinds, words in known[:1] if seen is not failure else known:
            if isinstance(seen, kinds):
                return words
    return f"could not be sent ({type(failure).__name__})"


def _seconds(retry_after: str) -> float | None:
    """The header's value, if it is in seconds (RFC 9110, 10.2.3)."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
