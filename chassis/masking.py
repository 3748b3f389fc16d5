"""What looks like a secret is not logged: one list of shapes for every line that is written.

A path and a request id are the sender's own words, and people put tokens into both. Bounds: each
expression is linear in its text, and a path is looked at in detail only when it has something that
no path of ours has.
"""

import re
from hashlib import blake2b

MASK = "[redacted]"
_TOKEN = (
    r"eyJ[\w-]{8,}"  # a JWT
    r"|ST1\.[\w.-]+"  # a ticket's code
    r"|(?:whsec|tok|pi|seti|[prs]k_(?:live|test))_\w+"  # webhooks', payment tokens, providers' keys
)
# An address is looked for from a word's beginning only: from each of its characters on, a long word
# without an @ cost its length squared. It comes first, so that no token in it hides where it begins.
SECRET = re.compile(rf"(?<![^\s@\"'])[^\s@\"']+@[^\s@\"']+\.[^\s@\"']+|{_TOKEN}")
_IN_PATH = re.compile(rf"@|%40|eyJ|{_TOKEN}|[\w-]{{37}}")
_AS_ID = re.compile(rf"(?:{_TOKEN})[\w.-]*|[\w-]{{43}}")  # 43: 32 bytes, as refresh tokens are made
_HINTS = ("_", "@", "%40", "eyJ", "ST1.")
UUID_LENGTH = 36  # a longer word in a path is no id of ours
SEGMENT_LOOKED_AT_MAX = 512


def masked_path(path: str) -> str:
    """The path with each segment replaced that looks like a secret, or is longer than any id."""
    segments = path.split("/")
    if not any(hint in path for hint in _HINTS) and max(map(len, segments)) <= UUID_LENGTH:
        return path
    return "/".join(
        MASK if _IN_PATH.search(segment[:SEGMENT_LOOKED_AT_MAX]) else segment
        for segment in segments
    )


def logged_id(request_id: str) -> str:
    """A request id as it stands in logs: itself, or, where it looks like a secret, what cannot be
    turned back into it and is still the same for the same id."""
    if len(request_id) < 8 or not _AS_ID.fullmatch(request_id):
        return request_id
    return f"masked-{blake2b(request_id.encode('ascii'), digest_size=8).hexdigest()}"
