"""What only the edge refuses: requests too large, too slow, or not one request at all."""

from chassis.problems import Problem


class BadRequest(Problem):
    """This is not one well-formed HTTP request."""

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
