"""Which passwords are accepted (NIST SP 800-63B-4, 3.1.1.2): long enough and not well known. No other
rules.

Unicode is normalised to NFC before it is counted, compared or hashed. So a password stays the same when
it is typed on another keyboard.
"""

import unicodedata
from functools import cache
from pathlib import Path

from identity.domain.people import has_unsafe_characters, refused

PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 256  # bounds the cost of hashing; far longer than any passphrase
_WELL_KNOWN = Path(__file__).with_name("well_known_passwords.txt")


def normalise_password(text: str) -> str:
    """The form in which a password is hashed and verified: Unicode NFC, otherwise unchanged.

    identity.wire has already bounded its length to PASSWORD_LENGTH_MAX characters.
    """
    return unicodedata.normalize("NFC", text)


def acceptable_password(text: str, *, email: str) -> str:
    """The normalised password. Raises ValidationFailed for `password`, with the reason."""
    password = normalise_password(text)
    if has_unsafe_characters(password):
        raise refused("password", "must not contain control characters")
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
    """True if guessers try it first. Case does not matter, and one repeated character counts too."""
    folded = password.casefold()
    return len(set(folded)) == 1 or folded in well_known_passwords()


@cache
def well_known_passwords() -> frozenset[str]:
    """The list beside this file, read once. Lines with `#` are comments."""
    lines = _WELL_KNOWN.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("# "))
