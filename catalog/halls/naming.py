"""What is printed on rows and seats: labels and numbers as a plan's rules say."""

from collections.abc import Sequence

from msgspec import UNSET

from catalog.halls.document import LabelRule, Numbering

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # without I and O


def letters_at(index: int) -> str:
    """A, B, … Z, AA, AB, …: the label at this place, from 0."""
    label = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, len(LETTERS))
        label = LETTERS[letter] + label
    return label


def place_of_letters(label: str) -> int | None:
    """The inverse of letters_at; None if this is no such label, or a long one."""
    if not 1 <= len(label) <= 3 or not set(label) <= set(LETTERS):
        return None
    place = 0
    for letter in label:
        place = place * len(LETTERS) + LETTERS.index(letter) + 1
    return place - 1


def first_place(rule: LabelRule) -> int | None:
    """Where a rule's labels begin: a number, or the place of its letters. None if they are of another
    style."""
    if rule.start is UNSET:
        return 1 if rule.style == "numbers" else 0
    if rule.style == "letters":
        return place_of_letters(rule.start) if isinstance(rule.start, str) else None
    return rule.start if isinstance(rule.start, int) and 0 <= rule.start <= 99_999 else None


def labels_by(rule: LabelRule, count: int) -> list[str]:
    """Labels of so many rows, front to back. The rule's start is of its style."""
    first = first_place(rule)
    assert first is not None
    places = range(first, first + count)
    labels = [letters_at(one) if rule.style == "letters" else str(one) for one in places]
    return labels[::-1] if rule.back_to_front else labels


def left_half(count: int) -> int:
    """How many seats of a row are left of its middle."""
    return (count + 1) // 2


def numbers_by(numbering: Numbering, count: int) -> Sequence[int]:
    """Printed numbers of so many seats, from left to right."""
    first, step = numbering.start, numbering.step
    if numbering.direction == "left-to-right":
        return range(first, first + count * step, step)
    if numbering.direction == "right-to-left":
        return range(first + (count - 1) * step, first - step, -step)
    left = left_half(count)
    odd, even = first + (first + 1) % 2, first + first % 2
    on_left, on_right = (odd, even) if numbering.direction == "odd-left" else (even, odd)
    return (
        *range(on_left + 2 * (left - 1), on_left - 2, -2),
        *range(on_right, on_right + 2 * (count - left), 2),
    )
