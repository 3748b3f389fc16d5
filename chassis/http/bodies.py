"""Request bodies: decoded once to a Struct, strictly.

Litestar would first decode to plain objects and then convert leniently ("2" to 2). So handlers take
`body: RawBody` (litestar.params) and call `decode(CreateOrder, body)`. For the OpenAPI document they give
the struct in `opt=access(…, body=CreateOrder)`.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from chassis.problems import FieldError, ValidationFailed
from chassis.texts import NON_STARTERS_MAX, is_stream_safe

Kind = TypeVar("Kind")

TOLD_LENGTH_MAX = 200  # characters of a field's name, and of its message

# Characters that no one-line text may contain, as a class of a regular expression: those that end a
# line in any viewer, and those that reverse the text behind them.
LINE_BREAKING_CHARACTERS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"


def full_match(pattern: str) -> str:
    r"""A `Meta(pattern=…)` that matches the whole text. msgspec searches, and in Python a `$` alone
    allows a trailing line feed. ECMA 262, which OpenAPI documents use, has no `\Z`."""
    return rf"^(?:{pattern})$(?!\n)"


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def decode(kind: type[Kind], body: bytes) -> Kind:
    """The body as `kind`. Raises ValidationFailed with the invalid field (`areas.0.price`)."""
    try:
        decoded: Kind = _decoder(kind).decode(body)  # type: ignore[arg-type]
    except msgspec.ValidationError as wrong:
        raise ValidationFailed(errors=[field_error(str(wrong))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValidationFailed("The body is not valid JSON in UTF-8.") from None
    if not body.isascii() or b"\\u" in body:
        _look_through(body, decoded)
    return decoded


def _look_through(body: bytes, decoded: Any) -> None:
    """Characters that are not escaped are visible in the raw body, so hardly any value is checked
    alone."""
    if b"\\u" not in body and is_stream_safe(body.decode("utf-8", "replace")):
        return
    for field, text in _texts(decoded, ""):
        refuse_piled_marks(field, text)


def refuse_piled_marks(field: str, text: str) -> None:
    """Raises ValidationFailed for `field`: see chassis.texts."""
    if not is_stream_safe(text):
        message = f"has more than {NON_STARTERS_MAX} combining marks in a row"
        raise ValidationFailed(errors=[FieldError(_cut(field), message)])


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in it, with its dotted path. No deeper than msgspec itself went."""
    if isinstance(value, str):
        yield path, value
        return
    parts: Any = ()
    if isinstance(value, msgspec.Struct):
        parts = ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, dict):
        parts = value.items()
        for key in value:
            yield path, str(key)
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for name, part in parts:
        yield from _texts(part, f"{path}.{name}" if path else str(name))


def field_error(text: str) -> FieldError:
    """msgspec says "Expected `int`, got `str` - at `$.areas[0].price`"; we say areas.0.price."""
    message, _, path = text.rpartition(" - at `$")
    if not message:
        message, path = text, ""
    for lead in ("unknown field `", "missing required field `"):
        if lead in message:
            path = f"{path.rstrip('`')}.{message.split(lead, 1)[1].split('`', 1)[0]}"
    if " matching regex " in message:
        message = "does not have the form that the API documentation requires"
    dotted = path.rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "").strip(".")
    return FieldError(field=_cut(dotted), message=_cut(message))


def _cut(text: str) -> str:
    """Shortens a field's name: an unknown name is the sender's text, possibly a whole body."""
    return text if len(text) <= TOLD_LENGTH_MAX else text[:TOLD_LENGTH_MAX] + "..."
