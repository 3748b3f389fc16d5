"""The waterfall page: complete in itself, and nothing that a log line says becomes part of it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from runtime.operations.trace_files import Sources, TraceError
from runtime.operations.trace_following import Wanted, follow
from runtime.operations.trace_page import page, write_page
from tests.unit.runtime.operations.test_trace_following import LIFE, as_otel, story_of

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "\u202e\x1b[31m\0",
    "&lt;b&gt;",
]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    return tags


def test_a_page_asks_for_nothing_outside(tmp_path: Path) -> None:
    html = "".join(page(story_of(tmp_path, LIFE), "the request place"))
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<img", html)
    tags = read(html)
    assert (
        "meta",
        {"name": "viewport", "content": "width=device-width, initial-scale=1"},
    ) in tags.seen
    policies = [attrs for tag, attrs in tags.seen if "Content-Security-Policy" in attrs.values()]
    assert policies[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    text = " ".join(tags.text)
    assert all(word in text for word in ("order_created", "payment_unanswered", "webhook_taken"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_in_a_line_becomes_markup(tmp_path: Path, hostile: str) -> None:
    record = {
        "Timestamp": f"2026-01-14T15:30:00.1Z{hostile}",
        "SeverityText": hostile,
        "Body": hostile,
        "Attributes": {
            "request_id": "place",
            "order": hostile,
            "latency": f"5ms{hostile}",
            "span": hostile,
            hostile: hostile,
        },
        "Resource": {"service.name": hostile},
    }
    lines = [*map(as_otel, LIFE), msgspec.json.encode(record).decode()]
    calm = read("".join(page(story_of(tmp_path, map_otel()), "x")))
    found = read("".join(page(story_of(tmp_path, lines), hostile)))
    assert {tag for tag, _ in found.seen} == {tag for tag, _ in calm.seen}
    names = {name for _, attrs in found.seen for name in attrs}
    assert names == {name for _, attrs in calm.seen for name in attrs}
    classes = {attrs["class"] for _, attrs in found.seen if "class" in attrs}
    assert all(re.fullmatch(r"[a-z]+( [a-z0-9]+)?", str(one)) for one in classes)
    styles = {str(attrs["style"]) for _, attrs in found.seen if "style" in attrs}
    assert all(re.fullmatch(r"left:\d+\.\d\d%;width:\d+\.\d\d%", one) for one in styles)
    assert "\u202e" not in "".join(found.text)


def map_otel() -> list[str]:
    return list(map(as_otel, LIFE))


def test_bars_lie_within_their_request(tmp_path: Path) -> None:
    found = read("".join(page(story_of(tmp_path, map_otel()), "x")))
    bars = [str(attrs["style"]) for _, attrs in found.seen if "style" in attrs]
    assert len(bars) >= 4
    for bar in bars:
        left, width = (float(one) for one in re.findall(r"[\d.]+", bar))
        assert 0 <= left < left + width <= 100.01


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "all.log").write_text("\n".join(LIFE))
    with Sources([tmp_path]) as sources:
        story = follow(sources, Wanted(requests=["place"]))
    with pytest.raises(TraceError, match=r"cannot be written \(No such file or directory\)\.$"):
        write_page(tmp_path / "missing" / "page.html", story, "x")
    write_page(tmp_path / "page.html", story, "x")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.log", "page.html"]
