"""Metrics of the door."""

from prometheus_client import Counter

CHECK_INS = Counter(
    "stampede_check_ins_total",
    "Scans at doors: entered, repeated, or the code of the problem that refused them; offline ones as "
    "accepted, already or refused.",
    ["way", "outcome"],
)
ENTERED, REPEATED = CHECK_INS.labels("online", "entered"), CHECK_INS.labels("online", "repeated")
OFFLINE = {one: CHECK_INS.labels("offline", one) for one in ("accepted", "already", "refused")}
