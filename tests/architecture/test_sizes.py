"""Sizes are reported, and what has outgrown its room fails."""

from tests.architecture.source import ROOMS, ROOT, functions

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def file_sizes() -> list[tuple[int, str]]:
    sizes = []
    for room in ROOMS:
        for pattern in ("*.py", "*.sql", "*.lua", "*.js", "*.css", "*.toml"):
            for path in (ROOT / room).rglob(pattern):
                lines = path.read_text(encoding="utf-8").count("\n")
                sizes.append((lines, str(path.relative_to(ROOT))))
    return sorted(sizes, reverse=True)


def test_no_file_has_outgrown_its_room() -> None:
    sizes = file_sizes()
    print("\n".join(f"{lines:5} {name}" for lines, name in sizes[:10]))
    assert [entry for entry in sizes if entry[0] > FILE_LINES_MAX] == []


def test_no_function_has_outgrown_a_screen() -> None:
    sizes = sorted(
        ((lines, f"{module}.{name}") for module, name, lines in functions()), reverse=True
    )
    print("\n".join(f"{lines:5} {name}" for lines, name in sizes[:10]))
    within_30 = sum(lines <= 30 for lines, _ in sizes) / len(sizes)
    print(f"{within_30:.0%} of {len(sizes)} functions are within 30 lines")
    assert [entry for entry in sizes if entry[0] > FUNCTION_LINES_MAX] == []
