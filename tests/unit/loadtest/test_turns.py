"""Sides that are measured in turns, and what is told of them."""

import io
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from loadtest.bench.environment import python_for, unlike_here
from loadtest.bench.report import cost
from loadtest.bench.turns import (
    Document,
    Side,
    by_program,
    measure_in_turns,
    print_turns,
    settings_of,
    sides,
)
from runtime.starting import StartError


def document(order_us: float, echo_us: float, audit: str = "clean", **beside: float) -> Document:
    text = {
        "cases": {
            "create_order": {
                "per_second": 900.0,
                "cpu_us": {"web": order_us, "generator": 10.0},
                **beside,
            },
            "bare_echo": {"per_second": 4000.0, "cpu_us": {"web": echo_us, "generator": 10.0}},
        },
        "audit": audit,
        "ratios": {"of another version": 1},
    }
    return msgspec.json.decode(msgspec.json.encode(text), type=Document)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, timeout=60)

    git("init", "--quiet")
    for text in ("before", "after"):
        (tmp_path / "stampede.py").write_text(text)
        git("add", ".")
        git("commit", "--quiet", "--message", text)
    return tmp_path


def test_everything_counts_on_both_sides() -> None:
    cases = document(290.0, 40.0).cases
    assert cost(cases["create_order"], cases["bare_echo"]) == 6.0


def test_an_empty_answer_measured_beside_a_case_is_its_unit() -> None:
    """Another version's bench has none, and measures one a run."""
    cases = document(290.0, 40.0, unit_us=30.0).cases
    assert cost(cases["create_order"], cases["bare_echo"]) == 10.0


def test_it_is_said_when_others_used_the_machine() -> None:
    said: list[str] = []
    loud = document(290.0, 40.0, others=0.4)
    measure_in_turns([Side("here", Path())], 1, lambda _: loud, said.append)
    assert any("others used 40% of the machine during create_order" in line for line in said)
    quiet = document(290.0, 40.0, others=0.1)
    said.clear()
    measure_in_turns([Side("here", Path())], 1, lambda _: quiet, said.append)
    assert not any("others" in line for line in said)


def test_every_round_has_every_side_and_the_order_turns() -> None:
    here, there = Side("here", Path()), Side("there", Path())
    took: list[str] = []

    def measure(side: Side) -> Document:
        took.append(side.name)
        return document(290.0 if side is here else 190.0, 40.0 if len(took) < 3 else 20.0)

    found = measure_in_turns([here, there], 2, measure, lambda _: None)
    assert took == ["here", "there", "there", "here"]
    assert [(one.side, one.rounds) for one in found] == [
        ("here", [6.0, 10.0]),
        ("there", [4.0, 6.667]),
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    print_turns(found, console)
    text = console.export_text()
    assert "8.00" in text
    assert "6.00–10.00" in text
    assert "0.67" in text  # of what the first side costs


def test_a_side_with_wrong_data_is_no_comparison() -> None:
    with pytest.raises(StartError, match="audit of here found seats_sold_once"):
        measure_in_turns(
            [Side("here", Path())], 1, lambda _: document(1.0, 1.0, "seats_sold_once"), str
        )


def test_another_commit_is_measured_as_it_was_and_leaves_nothing(repository: Path) -> None:
    (repository / "stampede.py").write_text("not committed")
    with sides(repository, "HEAD~1", ["STAMPEDE_A=1,STAMPEDE_B=x=y"]) as found:
        before, here, changed = found
        assert (before.tree / "stampede.py").read_text() == "before"
        assert (here.name, here.tree, here.settings) == ("this tree", repository, {})
        assert changed.settings == {"STAMPEDE_A": "1", "STAMPEDE_B": "x=y"}
    assert not before.tree.exists()


def test_a_commit_that_git_does_not_know_is_refused_in_a_sentence(repository: Path) -> None:
    with (
        pytest.raises(StartError, match="nowhere cannot be measured"),
        sides(repository, "nowhere", []),
    ):
        pass


@pytest.mark.parametrize("text", ["STAMPEDE_A", "PATH=/x", "STAMPEDE_A=1,PATH=/x"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(StartError, match="is no setting"):
        settings_of(text)


def test_a_side_runs_its_own_code_with_its_own_settings(tmp_path: Path) -> None:
    program = """import sys
assert sys.argv[1:] == ["bench", "--json", "--seconds", "1", "--settings", "STAMPEDE_A=7,STAMPEDE_B=x"]
print('{"cases":{"a":{"per_second":1,"cpu_us":{"web":7}}},"audit":"clean"}')
"""
    (tmp_path / "stampede.py").write_text(program)
    run = by_program(["--seconds", "1"])
    found = run(Side("there", tmp_path, {"STAMPEDE_A": "7", "STAMPEDE_B": "x"}))
    assert found.cases["a"].cpu_us == {"web": 7.0}
    (tmp_path / "stampede.py").write_text("raise SystemExit(3)")
    with pytest.raises(StartError, match=r"there printed no figures \(exit code 3\)"):
        run(Side("there", tmp_path))


def test_a_tree_with_other_packages_gets_an_environment_of_its_own(tmp_path: Path) -> None:
    pinned = version("msgspec")
    project = (
        '[project]\nname = "x"\ndependencies = ["msgspec>=0.1", "uvloop; sys_platform == 1"]\n'
    )
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "constraints.txt").write_text(f"msgspec=={pinned}\nnot-installed-here==1\n")
    assert python_for(tmp_path, tmp_path / "no venv") == sys.executable
    (tmp_path / "constraints.txt").write_text("msgspec==0.0.1\n")
    assert list(unlike_here(tmp_path)) == ["msgspec==0.0.1"]
    (tmp_path / "pyproject.toml").write_text(project.replace("msgspec>=0.1", "structlog-of-old>1"))
    assert list(unlike_here(tmp_path)) == ["structlog-of-old", "msgspec==0.0.1"]


def test_an_environment_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = ['msgspec']\n")
    (tmp_path / "constraints.txt").write_text("msgspec==0.0.1\n")
    folder = tmp_path / "taken"
    folder.write_text("a file where the environment would be")
    with pytest.raises(StartError, match="No environment for"):
        python_for(tmp_path, folder)
