"""Outlines from drawings; hostile XML is refused before it costs anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.halls.svg_form import BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX, outlines_of
from chassis.problems import ValidationFailed

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"'
SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]


def svg(inner: str) -> bytes:
    return f"<svg {NAMESPACES}>{inner}</svg>".encode()


def only(inner: str, *, scale: float = 1.0) -> list[tuple[float, float]]:
    (outline,) = outlines_of(svg(inner), scale=scale).values()
    return [(x + 0.0, y + 0.0) for x, y in outline]  # without -0.0


@pytest.mark.parametrize(
    "drawn",
    [
        '<polygon id="a" points="0,0 4,0 4,4 0,4"/>',
        '<polygon id="a" points="0 0 4 0 4 4 0 4 0 0"/>',
        '<polyline id="a" points="0,0,4,0,4,4,0,4"/>',
        '<rect id="a" width="4" height="4px"/>',
        '<path id="a" d="M0,0 4,0 L4 4 0 4Z"/>',
        '<path id="a" d="m0 0h4v4h-4z"/>',
        '<path id="a" d="M0 0H4V4H0V0"/>',
        '<path id="a" d="M 0e0,0 L 4e0,.0 l 0,4 -4,0"/>',
        '<g transform="translate(-1 -2)"><rect id="a" x="1" y="2" width="4" height="4"/></g>',
        '<g transform="scale(2) translate(1)"><rect id="a" x="-1" width="2" height="2"/></g>',
        '<g transform="scale(2)"><g transform="scale(2)"><rect id="a" width="1" height="1"/></g></g>',
        '<rect id="a" y="-4" width="4" height="4" transform="rotate(90) scale(1,1)"/>',
        '<g transform="matrix(1,0,0,1,3,3)"><rect id="a" x="-3" y="-3" width="4" height="4"/></g>',
    ],
)
def test_ways_to_draw_a_square(drawn: str) -> None:
    assert sorted(only(drawn)) == sorted(map(tuple, SQUARE))


def test_rotation_around_a_point_and_skew() -> None:
    turned = only(
        '<rect id="a" x="10" y="10" width="2" height="1" transform="rotate(180 11 10.5)"/>'
    )
    assert sorted(turned) == [(10, 10), (10, 11), (12, 10), (12, 11)]
    assert only('<rect id="a" width="2" height="2" transform="skewX(45)"/>')[2] == (4, 2)


def test_units_of_the_drawing() -> None:
    assert only('<rect id="a" width="40" height="40"/>', scale=10)[2] == (4, 4)


def test_where_keys_come_from_and_what_is_left_out() -> None:
    found = outlines_of(
        svg(
            "<title>Hall</title><defs><circle r='4'/></defs><metadata><x/></metadata>"
            '<rect data-section="one" inkscape:label="x" id="y" width="4" height="4"/>'
            '<rect inkscape:label="看台 101区" id="z" width="4" height="4"/>'
            '<rect id="three" width="4" height="4"><title>Three</title></rect>'
        )
    )
    assert list(found) == ["one", "看台 101区", "three"]


@pytest.mark.parametrize(
    ("drawn", "field", "said"),
    [
        ('<circle id="a" r="4"/>', "svg.a", "is a circle"),
        ('<path id="a" d="M0,0 C1,1 2,2 3,3Z"/>', "svg.a", 'the command "C"'),
        ('<path id="a" d="M0,0L4,0 4,4Z M1,1L2,1 2,2Z"/>', "svg.a", "more than one part"),
        ('<path id="a" d="L4,0 4,4Z"/>', "svg.a", "does not begin with M"),
        ('<path id="a" d="M0,0 4,0 4"/>', "svg.a", "odd number"),
        ('<path id="a" d="?"/>', "svg.a", "where a command"),
        ('<polygon id="a" points="0,0 4,x 4,4"/>', "svg.a", 'has "x 4,4" where a number'),
        ('<polygon id="a" points="0,0 4,0"/>', "svg.a", "has 2 corners"),
        (f'<polygon id="a" points="{"0,0 1,1 " * 101}"/>', "svg.a", "has 202 corners"),
        ('<polygon id="a" points="0,0 9e400,0 4,4"/>', "svg.a", "too large"),
        (f'<polygon id="a" points="0,0 {"9" * 400},0 4,4"/>', "svg.a", "too large"),
        ('<rect id="a" width="4" height="4" rx="1"/>', "svg.a", "round corners"),
        ('<rect id="a" width="4" height="50%"/>', "svg.a", "where a number"),
        ('<rect width="4" height="4"/>', "svg.rect", "needs an id"),
        ('<rect id="a" width="4" height="4"/>' * 2, "svg.a", "is there twice"),
        (
            '<g id="g" transform="rotate(a)"><rect id="a" width="1" height="1"/></g>',
            "svg.g",
            "where a number",
        ),
        ('<g id="g" transform="fly(1)"/>', "svg.g", "not understood"),
        ('<g id="g" transform="scale(1,2,3)"/>', "svg.g", "a scale with 3 numbers"),
        ("", "svg", "has no polygons"),
    ],
)
def test_what_is_no_outline(drawn: str, field: str, said: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        outlines_of(svg(drawn))
    assert refused.value.errors[0].field == field
    assert said in refused.value.errors[0].message


BILLION = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<svg {NAMESPACES}><text>&b;</text><rect id="a" width="4" height="4"/></svg>'
)
OUTSIDE = (
    '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    f'<svg {NAMESPACES}><text>&x;</text><rect id="a" width="4" height="4"/></svg>'
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BILLION.encode(), "document type"),
        (OUTSIDE.encode(), "document type"),
        (svg("<g>" * (DEPTH_MAX + 1) + "</g>" * (DEPTH_MAX + 1)), "elements deep"),
        (svg("<text>" + "<b>" * DEPTH_MAX + "</b>" * DEPTH_MAX + "</text>"), "elements deep"),
        (svg("<g/>" * ELEMENTS_MAX), "at most 20000 elements"),
        (b" " * (BYTES_MAX + 1), "bytes"),
        (b"<html><body/></html>", "an SVG drawing"),
        (b"<svg><g></svg>", "is no XML: mismatched tag in line 1"),
        (b"\xff\xfe\x00", "is no XML"),
        (b"", "is no XML"),
    ],
)
def test_hostile_xml(body: bytes, said: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        outlines_of(body)
    assert said in refused.value.errors[0].message


@given(st.text(alphabet="MmLlHhVvZzCe0123456789.,+- ", max_size=60))
def test_no_path_makes_anything_but_an_outline_or_a_refusal(path: str) -> None:
    try:
        (outline,) = outlines_of(svg(f'<path id="a" d="{path}"/>')).values()
    except ValidationFailed as refused:
        (error,) = refused.errors
        assert error.field == "svg.a"
    else:
        assert len(outline) >= 3
