"""Identity's own problems, beside those that every service raises."""

from chassis.problems import Problem, Unauthenticated
from contracts.identity import REVOKED_LOGIN_HEADER


class EmailTaken(Problem):
    """An account with this e-mail address already exists."""

    code, status = "email-taken", 409


class InvalidCredentials(Unauthenticated):
    """The e-mail address or password is wrong."""

    code, status = "invalid-credentials", 401


class LinkExpired(Problem):
    """This link has been used or has expired. Ask for a new one."""

    code, status = "link-expired", 410


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is unknown or expired, or its login has ended."""

    code, status = "invalid-refresh-token", 401


class RefreshTokenReused(Unauthenticated):
    """The refresh token was used twice, so its login was ended. Log in again."""

    code, status = "refresh-token-reused", 401

    def __init__(self, login_id: object, detail: str = "") -> None:
        super().__init__(detail)
        self.headers[REVOKED_LOGIN_HEADER.decode()] = str(login_id)
