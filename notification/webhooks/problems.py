"""What managing webhook endpoints may be refused with."""

from chassis.problems import Problem


class TooManyEndpoints(Problem):
    """You have as many webhook endpoints as one may have."""

    code, status = "too-many-webhook-endpoints", 409


class EndpointInactive(Problem):
    """This webhook endpoint is switched off; switch it on first."""

    code, status = "webhook-endpoint-inactive", 409
