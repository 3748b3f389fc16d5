"""The life of a ticket.

    valid ──check in──▶ checked_in ──┐
      │                  └─correct─┘ │
      ├───transfer, refund───▶ void ◀┘ call off

`correct`: a scan without a network is told later and was made earlier. `refund`: only while nobody has been
in with it. `call off`: its session is cancelled, so who is inside is paid back as well (docs/adr/0047).
`void` is the end: who a ticket is passed on to has a new one.
"""

from enum import StrEnum
from typing import Literal

from booking.domain.machine import Machine


class TicketStatus(StrEnum):
    VALID = "valid"
    CHECKED_IN = "checked_in"
    VOID = "void"


class TicketStep(StrEnum):
    CHECK_IN = "check_in"
    CORRECT = "correct"
    TRANSFER = "transfer"
    REFUND = "refund"
    CALL_OFF = "call_off"


TICKETS: Machine[TicketStatus, TicketStep] = Machine(
    "tickets.status",
    begins={TicketStatus.VALID: ("sell_orders", "insert_tickets", "insert_transfer")},
    table={
        (TicketStatus.VALID, TicketStep.CHECK_IN): (
            TicketStatus.CHECKED_IN, "check_in", "enter_offline"),
        (TicketStatus.CHECKED_IN, TicketStep.CORRECT): (TicketStatus.CHECKED_IN, "enter_offline"),
        (TicketStatus.VALID, TicketStep.TRANSFER): (TicketStatus.VOID, "void_transferred"),
        (TicketStatus.VALID, TicketStep.REFUND): (TicketStatus.VOID, "void_tickets"),
        (TicketStatus.VALID, TicketStep.CALL_OFF): (TicketStatus.VOID, "void_tickets"),
        (TicketStatus.CHECKED_IN, TicketStep.CALL_OFF): (TicketStatus.VOID, "void_tickets"),
    },
)  # fmt: skip

VoidingStep = Literal[TicketStep.REFUND, TicketStep.CALL_OFF]
