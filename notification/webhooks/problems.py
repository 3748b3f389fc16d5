"""Problems of managing webhook endpoints."""

from chassis.problems import Problem


class TooManyEndpoints(Problem):
    """You have the maximum number of webhook endpoints."""

    code, status = "too-many-webhook-endpoints", 409


class EndpointInactive(Problem):
    """This webhook endpoint is inactive; activate it first."""

    code, status = "webhook-endpoint-inactive", 409
