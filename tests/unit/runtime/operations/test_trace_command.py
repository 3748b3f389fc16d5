"""`stampede trace`: what it is given, and one sentence for each thing that is wrong."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stampede.cli.main import stampede
from tests.unit.runtime.operations.test_trace_following import LIFE

NUMBER = "260114000042"


def trace(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(stampede, ["trace", *arguments], input=said)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "all.log").write_text("\n".join(LIFE), encoding="utf-8")
    return str(tmp_path)


def test_a_request_is_found_in_the_data_directory_in_files_and_in_standard_input(
    folder: str,
) -> None:
    found = [
        trace("place", "--data-dir", folder),
        trace("place", f"{folder}/logs/all.log"),
        trace("place", "-", said="\n".join(LIFE)),
    ]
    assert [one.exit_code for one in found] == [0, 0, 0]
    assert found[0].output == found[1].output == found[2].output
    assert "webhook_taken" in found[0].output


@pytest.mark.parametrize("files", [[], ["-"]])
def test_an_order_is_found_by_its_number_without_a_database(folder: str, files: list[str]) -> None:
    found = trace("--order", NUMBER, *files, "--data-dir", folder, said="\n".join(LIFE))
    assert found.exit_code == 0
    assert "followed by the logs alone" in found.output
    assert "webhook_taken" in found.output


def test_the_page_is_written_beside_nothing_else(folder: str) -> None:
    page = Path(folder) / "page.html"
    found = trace("place", "--html", str(page), "--data-dir", folder)
    assert (found.exit_code, found.output) == (0, f"{page}\n")
    assert page.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "has the request id nothing."),
        (["--order", "7"], "has the order 7."),
        (["x", "/no/such/file.log"], "cannot be read"),
        (["x", "-"], "No log line in standard input has the request id x."),
        (["place", "--html", "/no/such/page.html"], "cannot be written"),
        (["票"], "ASCII"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_1(
    folder: str, arguments: list[str], sentence: str
) -> None:
    found = trace(*arguments, "--data-dir", folder)
    assert found.exit_code == 1
    assert isinstance(found.exception, SystemExit)
    assert sentence in " ".join(found.output.replace("│", " ").split())


def test_without_an_id_the_usage_is_shown() -> None:
    assert trace().exit_code == 2
