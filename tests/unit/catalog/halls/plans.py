"""Plan documents for the tests of halls."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from catalog.halls.document import PlanDocument

Json = dict[str, Any]

STAGE: Json = {"outline": [[-8, -6], [8, -6], [8, 0], [-8, 0]]}


def rows(**fields: Any) -> Json:
    """A straight block: two rows of four seats unless the fields say otherwise."""
    return {"shape": "straight", "at": [0, 4], "rows": 2, "seats": 4} | fields


def curve(**fields: Any) -> Json:
    """A curved block that is as full as it can be."""
    return {
        "shape": "curved",
        "centre": [0, -20],
        "radius": 26,
        "start": 110,
        "end": 70,
        "rows": 3,
    } | fields


def seated(key: str, *blocks: Json, **fields: Any) -> Json:
    return {"key": key, "name": f"Section {key}", "blocks": list(blocks)} | fields


def standing(key: str, **fields: Any) -> Json:
    return {
        "key": key,
        "name": f"Section {key}",
        "kind": "standing",
        "capacity": 50,
        "outline": [[0, 0], [9, 0], [9, 9], [0, 9]],
    } | fields


def plan(*sections: Json, **fields: Any) -> Json:
    return {"version": 1, "name": "A hall", "stage": STAGE, "sections": list(sections)} | fields


def document(*sections: Json, **fields: Any) -> PlanDocument:
    return msgspec.json.decode(msgspec.json.encode(plan(*sections, **fields)), type=PlanDocument)


aisles = st.lists(
    st.builds(
        lambda after, width: {"after": after, "width": width},
        st.one_of(st.just("middle"), st.integers(-6, 12).filter(bool)),
        st.floats(0, 3),
    ),
    max_size=3,
)
numbering = st.builds(
    lambda direction, first, step: {"direction": direction, "from": first, "step": step},
    st.sampled_from(["left-to-right", "right-to-left", "odd-left", "odd-right"]),
    st.integers(1, 200),
    st.integers(1, 3),
)
shared = {
    "aisles": aisles,
    "numbering": numbering,
    "align": st.sampled_from(["left", "centre", "right", "justify"]),
    "row_spacing": st.floats(0.9, 3),
    "seat_spacing": st.floats(0.8, 1.5),
    "labels": st.builds(
        lambda style, backwards: {"style": style, "back_to_front": backwards},
        st.sampled_from(["numbers", "letters"]),
        st.booleans(),
    ),
}


@st.composite
def straight_blocks(draw: st.DrawFn, at: tuple[float, float]) -> Json:
    sizes = draw(st.lists(st.integers(1, 14), min_size=1, max_size=6))
    fields = draw(st.fixed_dictionaries({}, optional=shared))
    return fields | {
        "shape": "straight",
        "at": list(at),
        "rotation": draw(st.floats(-180, 180)),
        "skew": draw(st.floats(-20, 20)),
        "rows": len(sizes),
        "seats": sizes,
    }


@st.composite
def curved_blocks(draw: st.DrawFn, at: tuple[float, float]) -> Json:
    end = draw(st.floats(-180, 180))
    fields = draw(st.fixed_dictionaries({}, optional=shared))
    return fields | {
        "shape": "curved",
        "centre": list(at),
        "radius": draw(st.floats(8, 20)),
        "start": end + draw(st.floats(80, 360)),
        "end": end,
        "rows": draw(st.integers(1, 5)),
    }


@st.composite
def documents(draw: st.DrawFn) -> PlanDocument:
    """Sections of one block each, so far apart that they cannot overlap."""
    sections = []
    for index in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([straight_blocks, curved_blocks]))
        sections.append(seated(str(index), draw(kind((index * 200.0, 50.0)))))
    return document(*sections)
