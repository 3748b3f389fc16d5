"""A login that has ended is refused by every process from the next request on."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from chassis.seam.upstream import Scope, Send
from contracts.identity import REVOKED_LOGIN_HEADER
from gateway.protection.revocations import LOADED, key_of
from tests.support.gateway import Rig, rig

ME = "/api/v1/auth/me"
LOGOUT = "/api/v1/auth/logout"
FAR_FUTURE = 4_000_000_000.0


@pytest.fixture
async def both(redis_url: str) -> AsyncIterator[tuple[Rig, Rig]]:
    async with rig(redis_url) as one, rig(redis_url, beside=one) as other:
        await one.settle()
        await other.settle()
        yield one, other


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[RedisCalls]:
    client = RedisCalls(Servers(redis_url), {})
    yield client
    await client.close()


async def test_a_logout_ends_access_in_the_other_process_at_once(both: tuple[Rig, Rig]) -> None:
    one, other = both
    login = uuid4()
    token = [one.bearer(login_id=login)]
    for edge in both:
        assert (await edge.client.get(ME, token)).status == 200
    one.identity.respond = one.identity.log_out(login)
    answer = await one.client.post(LOGOUT, b"", token)
    assert answer.status == 204
    assert answer.header("x-stampede-revoked-login") is None
    one.identity.respond = one.identity.echo
    one.identity.revoked.clear()  # so that only the mark in Redis can tell
    for edge in (other, one):
        refused = await edge.client.get(ME, token)
        assert (refused.status, refused.code) == (401, "invalid-token")
    assert (await other.client.get("/api/v1/shows", token)).status == 401
    assert (await other.client.get(ME, [one.bearer()])).status == 200


@pytest.mark.parametrize("named", [True, False], ids=["named", "too many to be named"])
async def test_several_logins_ended_by_one_answer_are_refused_everywhere_at_once(
    both: tuple[Rig, Rig], named: bool
) -> None:
    """As by a change of password: with the ids in the header, or the list read before the answer goes out."""
    one, other = both
    ended = [uuid4() for _ in range(3)]
    tokens = [[one.bearer(login_id=login)] for login in ended]
    mine = [one.bearer()]
    for token in (*tokens, mine):
        assert (await other.client.get(ME, token)).status == 200

    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        if not named:
            one.identity.revoked |= dict.fromkeys(ended, FAR_FUTURE)
        value = ",".join(map(str, ended)) if named else "*"
        headers = [(REVOKED_LOGIN_HEADER, value.encode())]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    one.identity.respond = respond
    change = "/api/v1/auth/password/change"
    answer = await one.client.post(change, b"{}", mine)
    assert (answer.status, answer.header("x-stampede-revoked-login")) == (204, None)
    one.identity.respond = one.identity.echo
    one.identity.revoked.clear()  # so that only what is in Redis can tell
    for edge in (other, one):
        for token in tokens:
            assert (await edge.client.get(ME, token)).status == 401
        assert (await edge.client.get(ME, mine)).status == 200


async def test_an_ended_login_stays_ended_when_redis_loses_everything(
    redis_url: str, both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    one, other = both
    login = uuid4()
    token = [one.bearer(login_id=login)]
    one.identity.respond = one.identity.log_out(login)
    assert (await one.client.post(LOGOUT, b"", token)).status == 204
    one.identity.respond = one.identity.echo
    await client.command_to_each_node("FLUSHDB")
    assert (await other.client.get(ME, token)).status == 401
    await client.command_to_each_node("FLUSHDB")
    async with rig(redis_url, beside=one) as fresh:
        assert (await fresh.client.get(ME, token)).status == 401


async def test_a_mark_alone_does_not_pass_for_the_whole_list(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    """After a flush the first logout makes the key anew; what it held before is still ended."""
    one, other = both
    first, second = uuid4(), uuid4()
    one.identity.revoked[first] = FAR_FUTURE
    await client.command_to_each_node("FLUSHDB")
    one.identity.respond = one.identity.log_out(second)
    assert (await one.client.post(LOGOUT, b"", [one.bearer(login_id=second)])).status == 204
    one.identity.respond = one.identity.echo
    assert (await other.client.get(ME, [one.bearer(login_id=first)])).status == 401


async def test_the_list_is_read_once_and_not_for_each_request(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    one, _ = both
    await one.client.get(ME, [one.bearer()])
    asked = one.identity.asked_for_revoked
    for _ in range(20):
        assert (await one.client.get(ME, [one.bearer()])).status == 200
    assert one.identity.asked_for_revoked <= asked + 2  # the two processes' own rounds at most


async def test_a_reload_drops_what_has_expired(both: tuple[Rig, Rig], client: RedisCalls) -> None:
    one, _ = both
    live = uuid4()
    one.identity.revoked[live] = FAR_FUTURE
    key = key_of(live)
    other = UUID(int=live.int ^ (1 << 120))  # of the same part
    await client.command("HSET", key, str(other), 1)
    await one.settle()
    assert set(await client.command("HKEYS", key)) == {LOADED.encode(), str(live).encode()}


async def test_a_flush_between_reading_the_list_and_writing_it_is_noticed(
    both: tuple[Rig, Rig], client: RedisCalls
) -> None:
    """What was revoked and marked in between would be lost with the old list marked as whole."""
    one, other = both
    login = uuid4()

    async def log_out_and_lose_redis() -> None:
        one.identity.revoked[login] = FAR_FUTURE
        await client.command("HSET", key_of(login), str(login), int(FAR_FUTURE))
        await client.command_to_each_node("FLUSHDB")

    await client.command_to_each_node("FLUSHDB")
    one.identity.meanwhile.append(log_out_and_lose_redis)
    await other.client.get(ME, [one.bearer()])
    assert one.identity.meanwhile == []
    assert await client.command("HEXISTS", key_of(login), str(login))
    assert (await one.client.get(ME, [one.bearer(login_id=login)])).status == 401
