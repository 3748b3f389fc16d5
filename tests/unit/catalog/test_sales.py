"""What a list says of a show's sales, from the sales of its sessions."""

import pytest

from catalog.domain.sales import sale_state


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ({"on_sale"}, "open"),
        ({"on_sale", "scheduled", "sold_out", "closed", "cancelled", "draft"}, "open"),
        ({"scheduled", "closed"}, "upcoming"),
        ({"scheduled", "sold_out"}, "upcoming"),
        ({"sold_out", "closed", "cancelled"}, "sold_out"),
        ({"closed", "draft"}, "closed"),
        ({"cancelled"}, "closed"),
        ({"draft"}, "upcoming"),
        (set(), "upcoming"),
    ],
)
def test_what_can_be_bought_soonest_decides(statuses: set[str], state: str) -> None:
    assert sale_state(statuses) == state
