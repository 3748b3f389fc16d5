"""Signing keys: made once, published, rotated while everybody stays logged in."""

from collections.abc import AsyncIterator

import jwt
import pytest

from chassis.auth.jwks import UNKNOWN_KID_PAUSE_S, UNKNOWN_KID_TTL_S
from identity.administration import rotate_keys
from identity.keys import JWKS_MAX_AGE_S, KEY_LEAD_S, KEYS_AGE_MAX_S, RETIREMENT_MARGIN_S
from tests.support.clock import SetClock
from tests.support.identity import EMAIL, Identity, identity_tables, running_identity

JWKS = "/.well-known/jwks.json"


@pytest.fixture
async def identity(database_url: str, clock: SetClock) -> AsyncIterator[Identity]:
    async with running_identity(database_url, clock=clock) as running:
        yield running


@pytest.fixture
def clock() -> SetClock:
    """The verifier's idea of time and the age of cached keys; the test moves it."""
    return SetClock()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_the_key_set_is_public_cacheable_and_without_private_parts(
    identity: Identity, database_url: str
) -> None:
    answer = await identity.get(JWKS)
    assert answer.status == 200
    assert answer.headers["cache-control"] == f"public, max-age={JWKS_MAX_AGE_S}"
    (key,) = answer.json["keys"]
    assert key.keys() == {"kid", "x", "kty", "crv", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
    made = await identity.register()
    assert kid_of(made["access_token"]) == key["kid"]


async def test_the_key_survives_a_restart(database_url: str) -> None:
    async with running_identity(database_url) as before:
        made = await before.register()
    async with running_identity(database_url) as after:
        assert (await after.get("me", token=made["access_token"])).status == 200
        assert len((await after.get(JWKS)).json["keys"]) == 1


async def test_a_rotation_under_use_logs_nobody_out(
    identity: Identity, database_url: str, clock: SetClock
) -> None:
    """Every token issued before, between and after is believed by a verifier that fetched before."""
    made = await identity.register()
    before = [made["access_token"], (await identity.log_in()).json["access_token"]]
    for token in before:
        await identity.wiring.verifier.verify(token)

    old = kid_of(before[0])
    new = await rotate_keys(database_url)
    clock.ahead_s += KEYS_AGE_MAX_S
    between = (await identity.log_in()).json["access_token"]
    assert kid_of(between) == old  # published, but it does not sign yet
    assert {key["kid"] for key in (await identity.get(JWKS)).json["keys"]} == {old, new}

    async with identity_tables(database_url) as tables:
        lead = "SELECT extract(epoch FROM signs_from - created_at) FROM signing_keys WHERE kid = $1"
        assert float(await tables.fetchval(lead, new)) == KEY_LEAD_S
        await tables.execute("UPDATE signing_keys SET signs_from = now() WHERE kid = $1", new)
    clock.ahead_s += KEY_LEAD_S
    after = (await identity.refresh(made["refresh_token"])).json["access_token"]
    assert kid_of(after) == new
    for token in (*before, between, after):
        assert (await identity.get("me", token=token)).status == 200


async def test_a_retired_key_is_published_until_its_last_token_has_expired(
    identity: Identity, database_url: str, clock: SetClock
) -> None:
    old = kid_of((await identity.register())["access_token"])
    new = await rotate_keys(database_url, access_token_ttl_s=900)
    async with identity_tables(database_url) as tables:
        rest = (
            "SELECT extract(epoch FROM old.retires_at - new.signs_from)"
            " FROM signing_keys old, signing_keys new WHERE old.kid = $1 AND new.kid = $2"
        )
        assert float(await tables.fetchval(rest, old, new)) == 900 + RETIREMENT_MARGIN_S
        await tables.execute("UPDATE signing_keys SET signs_from = now() WHERE kid = $1", new)
        await tables.execute("UPDATE signing_keys SET retires_at = now() WHERE kid = $1", old)
    clock.ahead_s += KEYS_AGE_MAX_S
    assert [key["kid"] for key in (await identity.get(JWKS)).json["keys"]] == [new]


async def test_a_rotation_on_the_heels_of_another_keeps_all_three_keys(
    identity: Identity, database_url: str, clock: SetClock
) -> None:
    made = await identity.register()
    old = kid_of(made["access_token"])
    kids = {old, await rotate_keys(database_url), await rotate_keys(database_url)}
    clock.ahead_s += KEYS_AGE_MAX_S
    assert {key["kid"] for key in (await identity.get(JWKS)).json["keys"]} == kids
    assert kid_of((await identity.log_in(EMAIL)).json["access_token"]) == old


async def test_the_lead_outlasts_every_cache_of_the_old_key_set() -> None:
    slowest_fetch_s = 3.0  # chassis.seam.client.DEADLINE_S
    pause = UNKNOWN_KID_PAUSE_S
    oldest_cache_s = JWKS_MAX_AGE_S + pause + slowest_fetch_s + KEYS_AGE_MAX_S
    assert oldest_cache_s < KEY_LEAD_S
    refused_too_early_s = KEYS_AGE_MAX_S + slowest_fetch_s + UNKNOWN_KID_TTL_S
    assert refused_too_early_s < KEY_LEAD_S
    assert RETIREMENT_MARGIN_S > KEYS_AGE_MAX_S


async def test_rotating_before_the_first_start_makes_the_first_key(database_url: str) -> None:
    kid = await rotate_keys(database_url)
    async with running_identity(database_url) as identity:
        assert kid_of((await identity.register())["access_token"]) == kid


async def test_readiness_tells_whether_the_database_answers(
    identity: Identity, database_url: str
) -> None:
    ready = await identity.get("/readyz")
    assert ready.json["dependencies"] == {"postgresql": True}
    await identity.app.state.use_cases.pool.close()
    down = await identity.get("/readyz")
    assert (down.status, down.json["dependencies"]) == (503, {"postgresql": False})
    refused = await identity.log_in()
    assert (refused.status, refused.code) == (503, "unavailable")
