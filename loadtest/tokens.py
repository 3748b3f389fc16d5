"""What checking an access token costs: `python -m loadtest.tokens`.

Our check (chassis.auth.tokens) against PyJWT's on the same tokens, in turns, in µs of CPU a token. Each
token is new to the verifier, as a buyer's is at an on-sale's opening. Both make the same demands.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis.auth.jwks import decoded
from chassis.auth.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, Verifier
from chassis.ids import uuid7
from identity.keys import Jwks, SigningKey, jwk_of, thumbprint
from identity.tokens import sign_access_token

TOKENS = 500
ROUNDS = 21
REQUIRED = ["iss", "aud", "sub", "iat", "exp", "jti"]

Check = Callable[[str], Any]


def main() -> None:
    """Prints the median of the rounds for each check, with the least and the most."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    raw = public.public_bytes_raw()
    key = SigningKey(thumbprint(raw), private)
    tokens = [_token(key) for _ in range(TOKENS)]
    checks: dict[str, Check] = {
        "signature alone": lambda token: _signature(token, public),
        "PyJWT, key given": lambda token: _by_pyjwt(token, public),
        "PyJWT, key by its id": lambda token: _by_pyjwt_with_kid(token, {key.kid: public}),
    }
    costs: dict[str, list[float]] = {}
    load = psutil.getloadavg()[0]
    for _ in range(ROUNDS):
        first, again = asyncio.run(_ours(key.kid, raw, tokens))
        costs.setdefault("ours, a new token", []).append(first)
        costs.setdefault("ours, seen before", []).append(again)
        for name, check in checks.items():
            costs.setdefault(name, []).append(_us_each(check, tokens))
    print(f"PyJWT {jwt.__version__}, Python {sys.version.split()[0]}, load {load:.1f} at the start")
    print(f"{ROUNDS} rounds of {TOKENS} tokens: µs of CPU a token, median (least–most)")
    for name, found in costs.items():
        middle = statistics.median(found)
        print(f"{name:<22} {middle:7.1f} ({min(found):.1f}–{max(found):.1f})")


def _token(key: SigningKey) -> str:
    return sign_access_token(
        key,
        user_id=uuid7(),
        login_id=uuid7(),
        roles=["customer"],
        now_s=time.time(),
        ttl_s=3600,
    )


async def _ours(kid: str, raw: bytes, tokens: list[str]) -> tuple[float, float]:
    """µs a token at the first sight and at the second, by a verifier that already has the key."""

    async def fetch() -> bytes:
        return msgspec.json.encode(Jwks([jwk_of(kid, raw)]))

    verifier = Verifier(fetch)
    await verifier.verify(tokens[0])  # fetches the key
    taken = []
    for _ in range(2):
        began = time.process_time()
        for token in tokens[1:]:
            await verifier.verify(token)
        taken.append((time.process_time() - began) / (len(tokens) - 1) * 1e6)
    return taken[0], taken[1]


def _us_each(check: Check, tokens: list[str]) -> float:
    began = time.process_time()
    for token in tokens:
        check(token)
    return (time.process_time() - began) / len(tokens) * 1e6


def _signature(token: str, key: Ed25519PublicKey) -> None:
    signed, _, signature = token.rpartition(".")
    key.verify(decoded(signature), signed.encode("ascii"))


def _by_pyjwt(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": REQUIRED},
    )


def _by_pyjwt_with_kid(token: str, keys: dict[str, Ed25519PublicKey]) -> dict[str, Any]:
    """As a service must that has several keys and takes one type of token only."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == TOKEN_TYPE
    return _by_pyjwt(token, keys[header["kid"]])


if __name__ == "__main__":
    main()
