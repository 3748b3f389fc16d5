"""Checks what a section says of single seats: properties name rows and seats that exist, and companions sit
beside the wheelchair place that they belong to."""

from collections.abc import Iterator, Mapping, Sequence

from catalog.halls.document import Properties
from catalog.halls.hall import HallRow, numbers_of
from catalog.halls.layout import with_properties
from chassis.problems import FieldError

Findings = Iterator[FieldError]

_SAYS = ("accessible", "companion_of", "restricted", "blocked", "house")


def check_properties(
    path: str, properties: Sequence[Properties], rows: Mapping[str, HallRow]
) -> Findings:
    """`rows`: the section's, by label."""
    numbers = {
        label: frozenset(number for run in rows[label].segments for number in numbers_of(run))
        for some in properties
        for label in some.rows
        if label in rows
    }
    wrong = False
    for index, some in enumerate(properties):
        for error in _named(f"{path}.{index}", some, numbers):
            wrong = True
            yield error
    if not wrong:
        yield from _companions(path, properties, rows)


def _named(path: str, some: Properties, numbers: Mapping[str, frozenset[int]]) -> Findings:
    """Whether these rows and seats exist."""
    if not any(getattr(some, name) for name in _SAYS):
        yield FieldError(path, f"must say one of {', '.join(_SAYS)}")
    if some.companion_of is not None and some.seats is None:
        yield FieldError(f"{path}.seats", "is needed beside companion_of")
    for place, label in enumerate(some.rows):
        if label not in numbers:
            yield FieldError(f"{path}.rows.{place}", "is no row of this section")
            continue
        for index, number in enumerate(some.seats or ()):
            if number not in numbers[label]:
                yield FieldError(f"{path}.seats.{index}", f'is no seat of row "{label}"')
        if some.companion_of is not None and some.companion_of not in numbers[label]:
            yield FieldError(f"{path}.companion_of", f'is no seat of row "{label}"')


def _companions(
    path: str, properties: Sequence[Properties], rows: Mapping[str, HallRow]
) -> Findings:
    """Each companion belongs to one accessible seat in the same run of seats."""
    named = {label: rows[label] for some in properties for label in some.rows}
    accessible = {
        row.label: frozenset(row.accessible) for row in with_properties(named.values(), properties)
    }
    runs = {label: _run_of_each(row) for label, row in named.items()}
    belongs: dict[tuple[str, int], int] = {}
    for index, some in enumerate(properties):
        if some.companion_of is None:
            continue
        for label in some.rows:
            if some.companion_of not in accessible[label]:
                yield FieldError(
                    f"{path}.{index}.companion_of", f'is no accessible seat of row "{label}"'
                )
                continue
            for place, number in enumerate(some.seats or ()):
                if belongs.setdefault((label, number), some.companion_of) != some.companion_of:
                    message = f'of row "{label}" belongs to two accessible seats'
                elif number in accessible[label]:
                    message = f'of row "{label}" is an accessible seat itself'
                elif runs[label][number] != runs[label][some.companion_of]:
                    message = f'of row "{label}" is not beside seat {some.companion_of}'
                else:
                    continue
                yield FieldError(f"{path}.{index}.seats.{place}", message)


def _run_of_each(row: HallRow) -> dict[int, int]:
    """The run that each number of a row is in."""
    return {number: index for index, run in enumerate(row.segments) for number in numbers_of(run)}
