"""E-mail addresses, names and phone numbers: checked and brought to their stored form."""

import string
import unicodedata

from chassis.problems import FieldError, ValidationFailed

EMAIL_LENGTH_MAX = 254  # RFC 5321, 4.5.3.1.3: a path of 256 octets with its angle brackets
LOCAL_PART_LENGTH_MAX = 64  # RFC 5321, 4.5.3.1.1
DOMAIN_LABEL_LENGTH_MAX = 63  # RFC 1035, 2.3.4
NAME_LENGTH_MAX = 100
PHONE_LENGTH_MAX = 20
PHONE_DIGITS_MIN, PHONE_DIGITS_MAX = 5, 15  # E.164: 15 at most

# RFC 5322's atext and the dot. Quoted local parts are left out on purpose: hardly any exist, and
# none of these characters can break a header.
_LOCAL_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "!#$%&'*+-/=?^_`{|}~.")
_DOMAIN_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "-")
# control characters, surrogates, line separators
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings, overrides, isolates: they reverse the text behind a name wherever it is shown. The
# marks of Arabic and Hebrew (U+200E, U+200F, joiners) are not among them.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])


def normalise_email(text: str) -> str:
    """The form of an address that is stored and looked up: stripped, lower case.

    The local part is lowered too: no provider tells Ann@ from ann@, but people type both. Raises
    ValidationFailed for `email`.
    """
    email = text.strip().lower()
    local, at, domain = email.rpartition("@")
    if not at or not local or "@" in local:
        raise refused("email", "must have one @ with text on both sides")
    if len(email) > EMAIL_LENGTH_MAX or len(local) > LOCAL_PART_LENGTH_MAX:
        raise refused("email", "is too long")
    if not set(local) <= _LOCAL_CHARACTERS or local[0] == "." or local[-1] == ".":
        raise refused("email", "contains characters that are not allowed in an address")
    labels = domain.split(".")
    if len(labels) < 2 or not all(_is_label(label) for label in labels):
        raise refused("email", "must end with a domain such as example.com")
    return email


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= DOMAIN_LABEL_LENGTH_MAX
        and set(label) <= _DOMAIN_CHARACTERS
        and label[0] != "-"
        and label[-1] != "-"
    )


def clean_name(text: str) -> str:
    """A full name in Unicode NFC, stripped. Raises ValidationFailed for `full_name`."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise refused("full_name", f"must have 1 to {NAME_LENGTH_MAX} characters")
    if has_unsafe_characters(name) or not _TURNING.isdisjoint(name):
        raise refused("full_name", "must not contain control characters")
    if all(unicodedata.category(char)[0] in "CZ" for char in name):
        raise refused("full_name", "must have at least one visible character")
    return name


def clean_phone(text: str | None) -> str | None:
    """A phone number as typed: digits, spaces and hyphens, with an optional leading +. None removes
    it."""
    if text is None:
        return None
    phone = text.strip()
    digits = phone.removeprefix("+").replace(" ", "").replace("-", "")
    good = digits.isascii() and digits.isdigit() and len(phone) <= PHONE_LENGTH_MAX
    if not good or not PHONE_DIGITS_MIN <= len(digits) <= PHONE_DIGITS_MAX:
        wanted = f"{PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits"
        raise refused("phone", f"must have {wanted}; spaces, hyphens and a leading + are allowed")
    return phone


def has_unsafe_characters(text: str) -> bool:
    """True if a character breaks a line or cannot be stored (NUL, lone surrogates)."""
    return any(unicodedata.category(char) in _UNSAFE_CATEGORIES for char in text)
