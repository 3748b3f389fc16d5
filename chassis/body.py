"""Request bodies: bytes to a Struct once, strictly, at the edge.

Litestar would first decode to plain objects and then convert leniently ("2" for 2). Handlers take
`body: RawBody` (litestar.params) instead and call `decode(CreateOrder, body)`; for the OpenAPI
document they name the struct in `opt=access(…, body=CreateOrder)`.
"""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from chassis.problems import FieldError, ValidationFailed

Kind = TypeVar("Kind")


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


def decode(kind: type[Kind], body: bytes) -> Kind:
    """The body as `kind`. Raises ValidationFailed naming the wrong field (`areas.0.price`)."""
    try:
        decoded: Kind = _decoder(kind).decode(body)  # type: ignore[arg-type]
    except msgspec.ValidationError as wrong:
        raise ValidationFailed(errors=[field_error(str(wrong))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValidationFailed("The body is not valid JSON in UTF-8.") from None
    return decoded


def field_error(text: str) -> FieldError:
    """msgspec says "Expected `int`, got `str` - at `$.areas[0].price`"; we say areas.0.price."""
    message, _, path = text.rpartition(" - at `$")
    if not message:
        message, path = text, ""
    for lead in ("unknown field `", "missing required field `"):
        if lead in message:
            path = f"{path.rstrip('`')}.{message.split(lead, 1)[1].split('`', 1)[0]}"
    dotted = path.rstrip("`").replace("[...]", "").replace("[", ".").replace("]", "").strip(".")
    return FieldError(field=dotted, message=message)
