"""A provider's own settings: `STAMPEDE_<PROVIDER>_<FIELD>` for the fields of a Struct that it defines.

chassis.settings hands them over as text, because it knows no provider; each says here what it takes.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from chassis.settings import PREFIX, SettingsError

Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(kind: type[Options], provider: str, given: Mapping[str, str]) -> Options:
    """`given` as `kind`: numbers and flags from their text, words with commas between as a tuple.

    Raises SettingsError naming every wrong, every unknown and every missing key.
    """
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values, problems = {}, []
    for name, text in sorted(given.items()):
        key = f"{PREFIX}{provider}_{name}".upper()
        field = fields.get(name)
        if field is None:
            problems.append(f"{key} is not a setting of the provider {provider}.")
            continue
        try:
            values[name] = _converted(text, field.type)
        except msgspec.ValidationError as wrong:
            problems.append(f"{key}: {str(wrong).lower().replace('`', '')}.")
    problems += [
        f"{PREFIX}{provider}_{name} is needed by the provider {provider}.".replace(
            f"{PREFIX}{provider}_{name}", f"{PREFIX}{provider}_{name}".upper(), 1
        )
        for name, field in fields.items()
        if field.required and name not in given
    ]
    if problems:
        raise SettingsError(problems)
    return kind(**values)


def _converted(text: str, wanted: object) -> object:
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError:
        words = tuple(part.strip() for part in text.split(",") if part.strip())
        try:
            return msgspec.convert(words, wanted, strict=False)
        except msgspec.ValidationError:
            pass
        raise
