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


class VenueHasShows(VenueInUse):
    """Shows take place at this venue: it is not deleted."""


class TimeZoneFrozen(Problem):
    """A session at this venue has been published: its time zone no longer changes."""

    code, status = "time-zone-frozen", 409


class SessionPublished(Problem):
    """The session has been published: it is not deleted. Cancel it instead."""

    code, status = "session-published", 409


class ShowPublished(Problem):
    """A session of this show has been published: the show is not deleted."""

    code, status = "show-published", 409
