"""The code in a ticket's QR picture, and the links that show a ticket without login.

    ST1.<kid>.<base64url of ticket id + session id>.<base64url of the Ed25519 signature (RFC 8032)>

The signature covers everything before it. The code has no personal data. PostgreSQL decides at the door
whether the ticket is still valid. A link's `t` is an HMAC-SHA256 of the ticket's id, cut to 128 bits.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from booking.tickets.records import SigningKey

VERSION = "ST1"
CODE_LENGTH_MAX = 256
LINK_BYTES = 16
_IDS_BYTES = 32


class TicketCode(msgspec.Struct, frozen=True):
    """The content of a genuine code."""

    ticket_id: UUID
    session_id: UUID


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key (RFC 8037): `x` is the 32 bytes of an Ed25519 public key."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class SignedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 7515, 7.2.2: the signature is over `protected`, a dot and `payload`, all base64url."""

    protected: str
    payload: str
    signature: str


class ForgedCode(Exception):
    """None of our keys signed this."""


def make_keys() -> list[SigningKey]:
    """The first keys of an installation: one signs tickets, one makes links."""
    ticket = Ed25519PrivateKey.generate().private_bytes_raw()
    return [
        SigningKey(secrets.token_hex(4), "ticket", ticket),
        SigningKey(secrets.token_hex(4), "link", secrets.token_bytes(32)),
    ]


class TicketCodes:
    """Makes and verifies codes and links. `keys`: oldest first; the newest key of each purpose signs."""

    def __init__(self, keys: Sequence[SigningKey], base_url: str) -> None:
        self._signers = {
            key.kid: Ed25519PrivateKey.from_private_bytes(key.secret)
            for key in keys
            if key.purpose == "ticket"
        }
        self._kid = list(self._signers)[-1]
        self._link_keys = [key.secret for key in keys if key.purpose == "link"]
        self._base_url = base_url

    def code(self, ticket_id: UUID, session_id: UUID) -> str:
        signed = f"{VERSION}.{self._kid}.{_encode(ticket_id.bytes + session_id.bytes)}"
        return f"{signed}.{_encode(self._signers[self._kid].sign(signed.encode('ascii')))}"

    def read(self, code: str) -> TicketCode:
        """Raises ForgedCode."""
        try:
            version, kid, ids, signature = code[: CODE_LENGTH_MAX + 1].split(".")
            key = self._signers[kid].public_key()
            key.verify(_decode(signature), f"{version}.{kid}.{ids}".encode("ascii"))
            raw = _decode(ids)
        except (ValueError, KeyError, InvalidSignature, binascii.Error):
            raise ForgedCode() from None
        if version != VERSION or len(raw) != _IDS_BYTES:
            raise ForgedCode()
        return TicketCode(UUID(bytes=raw[:16]), UUID(bytes=raw[16:]))

    def public_keys(self) -> list[PublicKey]:
        """The keys, in JWK form, that verify codes and signed documents offline."""
        return [
            PublicKey(kid=kid, x=_encode(signer.public_key().public_bytes_raw()))
            for kid, signer in self._signers.items()
        ]

    def sign(self, payload: bytes, typ: str) -> SignedDocument:
        """A JWS (RFC 7515, flattened JSON form), signed by the newest ticket key."""
        header = {"alg": "EdDSA", "kid": self._kid, "typ": typ}
        protected, body = _encode(msgspec.json.encode(header)), _encode(payload)
        signature = self._signers[self._kid].sign(f"{protected}.{body}".encode("ascii"))
        return SignedDocument(protected=protected, payload=body, signature=_encode(signature))

    def qr_url(self, ticket_id: UUID) -> str:
        """The URL of the QR picture; e-mail clients can open it."""
        return self.url(ticket_id, "qr.png")

    def url(self, ticket_id: UUID, name: str) -> str:
        """The URL of a ticket's file (`qr.png`, `ticket.pdf`, `ticket.ics`) that opens without login."""
        link = _link(self._link_keys[-1], ticket_id)
        return f"{self._base_url}/api/v1/tickets/{ticket_id}/{name}?t={link}"

    def order_url(self, order_id: UUID) -> str:
        """The URL of the order's page in the storefront."""
        return f"{self._base_url}/#/orders/{order_id}"

    def opens(self, ticket_id: UUID, link: str) -> bool:
        """Whether `link` belongs to this ticket. Takes constant time."""
        sent = link.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(_link(key, ticket_id).encode("ascii"), sent)
            for key in self._link_keys
        )


def _link(key: bytes, ticket_id: UUID) -> str:
    return _encode(hmac.digest(key, b"ticket-link:" + ticket_id.bytes, hashlib.sha256)[:LINK_BYTES])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """Raises ValueError unless _encode would give exactly `text`, so that no code has a second form."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(raw) != text:
        raise ValueError("not the canonical form")
    return raw
