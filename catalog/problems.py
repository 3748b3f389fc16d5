"""Catalog's own refusals."""

from chassis.problems import Problem


class PlanFrozen(Problem):
    """The session is published: its plan and terms no longer change."""

    code, status = "plan-frozen", 409


class SessionCancelled(Problem):
    """The session has been cancelled."""

    code, status = "session-cancelled", 409


class VenueInUse(Problem):
    """The show has sessions: its venue no longer changes."""

    code, status = "venue-in-use", 409
