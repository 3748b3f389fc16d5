"""State machines: what may become what, by which step, and which SQL statement writes it.

A machine is a table of transitions. Whoever wants to take a step asks `advance`, which answers with the
row of the table or raises. A statement that takes its states as parameters is given such a row, so it
can write nothing that is not in the table; a statement that has its states in its own text is named by
the rows that it writes. tests/architecture/test_states.py reads every .sql file and holds both ways: no
statement writes what no row says, and no row names a statement that does not write it.

Each statement compares the old state while it holds the row (`WHERE status = <from>`), so of two racing
steps one finds no row and rereads.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

State = TypeVar("State", bound=StrEnum)
Step = TypeVar("Step", bound=StrEnum)


class IllegalTransition(Exception):
    """The machine has no such step from here; use cases say what that means to the caller."""

    def __init__(self, state: StrEnum, step: StrEnum) -> None:
        super().__init__(f"{step} is no step from {state}")
        self.state, self.step = state, step


class Transition(msgspec.Struct, Generic[State, Step], frozen=True):
    """A row of a machine's table. `statements`: the queries that write it, by name."""

    from_state: State
    step: Step
    to_state: State
    statements: tuple[str, ...]


class Machine(Generic[State, Step]):
    """The life of one kind of row, whose state is in `column` (`table.column`).

    begins: the states that a new row may have, each with the queries that insert it.
    table: by state and step the state after it, and the queries that write it.
    """

    def __init__(
        self,
        column: str,
        *,
        begins: Mapping[State, tuple[str, ...]],
        table: Mapping[tuple[State, Step], tuple[State, *tuple[str, ...]]],
    ) -> None:
        self.column = column
        self.begins = begins
        self.transitions = {
            (state, step): Transition(state, step, after, tuple(statements))
            for (state, step), (after, *statements) in table.items()
        }

    def advance(self, state: State, step: Step) -> Transition[State, Step]:
        """The transition that `step` is from `state`. Raises IllegalTransition."""
        try:
            return self.transitions[state, step]
        except KeyError:
            raise IllegalTransition(state, step) from None

    def allows(self, state: State, step: Step) -> bool:
        """Whether `advance` answers."""
        return (state, step) in self.transitions

    def every(self, step: Step) -> list[Transition[State, Step]]:
        """All transitions by `step`, from whatever state."""
        return [row for row in self.transitions.values() if row.step is step]
