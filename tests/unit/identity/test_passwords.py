"""Which passwords are taken, how they are hashed, and that hashing is bounded."""

import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from chassis.problems import Overloaded, ValidationFailed
from identity.domain.passwords import acceptable_password, is_well_known, well_known_passwords
from identity.hashing import UNUSABLE, HashingPool, hash_parameters, threads_for
from tests.support.identity import HeldHasher

EMAIL = "someone.else@example.com"


@pytest.mark.parametrize(
    "password",
    [
        "eightch!",
        "only lower case words",
        "x" * 255 + "y",
        "p" * 63 + "q",
        "密码很长而且没人猜到",
        "🎫🎤🎸🥁🎹🎺🎻🎷",
        "  leading and trailing  ",
    ],
)
def test_anything_long_enough_and_unknown_is_taken_as_it_is(password: str) -> None:
    assert acceptable_password(password, email=EMAIL) == password


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("seven77", "at least 8"),
        ("x" * 256 + "y", "at most 256"),
        ("nul\x00inside", "control"),
        ("line\ninside", "control"),
        ("password", "common"),
        ("PassWord123", "common"),
        ("12345678", "common"),
        ("qwertyuiop", "common"),
        ("iloveyou", "common"),
        ("woaini1314", "common"),
        ("zzzzzzzzzzzz", "common"),
        ("Someone.Else@example.com", "e-mail"),
        ("SOMEONE.else", "e-mail"),
    ],
)
def test_refused_passwords_are_told_why(password: str, says: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        acceptable_password(password, email=EMAIL)
    (error,) = refused.value.errors
    assert error.field == "password"
    assert says in error.message


def test_unicode_counts_and_hashes_in_its_composed_form() -> None:
    decomposed = unicodedata.normalize("NFD", "éèêëàùçô")
    assert len(decomposed) == 16
    assert acceptable_password(decomposed, email=EMAIL) == "éèêëàùçô"
    with pytest.raises(ValidationFailed):  # eight code points, but four characters
        acceptable_password(unicodedata.normalize("NFD", "éèêë"), email=EMAIL)


def test_the_list_of_common_passwords_is_worth_its_name() -> None:
    known = well_known_passwords()
    assert len(known) >= 1000
    assert all(len(password) >= 8 and password == password.casefold() for password in known)
    assert is_well_known("P@ssw0rd")
    assert not is_well_known("three blue kettles on a shelf")


def test_golden_argon2_parameters() -> None:
    parameters = extract_parameters(hash_parameters().hash("any password"))
    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2
    assert parameters.parallelism >= 1
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)
    assert hash_parameters().hash("any password").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_only_the_right_password_verifies_and_nobodys_never_does() -> None:
    pool = HashingPool(threads=1)
    try:
        stored = await pool.hash("the right one")
        assert await pool.verify(stored, "the right one")
        assert not await pool.verify(stored, "the wrong one")
        assert not await pool.verify(None, "the right one")
        assert not await pool.verify(UNUSABLE, UNUSABLE)
        assert not await pool.verify("$argon2id$broken", "the right one")
    finally:
        pool.close()


async def test_hashes_with_other_parameters_are_outdated() -> None:
    pool = HashingPool(threads=1)
    try:
        older = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("password")
        assert pool.is_outdated(older)
        assert not pool.is_outdated(await pool.hash("password"))
        assert await pool.verify(older, "password")
    finally:
        pool.close()


async def test_a_full_queue_refuses_at_once_and_a_freed_place_is_taken_again() -> None:
    hasher = HeldHasher()
    pool = HashingPool(threads=2, waiting_max=3, hasher=hasher, wait_max_s=60.0)
    try:
        hasher.go_on.clear()
        hasher.threads.clear()
        hashes = [asyncio.ensure_future(pool.hash("any password")) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await pool.hash("one too many")
        assert not any(one.done() for one in hashes), "nobody was waited for"
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        hashes[0].cancel()  # its caller has gone, but its thread has not
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await pool.hash("still one too many")
        hasher.go_on.set()
        assert len(await asyncio.gather(*hashes[1:])) == 4
        assert await pool.hash("there is room again")
        assert len(hasher.threads) <= 2
    finally:
        hasher.go_on.set()
        pool.close()


async def test_who_waits_too_long_for_a_thread_is_told_to_come_back() -> None:
    hasher = HeldHasher()
    pool = HashingPool(threads=1, waiting_max=1, hasher=hasher, wait_max_s=0.05)
    hasher.go_on.clear()
    try:
        running = asyncio.ensure_future(pool.hash("being hashed"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await pool.hash("behind it")
        assert not running.done()  # a thread has it, so it is brought to its end
        gone = asyncio.ensure_future(pool.hash("gone before its turn"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        hasher.go_on.set()
        assert await running
    finally:
        hasher.go_on.set()
        pool.close()


def test_web_processes_share_the_cores() -> None:
    assert threads_for(1) >= 1
    assert threads_for(64) == 1
    assert threads_for(2) <= threads_for(1)
