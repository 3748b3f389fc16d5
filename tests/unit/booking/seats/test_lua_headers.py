"""Every script's header says what the script does and what Python passes (STYLE.md, rule 4)."""

import re
from pathlib import Path

import pytest

from booking.domain.scoring import TOP
from booking.seats.bytes import TAKEN_BYTES
from booking.seats.holds import LUA
from booking.seats.keys import NAMES, QUANTITY_MAX
from chassis.redis.scripts import Script, load_scripts

SCRIPTS = load_scripts(LUA)
SHARED = sorted((LUA / "shared").glob("*.lua"))
FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
IN_REDIS_7_0 = {
    *("EXISTS", "TIME", "GET", "GETRANGE", "SETRANGE", "HGET", "HMGET", "HSET", "HDEL"),
    *("HINCRBY", "HEXISTS", "STRLEN", "ZADD", "ZREM", "ZRANGE", "ZRANGEBYSCORE"),
    *("DEL", "UNLINK", "PERSIST", "RENAME"),
}


def field(script: Script, name: str) -> str:
    """A header field with its continuation lines."""
    found = re.search(rf"^-- {name} *(.*(?:\n--  .*)*)", script.header, re.MULTILINE)
    assert found, f"{script.name}.lua has no {name}"
    return re.sub(r"\n-- *", " ", found[1]).strip()


def body(script: Script) -> str:
    return script.text.removeprefix(script.header)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
class TestHeader:
    def test_it_begins_with_a_sentence(self, script: Script) -> None:
        assert re.match(r"-- [A-Z][^\n]+", script.header)

    def test_its_keys_are_the_sessions_and_are_all_it_uses(self, script: Script) -> None:
        keys = field(script, "KEYS")
        names = keys.split(",")[0:8]
        assert [re.match(r" *(\w+)", name)[1] for name in names] == list(NAMES)  # type: ignore[index]
        used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", body(script))}
        assert max(used) <= (16 if "staged" in keys else 8)

    def test_its_arguments_are_as_many_as_it_reads(self, script: Script) -> None:
        named = re.sub(r"\(.*?\)", "", field(script, "ARGV"))
        names = [name.strip() for name in named.split(",") if name.strip()]
        repeats = any("…" in name or "and so on" in name for name in names)
        used = [int(number) for number in re.findall(r"ARGV\[(\d+)\]", body(script))]
        listed = len(names) - 1 if repeats else len(names)
        assert max(used, default=0) == (0 if repeats and not used else listed)

    def test_it_answers_with_the_words_it_names_and_no_other(self, script: Script) -> None:
        answered = set(re.findall(r"\{'([a-z_]+)'", own_text(script)))
        assert answered == script.words
        assert set(re.findall(r"'([a-z_]+)'", field(script, "RETURNS"))) == script.words

    def test_it_includes_what_it_uses_and_no_more(self, script: Script) -> None:
        functions = {path.stem: set(FUNCTION.findall(path.read_text())) for path in SHARED}
        own = set(re.findall(r"\b\w+\b", re.sub(r"'[^']*'", "''", own_text(script))))
        used = {name for name, defined in functions.items() if own & defined}
        needed = set(used)
        for name in used:  # shared files use functions of shared files
            text = (LUA / "shared" / f"{name}.lua").read_text()
            needed |= {
                other for other, f in functions.items() if any(f"{one}(" in text for one in f)
            }
        assert used <= set(script.includes) <= needed

    def test_it_refuses_a_session_that_is_not_loaded_before_it_does_anything(
        self, script: Script
    ) -> None:
        if script.name in {"close", "load"}:
            return
        assert "loaded" in script.includes
        assert "if not loaded() then\n  return {'not_loaded'}\nend" in body(script)
        before = own_text(script).split("if not loaded()", 1)[0]
        top_level = [line for line in before.splitlines() if line.startswith("redis.call")]
        assert top_level == []

    def test_no_key_is_computed(self, script: Script) -> None:
        assert commands_with_other_keys(script.text) == []

    def test_it_uses_only_commands_of_redis_7_0(self, script: Script) -> None:
        assert set(re.findall(r"redis\.call\('([A-Z]+)'", script.text)) <= IN_REDIS_7_0


def own_text(script: Script) -> str:
    """The file itself without what it includes."""
    return (LUA / f"{script.name}.lua").read_text().removeprefix(script.header)


def commands_with_other_keys(text: str) -> list[str]:
    """Calls whose key is not an element of KEYS."""
    calls = re.findall(r"redis\.call\('(\w+)'(?:, ([^,)]+))?", text)
    return [f"{name} {key}" for name, key in calls if name != "TIME" and "KEYS[" not in key]


def test_a_computed_key_would_be_found() -> None:
    assert commands_with_other_keys("redis.call('GET', 'seats:' .. ARGV[1])") == [
        "GET 'seats:' .. ARGV[1]"
    ]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_shared_files_say_what_they_are_and_are_used(path: Path) -> None:
    assert re.match(r"-- [A-Z]", path.read_text())
    assert any(path.stem in script.includes for script in SCRIPTS.values())


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_shared_files_define_functions_and_run_nothing(path: Path) -> None:
    top_level = [line for line in path.read_text().splitlines() if line and line[0] not in " -e"]
    assert all(line.startswith("local ") for line in top_level), top_level


def test_lua_and_python_have_one_table_of_bytes_and_one_scale() -> None:
    states = (LUA / "shared" / "states.lua").read_text()
    rows = ["".join(map(chr, TAKEN_BYTES[one].values())) for one in ("held", "sold", "blocked")]
    assert f"local ALL = '{''.join(map(chr, TAKEN_BYTES['held']))}{''.join(rows)}'" in states
    places = (LUA / "shared" / "places.lua").read_text()
    assert f"local TOP = {TOP} " in places
    assert QUANTITY_MAX < 32


def test_python_knows_every_script_by_its_name() -> None:
    code = "".join(path.read_text() for path in LUA.parent.glob("*.py"))
    for name in SCRIPTS:
        assert f'"{name}"' in code, f"nobody runs {name}.lua"
