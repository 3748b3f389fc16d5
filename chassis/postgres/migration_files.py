"""Migrations as files: numbered, never changed, each of a phase that its first lines say.

-- phase: contract        expand (the default) only adds: code from before it goes on working.
                          contract removes: it waits until no process needs what it removes.
-- needs: 0014            (contract only) the oldest code that works after it, by the newest migration
                          that this code has. Default: code that has this file.
-- transaction: no        one statement that refuses a transaction, such as CREATE INDEX CONCURRENTLY.
                          It must do no harm when it is run twice.
"""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_SAID = re.compile(r"-- ?(phase|needs|transaction): *(.*?)\s*")
_INDEX = re.compile(
    r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.I
)


class MigrationError(Exception):
    """The schema does not fit this code, or cannot be brought to it. The message says what to do."""


class Phase(StrEnum):
    EXPAND = "expand"
    CONTRACT = "contract"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """`needs`: of a contract, the number of the migration that the oldest working code has. `index`: what a
    CREATE INDEX CONCURRENTLY makes."""

    name: str
    number: int
    text: str
    digest: str
    phase: Phase
    needs: int | None
    transactional: bool
    index: str | None


def read_migrations(directory: Path) -> list[Migration]:
    """All files of a folder by number. Raises MigrationError for one that does not say what it is."""
    return [_read(path) for path in sorted(directory.glob("*.sql"))]


def newest(migrations: Sequence[Migration]) -> int:
    return max((one.number for one in migrations), default=0)


def _read(path: Path) -> Migration:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise MigrationError(
            f"Rename {path.name}: migrations have names like 0001_what_it_does.sql."
        )
    text = path.read_text(encoding="utf-8")
    number = int(named[1])
    said = _header(path.name, text)
    phase = Phase(said.get("phase", Phase.EXPAND))
    needs = int(said.get("needs", number)) if phase is Phase.CONTRACT else None
    transactional = said.get("transaction") != "no"
    index = None if transactional else _INDEX.search(text)
    return Migration(
        name=path.name,
        number=number,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        phase=phase,
        needs=needs,
        transactional=transactional,
        index=index[1] if index is not None else None,
    )


def _header(name: str, text: str) -> dict[str, str]:
    """What the comments before the first statement say."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("--"):
            break
        if (said := _SAID.fullmatch(line)) is not None:
            found[said[1]] = said[2]
    rules = {"phase": "expand|contract", "needs": r"\d{4}", "transaction": "no"}
    for key, value in found.items():
        if re.fullmatch(rules[key], value) is None:
            raise MigrationError(f"{name} says `{key}: {value}`, which means nothing here.")
    if "needs" in found and found.get("phase") != Phase.CONTRACT:
        raise MigrationError(f"{name} says `needs`, but only a contract can.")
    return found
