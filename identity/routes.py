"""Identity's routes: /api/v1/auth, the key set, and what other services call."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

from litestar import Controller, Request, Response, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, RawBody

from chassis.auth.access import INTERNAL, LOGGED_IN, PUBLIC, TOKEN_IGNORED, access
from chassis.http.addresses import counted_as
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, check_key
from chassis.http.parameters import Caller
from chassis.http.readers import reader_of
from chassis.languages import Reader
from chassis.postgres.pool import connection
from contracts.identity import (
    ALL_REVOKED,
    JWKS_PATH,
    LOOKUPS_MAX,
    REVOKED_LOGIN_HEADER,
    REVOKED_NAMED_MAX,
    Account,
    AccountLookups,
    Accounts,
    EmailLookup,
    PasswordLink,
    PasswordLinkWanted,
    RevokedLogins,
)
from identity.composition import UseCases
from identity.issuing import LoggedIn
from identity.keys import JWKS_MAX_AGE_S, Jwks
from identity.passwords import LINK_TTL_S
from identity.problems import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    LinkExpired,
    RefreshTokenReused,
)
from identity.records import EndedLogin
from identity.registration import Registrant
from identity.wire import (
    ChangePassword,
    ChangeProfile,
    ForgotPassword,
    LinkSent,
    LogIn,
    Profile,
    Refresh,
    Register,
    ResetPassword,
    TokenPair,
)

# RFC 6749, 5.1; and a shared cache must not keep a profile
NO_STORE = {"Cache-Control": "no-store"}
Served = NamedDependency[UseCases]
IdentityRequest = Request[None, None, State]
# Not chassis's IdempotencyKey, which promises the same answer: the same account's tokens are new ones.
RegistrationKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


async def provide_use_cases(state: State) -> UseCases:
    use_cases: UseCases = state.use_cases
    return use_cases


class AuthController(Controller):
    path = "/api/v1/auth"
    tags = ("Identity",)
    dependencies = {"use_cases": Provide(provide_use_cases)}  # noqa: RUF012  Litestar's own form

    @post(
        "/register",
        operation_id="register",
        summary="Create an account and log in",
        status_code=201,
        opt=access(
            PUBLIC,
            TOKEN_IGNORED,
            problems=(EmailTaken, *ONCE),
            body=Register,
        ),
    )
    async def register(
        self,
        request: IdentityRequest,
        body: RawBody,
        use_cases: Served,
        idempotency_key: RegistrationKey = None,
    ) -> Response[TokenPair]:
        caller = Registrant(
            address=counted_as(request.headers) or "",
            key=check_key(idempotency_key),
            cookie=_cookie(request, use_cases),
            locale=reader_of(request).language(use_cases.default_language),
        )
        registered = await use_cases.registrations.register(decode(Register, body), caller)
        replayed = {"Idempotency-Replayed": "true"} if registered.replayed else {}
        return _logged_in(registered.login, 201, replayed)

    @post(
        "/login",
        operation_id="log_in",
        summary="Log in with an e-mail address and a password",
        status_code=200,
        opt=access(PUBLIC, TOKEN_IGNORED, problems=(InvalidCredentials,), body=LogIn),
    )
    async def log_in(
        self, request: IdentityRequest, body: RawBody, use_cases: Served
    ) -> Response[TokenPair]:
        cookie = _cookie(request, use_cases)
        return _logged_in(await use_cases.logins.log_in(decode(LogIn, body), cookie))

    @post(
        "/refresh",
        operation_id="refresh_login",
        summary="Exchange a refresh token, which works once, for a new pair of tokens",
        status_code=200,
        opt=access(
            PUBLIC, TOKEN_IGNORED, problems=(InvalidRefreshToken, RefreshTokenReused), body=Refresh
        ),
    )
    async def refresh(self, body: RawBody, use_cases: Served) -> Response[TokenPair]:
        tokens = await use_cases.logins.refresh(decode(Refresh, body).refresh_token)
        return Response(tokens, headers=NO_STORE)

    @post(
        "/logout",
        operation_id="log_out",
        summary="End this login; its tokens stop working everywhere",
        status_code=204,
        opt=access(LOGGED_IN),
    )
    async def log_out(self, principal: Caller, use_cases: Served) -> Response[None]:
        await use_cases.logins.log_out(principal.user_id, principal.login_id)
        revoked = {REVOKED_LOGIN_HEADER.decode(): str(principal.login_id)}
        return Response(None, status_code=204, headers=revoked)

    @post(
        "/password/forgot",
        operation_id="ask_for_password_link",
        summary="Request a mail with a link to reset the password",
        description="Always 202: only the mail shows if there is such an account.",
        status_code=202,
        opt=access(PUBLIC, TOKEN_IGNORED, body=ForgotPassword),
    )
    async def ask_for_password_link(self, body: RawBody, use_cases: Served) -> Response[LinkSent]:
        await use_cases.passwords.ask_for_link(decode(ForgotPassword, body))
        return Response(LinkSent(LINK_TTL_S), status_code=202, headers=NO_STORE)

    @post(
        "/password/reset",
        operation_id="reset_password",
        summary="Set a new password with a mailed link, and log in",
        description="A link works once. Every other login of the account ends.",
        status_code=200,
        opt=access(PUBLIC, TOKEN_IGNORED, problems=(LinkExpired,), body=ResetPassword),
    )
    async def reset_password(
        self, request: IdentityRequest, body: RawBody, use_cases: Served
    ) -> Response[TokenPair]:
        cookie = _cookie(request, use_cases)
        reset = await use_cases.passwords.reset(decode(ResetPassword, body), cookie)
        return _logged_in(reset.login, 200, _revoked(reset.ended))

    @post(
        "/password/change",
        operation_id="change_password",
        summary="Change your password",
        description="This login stays; all your other logins end.",
        status_code=204,
        opt=access(LOGGED_IN, problems=(InvalidCredentials,), body=ChangePassword),
    )
    async def change_password(
        self, request: IdentityRequest, body: RawBody, principal: Caller, use_cases: Served
    ) -> Response[None]:
        changed = await use_cases.passwords.change(
            principal.user_id,
            principal.login_id,
            decode(ChangePassword, body),
            _cookie(request, use_cases),
        )
        headers = {"Set-Cookie": changed.device_cookie, **_revoked(changed.ended)}
        return Response(None, status_code=204, headers=headers)

    @get("/me", operation_id="read_profile", summary="Your profile", opt=access(LOGGED_IN))
    async def read_profile(self, principal: Caller, use_cases: Served) -> Response[Profile]:
        account = await use_cases.profiles.read_own(principal.user_id, principal.login_id)
        return Response(_profile(account, use_cases), headers=NO_STORE)

    @patch(
        "/me",
        operation_id="change_profile",
        summary="Change your name, phone number or language",
        opt=access(LOGGED_IN, body=ChangeProfile),
    )
    async def change_profile(
        self, body: RawBody, principal: Caller, use_cases: Served
    ) -> Response[Profile]:
        account = await use_cases.profiles.change_own(
            principal.user_id, principal.login_id, decode(ChangeProfile, body)
        )
        return Response(_profile(account, use_cases), headers=NO_STORE)


class KeysController(Controller):
    tags = ("Identity",)
    dependencies = {"use_cases": Provide(provide_use_cases)}  # noqa: RUF012  Litestar's own form

    @get(
        JWKS_PATH,
        operation_id="read_jwks",
        summary="The public keys that verify access tokens",
        opt=access(PUBLIC, TOKEN_IGNORED),
    )
    async def read_jwks(self, use_cases: Served) -> Response[Jwks]:
        caching = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
        return Response(await use_cases.keys.jwks(), headers=caching)


class InternalController(Controller):
    path = "/internal"
    include_in_schema = False
    dependencies = {"use_cases": Provide(provide_use_cases)}  # noqa: RUF012  Litestar's own form

    @post("/users/lookup", operation_id="look_up_accounts", status_code=200, opt=access(INTERNAL))
    async def look_up_accounts(self, body: RawBody, use_cases: Served) -> Accounts:
        asked = decode(AccountLookups, body).lookups[:LOOKUPS_MAX]
        return Accounts(await use_cases.profiles.look_up(asked))

    @post("/users/by-email", operation_id="find_account", status_code=200, opt=access(INTERNAL))
    async def find_account(self, body: RawBody, use_cases: Served) -> Account:
        return await use_cases.profiles.find(decode(EmailLookup, body).email)

    @post(
        "/password-links", operation_id="make_password_link", status_code=200, opt=access(INTERNAL)
    )
    async def make_password_link(self, body: RawBody, use_cases: Served) -> Response[PasswordLink]:
        link = await use_cases.passwords.make_link(decode(PasswordLinkWanted, body).reset_id)
        return Response(link, headers=NO_STORE)

    @get("/revoked-logins", operation_id="list_revoked_logins", opt=access(INTERNAL))
    async def list_revoked_logins(self, use_cases: Served) -> RevokedLogins:
        async with connection(use_cases.pool) as db:
            return RevokedLogins(await use_cases.store.list_revoked_logins(db))


def _cookie(request: IdentityRequest, use_cases: UseCases) -> str | None:
    return request.cookies.get(use_cases.devices.cookie_name)


def _logged_in(
    login: LoggedIn, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[TokenPair]:
    cookie = {"Set-Cookie": login.device_cookie}
    return Response(login.tokens, status_code=status, headers={**NO_STORE, **cookie, **headers})


def _revoked(ended: Sequence[EndedLogin]) -> dict[str, str]:
    """The internal header that makes the gateway refuse the access tokens of these logins."""
    live = [str(one.login_id) for one in ended if one.live]
    named = ALL_REVOKED if len(live) > REVOKED_NAMED_MAX else ",".join(live)
    return {REVOKED_LOGIN_HEADER.decode(): named} if named else {}


def _profile(account: Account, use_cases: UseCases) -> Profile:
    """Field by field, so that a new field of Account is not published by accident. A locale whose
    language is no longer supported is shown as the default, which its mails use, too."""
    return Profile(
        user_id=account.user_id,
        email=account.email,
        full_name=account.full_name,
        phone=account.phone,
        locale=Reader(chosen=(account.locale,)).language(use_cases.default_language),
        roles=account.roles,
    )


ROUTES = (AuthController, KeysController, InternalController)
