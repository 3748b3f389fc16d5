"""What buyers do and what they are told."""

from panels import (
    ANSWER,
    ANSWERS,
    NUMBER,
    REQUESTS,
    SECONDS,
    TIMES,
    board,
    largest,
    lines,
    number,
    per_second,
    quantile,
)

PLACING = 'route="/api/v1/orders",method="POST"'
SESSION = 'session=~"$session"'
FREE = f'{SESSION},state="free"'

ROWS = {
    "Now": [
        number(
            "Arrivals",
            REQUESTS,
            per_second(ANSWERS),
            "Requests that the gateway has answered, whatever the answer.",
        ),
        number(
            "Orders placed",
            TIMES,
            per_second("stampede_orders_total", where='state="created"'),
            "Orders that hold seats and wait for their payment, a second.",
        ),
        number(
            "Orders paid",
            TIMES,
            per_second("stampede_orders_total", where='state="paid"'),
            "Orders whose payment has come, a second.",
        ),
        number(
            "Seats left",
            NUMBER,
            f"sum({largest('stampede_session_seats', 'session', FREE)})",
            "Free seats of the sessions chosen, as Redis has them.",
        ),
        number(
            "Placing an order, p99",
            SECONDS,
            quantile(0.99, ANSWER, where=PLACING),
            "From the request's head to the last byte of its answer. The objective is 500 ms.",
            yellow=0.2,
            red=0.5,
        ),
        number(
            "Violations",
            NUMBER,
            "max(stampede_audit_violations)",
            "The worst invariant of the audit. Anything but 0: docs/runbooks.",
            red=1,
        ),
    ],
    "Arrivals": [
        lines(
            "Who asks",
            REQUESTS,
            {"{{caller}}": per_second(ANSWERS, "caller")},
            "Requests answered, by kind of caller.",
            stacked=True,
        ),
        lines(
            "What they are told",
            REQUESTS,
            {"{{status_class}}": per_second(ANSWERS, "status_class")},
            "4xx on a flash sale are mostly sold out and over a limit: see the next two.",
            stacked=True,
        ),
        lines(
            "Let in, made to wait, turned away",
            REQUESTS,
            {
                "let in": per_second("stampede_gateway_admitted_total"),
                "had to wait": per_second("stampede_gateway_waited_total"),
                "no place": per_second("stampede_gateway_shed_total"),
                "over a limit": per_second("stampede_gateway_limited_total"),
            },
            "Admission has a number of places; limits are by address and account.",
        ),
    ],
    "Seats and orders": [
        lines(
            "Seats of the session",
            NUMBER,
            {"{{session}} {{state}}": largest("stampede_session_seats", "session, state", SESSION)},
            "As Redis has them.",
            stacked=True,
        ),
        lines(
            "Holds",
            TIMES,
            {"{{outcome}}": per_second("stampede_holds_total", "outcome")},
            "What Redis answered. `unavailable` is a failure of ours; the others are answers.",
        ),
        lines(
            "Orders by what they came to",
            TIMES,
            {"{{state}} {{reason}}": per_second("stampede_orders_total", "state, reason")},
            "Counted when their events have been delivered, so late when the outbox is.",
        ),
        lines(
            "Orders refused, by reason",
            TIMES,
            {"{{reason}}": per_second("stampede_orders_refused_total", "reason")},
            "The code of the problem that the buyer was told.",
        ),
        lines(
            "Placing an order",
            SECONDS,
            {
                "p50": quantile(0.5, ANSWER, where=PLACING),
                "p95": quantile(0.95, ANSWER, where=PLACING),
                "p99": quantile(0.99, ANSWER, where=PLACING),
            },
            "The objectives are 200 ms at p95 and 500 ms at p99.",
            limit=0.5,
        ),
        lines(
            "At the door",
            TIMES,
            {"{{way}} {{outcome}}": per_second("stampede_check_ins_total", "way, outcome")},
            "Scans by what came of them.",
        ),
    ],
}
BOARD = board("The sale", __doc__, ROWS, session=True)
