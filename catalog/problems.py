"""Catalog's own problems."""

from chassis.problems import Problem


class PlanFrozen(Problem):
    """The session is published, so its plan and terms cannot change."""

    code, status = "plan-frozen", 409


class SessionCancelled(Problem):
    """The session was cancelled."""

    code, status = "session-cancelled", 409


class VenueInUse(Problem):
    """The show has sessions, so its venue cannot change."""

    code, status = "venue-in-use", 409


class VenueHasShows(VenueInUse):
    """Shows take place at this venue, so it cannot be deleted."""


class TimeZoneFrozen(Problem):
    """A session at this venue was published, so its time zone cannot change."""

    code, status = "time-zone-frozen", 409


class SessionPublished(Problem):
    """The session was published, so it cannot be deleted. Cancel it instead."""

    code, status = "session-published", 409


class ShowPublished(Problem):
    """A session of this show was published, so the show cannot be deleted."""

    code, status = "show-published", 409


class TooManyVenues(Problem):
    """You have as many venues as you may have."""

    code, status = "too-many-venues", 409


class TooManyPlans(Problem):
    """The venue keeps as many plans as it may."""

    code, status = "too-many-plans", 409


class PlanChanged(Problem):
    """The plan was changed since you read it."""

    code, status = "plan-changed", 412


class RevisionRequired(Problem):
    """Say which revision you have seen: If-Match with the ETag of the plan."""

    code, status = "revision-required", 428
