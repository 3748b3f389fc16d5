"""Keeps likely secrets out of the logs: one list of patterns for every line.

A path and a request id are the sender's text, and people put tokens into both. The cost is bounded: each
expression is linear in its text, and a path is checked in detail only if it contains something that none
of our paths has.
"""

import re
from hashlib import blake2b

MASK = "[redacted]"
# Fields of log lines that are never written.
SECRET_FIELDS = frozenset(
    [
        "password",
        "token",
        "access_token",
        "refresh_token",
        "authorization",
        "cookie",
        "secret",
        "email",
        "phone",
        "address",
        "full_name",
        "payment_token",
        "code",
        "signature",
        "ip",
    ]
)
_TOKEN = (
    r"eyJ[\w-]{8,}"  # a JWT
    r"|ST1\.[\w.-]+"  # a ticket's code
    r"|(?:whsec|tok|pi|seti|[prs]k_(?:live|test))_\w+"  # webhooks', payment tokens, providers' keys
)
# An address is searched only from the beginning of a word: from each of its characters on, a long
# word without an @ would cost its length squared. It comes first, so that a token in it cannot hide
# its beginning.
SECRET = re.compile(rf"(?<![^\s@\"'])[^\s@\"']+@[^\s@\"']+\.[^\s@\"']+|{_TOKEN}")
_IN_PATH = re.compile(rf"@|%40|eyJ|{_TOKEN}|[\w-]{{37}}")
_AS_ID = re.compile(rf"(?:{_TOKEN})[\w.-]*|[\w-]{{43}}")  # 43: 32 bytes, as refresh tokens are made
_HINTS = ("_", "@", "%40", "eyJ", "ST1.")
UUID_LENGTH = 36  # a longer segment is no id of ours
SEGMENT_LOOKED_AT_MAX = 512


def masked_path(path: str) -> str:
    """The path, with each segment masked that looks like a secret or is longer than any id."""
    segments = path.split("/")
    if not any(hint in path for hint in _HINTS) and max(map(len, segments)) <= UUID_LENGTH:
        return path
    return "/".join(
        MASK if _IN_PATH.search(segment[:SEGMENT_LOOKED_AT_MAX]) else segment
        for segment in segments
    )


def logged_id(request_id: str) -> str:
    """A request id as logs show it. One that looks like a secret is replaced by an irreversible value
    that is the same for the same id."""
    if len(request_id) < 8 or not _AS_ID.fullmatch(request_id):
        return request_id
    return f"masked-{blake2b(request_id.encode('ascii'), digest_size=8).hexdigest()}"
