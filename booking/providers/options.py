"""A provider's own settings: `STAMPEDE_<PROVIDER>_<FIELD>`, one for each field of the provider's Struct.

chassis.settings passes them on as text, because it knows no provider; this module parses them.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from chassis.settings import PREFIX, SettingsError

Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(kind: type[Options], provider: str, given: Mapping[str, str]) -> Options:
    """Parses `given` to `kind`: numbers and flags from text, tuples from words separated by commas.

    Raises SettingsError that names every wrong, unknown and missing key.
    """
    start = f"{PREFIX}{provider.upper()}_"
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, object] = {}
    problems = [
        f"{start}{name.upper()} is required by the provider {provider}."
        for name, field in fields.items()
        if field.required and name not in given
    ]
    for name, text in sorted(given.items()):
        if name not in fields:
            problems.append(f"{start}{name.upper()} is not a setting of the provider {provider}.")
            continue
        try:
            values[name] = _converted(text, fields[name].type)
        except msgspec.ValidationError as wrong:
            problems.append(f"{start}{name.upper()} is wrong: {wrong}.")
    if problems:
        raise SettingsError(problems)
    return kind(**values)


def _converted(text: str, wanted: object) -> object:
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError as wrong:
        if "`array`" not in str(wrong):
            raise
    words = tuple(part.strip() for part in text.split(",") if part.strip())
    return msgspec.convert(words, wanted, strict=False)
