"""Attacks on access tokens (RFC 8725), against the verifier that every service uses."""

import base64
import contextlib
import hashlib
import hmac
import string
import time
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.auth.jwks import AGE_MAX_S, UNKNOWN_KID_PAUSE_S
from chassis.auth.tokens import Verifier
from chassis.ids import uuid7
from chassis.problems import InvalidToken, TokenExpired, Unavailable
from identity.keys import Jwks, SigningKey, jwk_of, thumbprint
from identity.tokens import hash_of, new_refresh_token, sign_access_token
from tests.support.clock import SetClock

USER, LOGIN = uuid7(), uuid7()
BASE64URL = string.ascii_letters + string.digits + "-_"
ODD_CLAIMS: tuple[dict[str, Any], ...] = (
    {"aud": ["another", "stampede"]},
    {"aud": []},
    {"roles": []},
    {"roles": ["root", "admin", "admin"]},
    {"nbf": 1},
    {"nbf": int(time.time()) + 600},
    {"exp": int(time.time()) + 600.5},
    {"exp": 1},
    {"iat": 0.5},
    {"sub": str(USER).upper()},
    {"jti": ""},
    {"unknown": {"deep": [1]}},
)


def new_key() -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(thumbprint(private.public_key().public_bytes_raw()), private)


class KeySet:
    """What identity publishes, and how often it was asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.away = False

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.away:
            raise Unavailable()
        public = [(k.kid, k.private_key.public_key().public_bytes_raw()) for k in self.keys]
        return msgspec.json.encode(Jwks([jwk_of(kid, raw) for kid, raw in public]))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def key() -> SigningKey:
    return new_key()


@pytest.fixture
def published(key: SigningKey) -> KeySet:
    return KeySet(key)


@pytest.fixture
def verifier(published: KeySet, clock: SetClock) -> Verifier:
    return Verifier(published.fetch, clock=clock)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": "stampede-identity",
        "aud": "stampede",
        "sub": str(USER),
        "iat": now,
        "exp": now + 900,
        "jti": str(uuid7()),
        "sid": str(LOGIN),
        "roles": ["customer"],
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(key: SigningKey, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    sent = {"typ": "at+jwt", "kid": key.kid} | (header or {})
    return jwt.encode(claims(**changes), key.private_key, algorithm="EdDSA", headers=sent)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    return f"{b64(msgspec.json.encode(header))}.{b64(msgspec.json.encode(body))}.{b64(signature)}"


async def test_identitys_own_token_is_believed(key: SigningKey, verifier: Verifier) -> None:
    token = sign_access_token(
        key, user_id=USER, login_id=LOGIN, roles=["customer"], now_s=time.time(), ttl_s=900
    )
    principal = await verifier.verify(token)
    assert (principal.user_id, principal.login_id) == (USER, LOGIN)
    assert principal.roles == {"customer"}
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid}
    body = msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert body.keys() == {"iss", "aud", "sub", "iat", "exp", "jti", "sid", "roles"}
    assert body["exp"] - body["iat"] == 900
    assert UUID(body["jti"]).version == 7


@pytest.mark.parametrize("alg", ["none", "None", "nOnE"])
async def test_unsigned_tokens_are_refused(key: SigningKey, verifier: Verifier, alg: str) -> None:
    token = unsigned({"alg": alg, "typ": "at+jwt", "kid": key.kid}, claims())
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


@pytest.mark.parametrize("form", ["raw", "pem", "jwk"])
async def test_an_hmac_with_the_public_key_is_refused(
    key: SigningKey, published: KeySet, verifier: Verifier, form: str
) -> None:
    public = key.private_key.public_key()
    secret = {
        "raw": public.public_bytes_raw(),
        "pem": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "jwk": msgspec.json.encode(jwk_of(key.kid, public.public_bytes_raw())),
    }[form]
    for alg in ("HS256", "EdDSA"):
        token = unsigned({"alg": alg, "typ": "at+jwt", "kid": key.kid}, claims())
        signing_input = token.rpartition(".")[0]
        mac = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
        with pytest.raises(InvalidToken):
            await verifier.verify(f"{signing_input}.{b64(mac)}")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-platform"},
        {"aud": ["another"]},
        {"iss": "https://evil.example"},
        {"sub": "not-a-uuid"},
        {"sub": 17},
        {"sid": "not-a-uuid"},
        {"roles": 5},
        {"roles": None},
        {"exp": "tomorrow"},
        *({name: None} for name in ("iss", "aud", "sub", "iat", "exp", "jti", "sid")),
    ],
    ids=str,
)
async def test_wrong_and_missing_claims_are_refused(
    key: SigningKey, verifier: Verifier, changes: dict[str, Any]
) -> None:
    payload = claims(**changes)
    header = {"typ": "at+jwt", "kid": key.kid, "alg": "EdDSA"}
    signing_input = unsigned(header, payload).rpartition(".")[0]
    signature = key.private_key.sign(signing_input.encode())
    with pytest.raises(InvalidToken):
        await verifier.verify(f"{signing_input}.{b64(signature)}")


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"kid": None},
        {"kid": 7},
        {"kid": "unknown"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}},
        {"crit": ["exp"]},
    ],
    ids=str,
)
async def test_headers_that_would_lead_elsewhere_are_refused(
    key: SigningKey, verifier: Verifier, header: dict[str, Any]
) -> None:
    sent = {"alg": "EdDSA", "typ": "at+jwt", "kid": key.kid} | header
    signing_input = unsigned({k: v for k, v in sent.items() if v is not None}, claims())
    signing_input = signing_input.rpartition(".")[0]
    signature = key.private_key.sign(signing_input.encode())
    with pytest.raises(InvalidToken):
        await verifier.verify(f"{signing_input}.{b64(signature)}")


async def test_another_key_under_a_known_kid_and_flipped_bits_are_refused(
    key: SigningKey, verifier: Verifier
) -> None:
    forger = SigningKey(key.kid, Ed25519PrivateKey.generate())
    with pytest.raises(InvalidToken):
        await verifier.verify(signed(forger, roles=["admin"]))
    head, body, signature = signed(key).split(".")
    stolen = signed(key, roles=["admin"]).split(".")[1]
    for token in (f"{head}.{stolen}.{signature}", f"{head}.{body}.{signature[::-1]}", "a.b.c", "."):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_a_token_that_we_accept_is_accepted_by_pyjwt_too(
    key: SigningKey, published: KeySet
) -> None:
    """ADR 45. Each character changed, left out and doubled; every last character of the signature; and
    claims that are odd but signed."""
    token = signed(key)
    candidates = [token, *(signed(key, **odd) for odd in ODD_CLAIMS)]
    candidates += [token[:-1] + last for last in BASE64URL]
    for at, character in enumerate(token):
        other = "A" if character != "A" else "B"
        candidates += [token[:at] + put + token[at + 1 :] for put in (other, "", character * 2)]
    accepted = []
    for candidate in candidates:
        verifier = Verifier(published.fetch)
        with contextlib.suppress(InvalidToken, TokenExpired):
            accepted.append((candidate, await verifier.verify(candidate)))
    assert token in [candidate for candidate, _ in accepted]
    for candidate, principal in accepted:
        told = jwt.decode(
            candidate,
            key.private_key.public_key(),
            algorithms=["EdDSA"],
            audience="stampede",
            issuer="stampede-identity",
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
        assert UUID(told["sub"]) == principal.user_id
        assert UUID(told["sid"]) == principal.login_id
        assert principal.expires_at == told["exp"]
        assert principal.roles <= set(told["roles"])


async def test_an_expired_token_says_so_also_when_it_was_believed_before(
    key: SigningKey, verifier: Verifier, clock: SetClock
) -> None:
    with pytest.raises(TokenExpired):
        await verifier.verify(signed(key, iat=int(time.time()) - 900, exp=int(time.time()) - 1))
    token = signed(key)
    await verifier.verify(token)
    clock.ahead_s = 901
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


async def test_a_flood_of_unknown_kids_asks_identity_once_a_pause(
    published: KeySet, verifier: Verifier, clock: SetClock
) -> None:
    for _ in range(200):
        with pytest.raises(InvalidToken):
            await verifier.verify(signed(new_key()))
    assert published.asked == 1
    clock.ahead_s = UNKNOWN_KID_PAUSE_S + 1
    for _ in range(200):
        with pytest.raises(InvalidToken):
            await verifier.verify(signed(new_key()))
    assert published.asked == 2


async def test_a_key_published_ahead_is_known_when_it_signs(
    key: SigningKey, published: KeySet, verifier: Verifier, clock: SetClock
) -> None:
    await verifier.verify(signed(key))
    successor = new_key()
    published.keys.append(successor)
    clock.ahead_s = UNKNOWN_KID_PAUSE_S + 1
    assert (await verifier.verify(signed(successor))).user_id == USER
    assert (await verifier.verify(signed(key))).user_id == USER


async def test_known_keys_stay_good_while_identity_is_away(
    key: SigningKey, published: KeySet, verifier: Verifier, clock: SetClock
) -> None:
    await verifier.verify(signed(key))
    published.away = True
    clock.ahead_s = AGE_MAX_S + 1
    assert (await verifier.verify(signed(key, exp=int(time.time()) + 9000))).user_id == USER


def test_kid_is_the_rfc_7638_thumbprint() -> None:
    """RFC 8037, appendix A.3."""
    x = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert thumbprint(x) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_refresh_tokens_have_256_bits_and_are_stored_hashed() -> None:
    tokens = {new_refresh_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}
    assert all(token.encode() not in hash_of(token) for token in tokens)
    assert {len(hash_of(token)) for token in tokens} == {32}
