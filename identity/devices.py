"""Known devices, recognised by a cookie from an earlier login (OWASP: device cookies; docs/adr/0037).

The cookie gives no access. It proves that this browser logged in to this account before, so its wrong
passwords have a count of their own. Strangers who fail on purpose cannot keep the owner out.

A cookie holds up to ACCOUNTS_MAX marks, one per account:   version "." ends_at "." id "." MAC
The MAC also covers the account's address, which the cookie does not contain. So a mark does not reveal
its account and is worthless for another one. The version is the password's: changing it voids all marks.
"""

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode

import msgspec

from chassis.clock import MachineClock
from identity.tokens import hash_of

NAME = "stampede-device"
PATH = "/api/v1/auth"
TTL_S = 180 * 86_400
ACCOUNTS_MAX = 4  # people who share a browser
COOKIE_LENGTH_MAX = 2048
_MARK = re.compile(r"(\d{1,9})\.(\d{1,12})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class Device(msgspec.Struct, frozen=True):
    """A browser that logged in to the account while its password had this version.

    `budget`: the count for its wrong passwords.
    """

    budget: bytes
    password_version: int


class Devices:
    """`secure`: true if browsers reach the platform only over https."""

    def __init__(self, key: bytes, *, secure: bool, clock: MachineClock = time) -> None:
        self._time = clock.time
        self._key = key
        self.cookie_name = f"__Secure-{NAME}" if secure else NAME
        self._attributes = f"; Path={PATH}; Max-Age={TTL_S}; HttpOnly; SameSite=Strict"
        self._attributes += "; Secure" if secure else ""

    def find(self, cookie: str | None, email: str) -> Device | None:
        """The device known to this account, if its mark is valid and not expired."""
        for mark in _marks(cookie):
            version, ends_at, name = self._read(mark, email) or (0, 0, "")
            if ends_at > self._time():
                return Device(hash_of(f"device {name}"), version)
        return None

    def remember(self, cookie: str | None, email: str, password_version: int) -> str:
        """A Set-Cookie value: a new mark for this account, and the existing marks of other accounts."""
        name = secrets.token_urlsafe(16)
        claims = f"{password_version}.{int(self._time()) + TTL_S}.{name}"
        marks = [f"{claims}.{self._mac(claims, email)}"]
        marks += [mark for mark in _marks(cookie) if self._read(mark, email) is None]
        return f"{self.cookie_name}={'~'.join(marks[:ACCOUNTS_MAX])}{self._attributes}"

    def _read(self, mark: str, email: str) -> tuple[int, int, str] | None:
        found = _MARK.fullmatch(mark)
        claims, _, mac = mark.rpartition(".")
        if found is None or not hmac.compare_digest(mac, self._mac(claims, email)):
            return None
        return int(found[1]), int(found[2]), found[3]

    def _mac(self, claims: str, email: str) -> str:
        signed = hash_of(email) + claims.encode("ascii")
        mac = hmac.digest(self._key, b"device cookie 1" + signed, hashlib.sha256)
        return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def _marks(cookie: str | None) -> list[str]:
    if cookie is None or len(cookie) > COOKIE_LENGTH_MAX or not cookie.isascii():
        return []
    return [mark for mark in cookie.split("~")[:ACCOUNTS_MAX] if _MARK.fullmatch(mark)]
