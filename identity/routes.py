"""Identity's routes: /api/v1/auth, the key set, and what other services ask."""

from typing import Annotated

from litestar import Controller, Request, Response, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, RawBody

from chassis.access import INTERNAL, LOGGED_IN, PUBLIC, TOKEN_IGNORED, access
from chassis.body import decode
from chassis.idempotency import check_key
from chassis.postgres import connection
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused
from chassis.tokens import Principal
from identity.contract import (
    JWKS_PATH,
    LOOKUPS_MAX,
    REVOKED_LOGIN_HEADER,
    Account,
    AccountLookups,
    Accounts,
    EmailLookup,
    RevokedLogins,
)
from identity.domain.people import preferred_locale
from identity.keys import JWKS_MAX_AGE_S, Jwks
from identity.problems import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    RefreshTokenReused,
)
from identity.services import UseCases
from identity.wire import ChangeProfile, LogIn, Profile, Refresh, Register, TokenPair

NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749, 5.1; and nobody else's cache holds a profile
Asker = NamedDependency[Principal]
Served = NamedDependency[UseCases]
IdempotencyKey = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


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
        summary="Make an account and log in",
        status_code=201,
        opt=access(
            PUBLIC,
            TOKEN_IGNORED,
            problems=(EmailTaken, IdempotencyInFlight, IdempotencyKeyReused),
            body=Register,
        ),
    )
    async def register(
        self,
        request: Request[None, None, State],
        body: RawBody,
        use_cases: Served,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[TokenPair]:
        registered = await use_cases.registrations.register(
            decode(Register, body),
            key=check_key(idempotency_key),
            locale=preferred_locale(request.headers.get("accept-language")),
        )
        replayed = {"Idempotency-Replayed": "true"} if registered.replayed else {}
        return Response(registered.tokens, status_code=201, headers={**NO_STORE, **replayed})

    @post(
        "/login",
        operation_id="log_in",
        summary="Log in with e-mail address and password",
        status_code=200,
        opt=access(PUBLIC, TOKEN_IGNORED, problems=(InvalidCredentials,), body=LogIn),
    )
    async def log_in(self, body: RawBody, use_cases: Served) -> Response[TokenPair]:
        tokens = await use_cases.logins.log_in(decode(LogIn, body))
        return Response(tokens, headers=NO_STORE)

    @post(
        "/refresh",
        operation_id="refresh_login",
        summary="A new pair of tokens for a refresh token; each works once",
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
        summary="End this login: its tokens stop working everywhere",
        status_code=204,
        opt=access(LOGGED_IN),
    )
    async def log_out(self, principal: Asker, use_cases: Served) -> Response[None]:
        await use_cases.logins.log_out(principal.user_id, principal.login_id)
        revoked = {REVOKED_LOGIN_HEADER.decode(): str(principal.login_id)}
        return Response(None, status_code=204, headers=revoked)

    @get("/me", operation_id="read_profile", summary="Your profile", opt=access(LOGGED_IN))
    async def read_profile(self, principal: Asker, use_cases: Served) -> Response[Profile]:
        account = await use_cases.profiles.read_own(principal.user_id, principal.login_id)
        return Response(_profile(account), headers=NO_STORE)

    @patch(
        "/me",
        operation_id="change_profile",
        summary="Change your name, phone number or language",
        opt=access(LOGGED_IN, body=ChangeProfile),
    )
    async def change_profile(
        self, body: RawBody, principal: Asker, use_cases: Served
    ) -> Response[Profile]:
        account = await use_cases.profiles.change_own(
            principal.user_id, principal.login_id, decode(ChangeProfile, body)
        )
        return Response(_profile(account), headers=NO_STORE)


class KeysController(Controller):
    tags = ("Identity",)
    dependencies = {"use_cases": Provide(provide_use_cases)}  # noqa: RUF012  Litestar's own form

    @get(
        JWKS_PATH,
        operation_id="read_jwks",
        summary="The public keys that access tokens are verified with",
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

    @get("/revoked-logins", operation_id="list_revoked_logins", opt=access(INTERNAL))
    async def list_revoked_logins(self, use_cases: Served) -> RevokedLogins:
        async with connection(use_cases.pool) as acquired:
            return RevokedLogins(await use_cases.store.list_revoked_logins(acquired))


def _profile(account: Account) -> Profile:
    """By name, so that nothing that Account gains is shown unasked."""
    return Profile(
        user_id=account.user_id,
        email=account.email,
        full_name=account.full_name,
        phone=account.phone,
        locale="en" if account.locale == "en" else "zh",
        roles=account.roles,
    )


ROUTES = (AuthController, KeysController, InternalController)
