"""Which passwords are taken (NIST SP 800-63B-4, 3.1.1.2): long enough, not well known, else anything.

No rules of composition. Unicode is normalised to NFC before it is counted, compared or hashed, so a
password typed on another keyboard stays the same password.
"""

import unicodedata
from functools import cache
from pathlib import Path

from identity.domain.people import has_unsafe_characters, refused

PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 256  # bounds the hashing of what a stranger sends; far above any passphrase
_WELL_KNOWN = Path(__file__).with_name("well_known_passwords.txt")


def normalise_password(text: str) -> str:
    """The form in which a password is hashed and verified: Unicode NFC, nothing else changed.

    What comes over the wire is bounded before (identity.wire): at most PASSWORD_LENGTH_MAX characters.
    """
    return unicodedata.normalize("NFC", text)


def acceptable_password(text: str, *, email: str) -> str:
    """The normalised password. Raises ValidationFailed naming `password` and what is wrong."""
    password = normalise_password(text)
    if has_unsafe_characters(password):
        raise refused("password", "must not have control characters")
    if len(password) < PASSWORD_LENGTH_MIN:
        raise refused("password", f"must have at least {PASSWORD_LENGTH_MIN} characters")
    if len(password) > PASSWORD_LENGTH_MAX:
        raise refused("password", f"must have at most {PASSWORD_LENGTH_MAX} characters")
    if is_well_known(password):
        raise refused("password", "is one of the most common passwords; choose another")
    if password.casefold() in {email, email.partition("@")[0]}:
        raise refused("password", "must not be your e-mail address")
    return password


def is_well_known(password: str) -> bool:
    """Whether guessers try it first. Case does not help; nor does one character over and over."""
    folded = password.casefold()
    return len(set(folded)) == 1 or folded in well_known_passwords()


@cache
def well_known_passwords() -> frozenset[str]:
    """The list beside this file, read once; `#` begins a comment line."""
    lines = _WELL_KNOWN.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("# "))
