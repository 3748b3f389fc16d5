"""Who promotes PostgreSQL's standby: by what is asked for, what is installed, and what is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded import EmbeddedError
from runtime.embedded.patroni import WHOLE, PatroniPrograms, choose_patroni
from runtime.embedded.patroni_config import configuration

INSTALLED = PatroniPrograms(Path("/usr/bin/patroni"), Path("/usr/bin/etcd"))


def made_with(folder: Path, kind: str) -> Path:
    (folder / kind).mkdir()
    (folder / "patroni" / WHOLE).touch() if kind == "patroni" else None
    return folder


def test_new_data_are_patronis_where_it_is_installed_unless_it_is_not_wanted(
    tmp_path: Path,
) -> None:
    assert choose_patroni(tmp_path, "auto", INSTALLED) == INSTALLED
    assert choose_patroni(tmp_path, "patroni", INSTALLED) == INSTALLED
    assert choose_patroni(tmp_path, "none", INSTALLED) is None


def test_without_patroni_all_stays_and_asking_for_it_is_one_sentence(tmp_path: Path) -> None:
    assert choose_patroni(tmp_path, "auto", None) is None
    with pytest.raises(EmbeddedError, match=r"^Patroni was asked for, but it is not installed"):
        choose_patroni(tmp_path, "patroni", None)


def test_data_stay_with_what_they_were_made_with(tmp_path: Path) -> None:
    assert choose_patroni(made_with(tmp_path, "postgres"), "auto", INSTALLED) is None
    with pytest.raises(EmbeddedError, match="were made without Patroni"):
        choose_patroni(tmp_path, "patroni", INSTALLED)


def test_patronis_data_are_no_other_promoters(tmp_path: Path) -> None:
    assert choose_patroni(made_with(tmp_path, "patroni"), "auto", INSTALLED) == INSTALLED
    with pytest.raises(EmbeddedError, match="were made with Patroni"):
        choose_patroni(tmp_path, "none", INSTALLED)


def test_patronis_data_without_patroni_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"^The data here need Patroni, but"):
        choose_patroni(made_with(tmp_path, "patroni"), "auto", None)


def test_a_first_start_that_was_interrupted_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "patroni").mkdir()
    assert choose_patroni(tmp_path, "none", INSTALLED) is None


def test_commits_wait_for_the_standby_and_nobody_reaches_a_server_without_a_password() -> None:
    made = configuration(
        "one", Path("/d/one"), Path("/s"), postgres=1, rest=2, etcd=3, password="secret"
    )
    shared = made["bootstrap"]["dcs"]
    assert shared["synchronous_mode"] is True
    # Patroni refuses less, and would adjust it in silence.
    assert shared["loop_wait"] + 2 * shared["retry_timeout"] <= shared["ttl"] >= 20
    for line in made["postgresql"]["pg_hba"]:
        assert line.startswith("local ") or "127.0.0.1/32 scram-sha-256" in line
    for settings in (made["postgresql"]["parameters"], shared["postgresql"]["parameters"]):
        assert "synchronous_standby_names" not in settings  # Patroni's own


@pytest.mark.parametrize(
    ("option", "what"), [("--balancer=haproxy", "HAProxy"), ("--promoter=patroni", "Patroni")]
)
def test_what_is_asked_for_and_not_installed_is_one_sentence_and_exit_code_1(
    tmp_path: Path, option: str, what: str
) -> None:
    """In a process that finds no program but itself."""
    hidden = (
        "import shutil; shutil.which = lambda *_, **__: None;"
        "import sys; from stampede.cli.main import main; main()"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith("STAMPEDE_")}
    command = [sys.executable, "-c", hidden, "up", "--topology", "cluster", option]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path)],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith(f"stampede: {what} was asked for, but it is not installed")
