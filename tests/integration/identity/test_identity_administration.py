"""Accounts by operators, buyers for load tests, housekeeping."""

import asyncio

import pytest

from chassis.concurrency.backoff import Backoff
from chassis.problems import ValidationFailed
from identity.administration import (
    AccountExists,
    AnotherPassword,
    create_account,
    make_buyers,
    remove_buyers,
    rotate_keys,
)
from identity.composition import opened
from identity.store import RoleNotYetKnown
from identity.workers import prune, run
from tests.support.identity import EMAIL, PASSWORD, identity_tables, running_identity


async def test_an_operator_makes_accounts_that_can_log_in(database_url: str) -> None:
    for role in ("customer", "organizer", "staff", "operator", "admin"):
        email = f"{role}@example.com"
        user_id = await create_account(
            database_url, email=f" {email.upper()} ", password=PASSWORD, role=role
        )
        async with running_identity(database_url) as identity:
            login = await identity.log_in(email)
            assert login.json["user_id"] == str(user_id)
            profile = await identity.get("me", token=login.json["access_token"])
            assert set(profile.json["roles"]) == {"customer", role}
            assert profile.json["full_name"] == role


async def test_a_schema_from_before_a_role_says_what_to_do(database_url: str) -> None:
    async with identity_tables(database_url) as tables:
        await tables.execute(
            "ALTER TABLE accounts DROP CONSTRAINT accounts_roles_are_known, ADD CONSTRAINT"
            " accounts_roles_are_known CHECK (NOT 'operator' = ANY(roles))"
        )
    with pytest.raises(RoleNotYetKnown, match="run `stampede migrate`"):
        await create_account(database_url, email=EMAIL, password=PASSWORD, role="operator")


async def test_an_existing_account_is_given_the_role_once_and_keeps_its_password(
    database_url: str,
) -> None:
    async with running_identity(database_url) as identity:
        made = await identity.register()
        other = "five red kettles on a shelf"
        user_id = await create_account(
            database_url, email=EMAIL, password=other, role="organizer", existing=True
        )
        assert str(user_id) == made["user_id"]
        assert (await identity.log_in(EMAIL, other)).status == 401
        login = (await identity.log_in()).json
        principal = await identity.wiring.verifier.verify(login["access_token"])
        assert principal.roles == {"customer", "organizer"}
        for role in ("organizer", "customer"):
            with pytest.raises(AccountExists, match=role):
                await create_account(database_url, email=EMAIL, password=other, role=role)


async def test_who_registers_an_operators_address_first_is_not_given_his_role(
    database_url: str,
) -> None:
    async with running_identity(database_url) as identity:
        made = await identity.register()
        with pytest.raises(AnotherPassword, match="--existing"):
            await create_account(
                database_url, email=EMAIL, password="not what he registered with", role="admin"
            )
        login = (await identity.log_in()).json
        principal = await identity.wiring.verifier.verify(login["access_token"])
        assert principal.roles == {"customer"}
        own = await create_account(database_url, email=EMAIL, password=PASSWORD, role="admin")
        assert str(own) == made["user_id"], "with its own password it is somebody who has it"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "password"}, "password"),
        ({"role": "emperor"}, "role"),
        ({"full_name": "a\x00"}, "full_name"),
    ],
    ids=str,
)
async def test_operators_are_held_to_the_same_rules(
    database_url: str, changes: dict[str, str], field: str
) -> None:
    good = {"email": EMAIL, "password": PASSWORD, "role": "staff"}
    with pytest.raises(ValidationFailed) as refused:
        await create_account(database_url, **(good | changes))
    assert [error.field for error in refused.value.errors] == [field]


async def test_buyers_are_logged_in_without_a_password(database_url: str) -> None:
    buyers = await make_buyers(database_url, 1000)
    async with identity_tables(database_url) as tables:  # a thousand of these would take 25 s
        hashed = "SELECT count(*) FROM accounts WHERE password_hash LIKE '$argon2%'"
        assert await tables.fetchval(hashed) == 0
    assert len({user_id for user_id, _ in buyers}) == len({token for _, token in buyers}) == 1000
    async with running_identity(database_url) as identity:
        user_id, token = buyers[500]
        profile = await identity.get("me", token=token)
        assert (profile.status, profile.json["user_id"]) == (200, str(user_id))
        assert profile.json["roles"] == ["customer"]
        assert (await identity.log_in(profile.json["email"], "!" * 8)).status == 401
        assert (await identity.post("logout", token=token)).status == 204
        assert (await identity.get("me", token=token)).status == 401


async def test_buyers_are_removed_by_prefix_and_nobody_else_is(database_url: str) -> None:
    async with running_identity(database_url) as identity:
        await identity.register("buyer-real@example.com")
        await make_buyers(database_url, 3)
        await make_buyers(database_url, 3)
        await make_buyers(database_url, 2, prefix="bench")
        assert await remove_buyers(database_url) == 6
        assert await remove_buyers(database_url, prefix="bench") == 2
        assert await remove_buyers(database_url) == 0
        assert (await identity.log_in("buyer-real@example.com")).status == 200


async def test_pruning_takes_what_has_run_out_and_nothing_else(database_url: str) -> None:
    async with running_identity(database_url) as identity, identity_tables(database_url) as tables:
        gone = await identity.register(headers={"idempotency-key": "old"})
        kept = await identity.register("bob@example.com", headers={"idempotency-key": "new"})
        await identity.log_in("nobody@example.com", "wrong password")
        await identity.log_in("somebody@example.com", "wrong password")
        await rotate_keys(database_url)
        await tables.execute(
            "UPDATE logins SET expires_at = now() - interval '2 days' WHERE user_id = $1",
            gone["user_id"],
        )
        await tables.execute(
            "UPDATE registrations SET created_at = now() - interval '49 h' WHERE key = 'old'"
        )
        await tables.execute(
            "UPDATE login_failures SET settled_at = now() - interval '1 s' WHERE email_hash ="
            " (SELECT max(email_hash::text)::bytea FROM login_failures)"
        )
        async with opened(identity.wiring) as use_cases:
            assert await prune(use_cases.pool, use_cases.store) == 3
            assert await prune(use_cases.pool, use_cases.store) == 0
        assert await tables.fetchval("SELECT count(*) FROM refresh_tokens") == 1
        assert await tables.fetchval("SELECT count(*) FROM accounts") == 2
        assert await tables.fetchval("SELECT key FROM registrations") == "new"
        assert await tables.fetchval("SELECT count(*) FROM signing_keys") == 2
        assert (await identity.refresh(kept["refresh_token"])).status == 200


async def test_the_worker_survives_a_failed_round_and_stops_when_told(
    database_url: str,
) -> None:
    rounds: list[int] = []
    third = asyncio.Event()

    async def failing_twice(*_: object) -> int:
        rounds.append(1)
        if len(rounds) < 3:
            raise OSError("no route to the database")
        third.set()
        return 0

    quick = Backoff(first_s=0.001, most_s=0.001)
    stop = asyncio.Event()
    async with running_identity(database_url) as service:
        task = asyncio.create_task(run(service.wiring, stop, pruning=failing_twice, retry=quick))
        async with asyncio.timeout(10):
            await third.wait()
            stop.set()
            await task
    assert len(rounds) == 3
