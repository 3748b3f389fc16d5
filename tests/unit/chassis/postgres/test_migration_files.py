"""What a migration's first lines say."""

from pathlib import Path

import pytest

from chassis.postgres.migration_files import MigrationError, Phase, read_migrations


def read(folder: Path, text: str, name: str = "0007_name.sql") -> tuple[object, ...]:
    (folder / name).write_text(text, encoding="utf-8")
    (one,) = read_migrations(folder)
    return one.number, one.phase, one.needs, one.transactional, one.index


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;", (7, Phase.EXPAND, None, True, None)),
        ("-- Why.\n\n-- phase: contract\nDROP TABLE a;", (7, Phase.CONTRACT, 7, True, None)),
        ("-- phase: contract\n-- needs: 0003\nDROP TABLE a;", (7, Phase.CONTRACT, 3, True, None)),
        ("-- transaction: no\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_key ON a (b);",
         (7, Phase.EXPAND, None, False, "a_key")),
        ("CREATE TABLE a ();\n-- phase: contract", (7, Phase.EXPAND, None, True, None)),
    ],
)  # fmt: skip
def test_a_file_says_its_phase_in_its_first_lines(
    tmp_path: Path, text: str, said: tuple[object, ...]
) -> None:
    assert read(tmp_path, text) == said


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("-- phase: contrct\n", "0007_name.sql"),
        ("-- transaction: yes\n", "0007_name.sql"),
        ("-- phase: contract\n-- needs: 3\n", "0007_name.sql"),
        ("-- needs: 0003\n", "0007_name.sql"),
        ("", "7_name.sql"),
    ],
)
def test_a_file_that_says_it_wrongly_is_refused(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(MigrationError, match=name):
        read(tmp_path, text, name)
