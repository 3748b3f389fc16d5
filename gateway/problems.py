"""Problems that only the gateway raises: requests that are malformed, too large or too slow."""

from chassis.problems import Problem


class BadRequest(Problem):
    """The HTTP request is malformed."""

    code, status = "bad-request", 400


class RequestTimeout(Problem):
    """The request body did not arrive in time."""

    code, status = "request-timeout", 408


class UriTooLong(Problem):
    """The address is too long."""

    code, status = "uri-too-long", 414


class HeadersTooLarge(Problem):
    """The request headers are too large or too many."""

    code, status = "headers-too-large", 431
