"""Identity's public keys in one process: fetched once for all waiting callers, and never too often.

    age of the keys             a known key id                        an unknown key id
    up to UNKNOWN_KID_PAUSE_S   used                                  refused: identity was just asked
    up to REFRESH_AFTER_S       used                                  fetched, waiting at most WAIT_S
    up to AGE_MAX_S             used, and fetched in the background   fetched
    older                       fetched, waiting at most WAIT_S,      fetched
                                then used as it is

One fetch runs at a time. After a failed fetch, the next one waits for a pause that doubles. So if
identity hangs, it gets a call now and then, whatever clients send, and no valid token waits longer than
WAIT_S.
"""

import asyncio
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.clock import MachineClock
from chassis.concurrency.backoff import Backoff
from chassis.concurrency.cache import BoundedCache
from chassis.observability import metrics
from chassis.problems import Unavailable

AGE_MAX_S = 300.0  # a retired key is accepted for at most this long while identity answers
REFRESH_AFTER_S = 240.0  # under traffic, nobody waits for a fetch
UNKNOWN_KID_PAUSE_S = 5.0  # how often unknown key ids may cause a call to identity
# shorter than a new key's lead (identity.keys), or that key could be missed
UNKNOWN_KID_TTL_S = 30.0
UNKNOWN_KIDS_MAX = 4096
KID_LENGTH_MAX = 128  # ours are thumbprints of 43 characters
FETCH_MAX_S = 5.0  # beyond the caller's own deadline: no fetch may hang forever
WAIT_S = 0.25  # counted from the start of the fetch; a good one takes milliseconds
RETRY = Backoff(first_s=1.0, most_s=30.0)

FetchJwks = Callable[[], Awaitable[bytes]]

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
# Last characters whose unused bits are zero, by the length of the last group of four.
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


class PublicKeys:
    """`await keys.find(kid)` returns the key. `fetch` returns a JWKS document or raises."""

    def __init__(
        self,
        fetch: FetchJwks,
        *,
        clock: MachineClock = time,
        wait_s: float = WAIT_S,
        unknown_kids_max: int = UNKNOWN_KIDS_MAX,
    ) -> None:
        self._fetch = fetch
        self._monotonic = clock.monotonic
        self._wait_s = wait_s
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._began_at = float("-inf")
        self._failures = 0
        self._pause_ends_at = float("-inf")
        # kid → refused until
        self._unknown: BoundedCache[str, float] = BoundedCache(unknown_kids_max)

    async def find(self, kid: str) -> Ed25519PublicKey | None:
        """None: identity has no such key. Raises Unavailable if identity cannot be asked."""
        now = self._monotonic()
        age_s = now - self._fetched_at
        key = self._keys.get(kid)
        if key is not None:
            if age_s > REFRESH_AFTER_S:
                self._begin()
            if age_s > AGE_MAX_S:
                await self._wait(self._wait_s)
            return self._keys.get(kid)
        if len(kid) > KID_LENGTH_MAX or age_s <= UNKNOWN_KID_PAUSE_S:
            return None
        if self._unknown.get(kid, now) > now:
            return None
        return await self._ask_for(kid)

    async def _ask_for(self, kid: str) -> Ed25519PublicKey | None:
        before = self._fetched_at
        self._begin()
        await self._wait(self._wait_s if self._keys else FETCH_MAX_S)
        if kid in self._keys:
            return self._keys[kid]
        if self._fetched_at == before:
            raise Unavailable()
        self._unknown.put(kid, self._monotonic() + UNKNOWN_KID_TTL_S)
        return None

    def _begin(self) -> None:
        now = self._monotonic()
        if self._fetching is None and now >= self._pause_ends_at:
            self._began_at = now
            self._fetching = asyncio.get_running_loop().create_task(self._fetch_once())

    async def _wait(self, most_s: float) -> None:
        """Waits for the running fetch, until it is `most_s` old. Cancelling a waiter does not cancel the
        fetch."""
        left_s = self._began_at + most_s - self._monotonic()
        if self._fetching is not None and left_s > 0:
            await asyncio.wait({self._fetching}, timeout=left_s)

    async def _fetch_once(self) -> None:
        try:
            async with asyncio.timeout(FETCH_MAX_S):
                self._keys = _read(await self._fetch())
        except Exception:  # down, late, or an invalid key set: known keys stay valid
            self._failures += 1
            self._pause_ends_at = self._monotonic() + RETRY.delay_s(self._failures)
            metrics.JWKS_FETCHES.labels("failed").inc()
        else:
            self._failures = 0
            self._fetched_at = self._monotonic()
            metrics.JWKS_FETCHES.labels("done").inc()
        finally:
            self._fetching = None


def _read(document: bytes) -> dict[str, Ed25519PublicKey]:
    """Raises on an invalid key set, and on an empty one: there is always a key."""
    keys = {
        key["kid"]: Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
        for key in msgspec.json.decode(document)["keys"]
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"
    }
    if not keys:
        raise ValueError("the key set has no key")
    return keys


def decoded(part: str) -> bytes:
    """base64url without padding (RFC 7515, 2), in its one form: unused bits are zero (RFC 4648, 3.5).
    Raises ValueError for anything else."""
    last = _LAST.get(len(part) % 4)
    if not _BASE64URL.fullmatch(part) or (last is not None and part[-1] not in last):
        raise ValueError("not base64url")
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
