"""`stampede bench --holds`, with few cells: that it fills areas as it says and measures every one."""

from booking.seats.holds import LUA
from loadtest.bench.cases import holds


def test_every_cell_is_measured_beside_other_scripts() -> None:
    said: list[str] = []
    with holds.hold_scripts(LUA) as scripts:
        cells = holds.run_holds(scripts, said.append, sizes=(100,), sold_percent=(0, 90), rounds=2)
        together = holds.run_together(scripts, rounds=1)
    assert [(one.how, one.sold_percent, one.quantity) for one in cells] == [
        (how, percent, quantity)
        for how in holds.HOWS
        for percent in (0, 90)
        for quantity in holds.QUANTITIES
    ]
    assert all(min(one.us, one.again_us, one.against_us or 0.0) > 0 for one in cells)
    assert len(said) == len(cells) / len(holds.QUANTITIES)
    assert [(one.kind, one.orders_a_call) for one in together] == [
        (kind, orders) for kind in ("best", "exact") for orders in holds.ORDERS_A_CALL
    ]
    assert all(min(one.us, one.against_us or 0.0) > 0 for one in together)
