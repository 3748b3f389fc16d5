"""The small things everything stands on: ids, context, bodies, caches, problems."""

import asyncio
from typing import Annotated

import msgspec
import pytest

from booking.door.wire import CheckIn
from booking.payments.wire import PayOrder
from booking.promo_codes.wire import CreatePromoCode
from chassis.concurrency.cache import FetchOnce
from chassis.context import RequestContext, accept_request_id, from_headers
from chassis.http.bodies import decode, field_error, full_match
from chassis.http.idempotency import body_hash, check_key
from chassis.ids import uuid7
from chassis.problems import Problem, ValidationFailed
from tests.support.clock import MonotonicClock


def test_ids_are_version_7_and_ascend_with_time() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert {one.version for one in ids} == {7}
    assert {one.variant for one in ids} == {"specified in RFC 4122"}
    milliseconds = [one.int >> 80 for one in ids]
    assert milliseconds == sorted(milliseconds)
    assert len(set(ids)) == 1000


@pytest.mark.parametrize("good", [b"abc-123", b"A.b_c-9", b"x" * 64])
def test_a_good_request_id_is_kept(good: bytes) -> None:
    assert accept_request_id(good).encode() == good


@pytest.mark.parametrize("bad", [None, b"", b"x" * 65, b"a b", b"a\r\nb", b"\x1b[0m", "é".encode()])
def test_a_bad_request_id_is_replaced(bad: bytes | None) -> None:
    made = accept_request_id(bad)
    assert len(made) == 16
    assert accept_request_id(made.encode()) == made


def test_a_call_carries_the_request_and_a_span_below_it() -> None:
    context = RequestContext("abc", span="a1f0")
    first = from_headers(context.outgoing_headers())
    second = from_headers(context.outgoing_headers())
    assert (first.request_id, first.span) == ("abc", "a1f0.1")
    assert (second.request_id, second.span) == ("abc", "a1f0.2")
    assert first.trace_id == second.trace_id != ""


class Part(msgspec.Struct, forbid_unknown_fields=True):
    price: Annotated[int, msgspec.Meta(ge=0)]


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[Part]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"parts": [{"price": -1}]}', "parts"),
        (b'{"parts": [{"price": "2"}]}', "parts"),
        (b'{"parts": [], "role": 1}', "role"),
        (b"{}", "parts"),
        (b"[]", ""),
    ],
)
def test_a_wrong_body_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        decode(Whole, body)
    assert caught.value.errors[0].field.startswith(field)


def test_a_body_of_one_long_name_is_not_sent_back() -> None:
    with pytest.raises(ValidationFailed) as refused:
        decode(Whole, b'{"' + b"a" * 900_000 + b'": 1}')
    (error,) = refused.value.errors
    assert error.field.startswith("aaa")
    assert len(refused.value.render("/", "-")) < 1000


def test_a_wrong_form_is_told_to_people_and_not_in_a_regular_expression() -> None:
    with pytest.raises(ValidationFailed) as refused:
        decode(Coin, b'{"currency": "yuan"}')
    (error,) = refused.value.errors
    assert (error.field, "form" in error.message, "[" in error.message) == ("currency", True, False)


class Coin(msgspec.Struct):
    currency: Annotated[str, msgspec.Meta(pattern=full_match("[A-Z]{3}|-"))]


def test_a_whole_pattern_lets_nothing_follow_or_go_before() -> None:
    assert decode(Coin, b'{"currency": "CNY"}').currency == "CNY"
    for text in (rb"CNY\n", rb"\nCNY", rb"CNY\r\n", b"xCNY", b"CNYx", rb"-\n", rb"\n-"):
        with pytest.raises(ValidationFailed):
            decode(Coin, b'{"currency": "%b"}' % text)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PayOrder, {"payment_method": "card", "payment_token": "tok_ok\n"}),
        (CreatePromoCode, {"code": "ABC", "kind": "fixed", "value": 1, "currency": "CNY\n"}),
        (CheckIn, {"code": "ST1", "gate": "A\n"}),
        (CheckIn, {"code": "ST1", "gate": "A\u2028B"}),
    ],
)
def test_what_travels_on_to_others_has_no_line_feed_at_its_end(
    kind: type[object], body: dict[str, object]
) -> None:
    with pytest.raises(ValidationFailed):
        decode(kind, msgspec.json.encode(body))


@pytest.mark.parametrize("body", [b"", b"{", b'"\xff"', b"[" * 100_000, b'{"parts": [}'])
def test_a_body_that_is_no_json_is_refused_and_not_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(ValidationFailed):
        decode(Whole, body)


def test_a_path_of_msgspec_reads_as_ours() -> None:
    assert field_error("Expected `int`, got `str` - at `$.areas[0].price`").field == "areas.0.price"


def test_a_problem_document_has_every_member() -> None:
    class Gone(Problem):
        """It is gone."""

        code, status = "gone", 410

    document = msgspec.json.decode(Gone("Sold.", seats=[1]).render("/x", "rid"))
    assert document == {
        "type": "urn:stampede:problem:gone",
        "title": "It is gone",
        "status": 410,
        "detail": "Sold.",
        "instance": "/x",
        "code": "gone",
        "request_id": "rid",
        "seats": [1],
    }


async def test_one_fetch_serves_all_who_wait_and_a_cancelled_one_harms_nobody() -> None:
    release = asyncio.Event()
    fetched = []

    async def fetch(key: str) -> str:
        fetched.append(key)
        await release.wait()
        return key.upper()

    cache: FetchOnce[str, str] = FetchOnce(fetch, ttl_s=60, entries_max=10)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    release.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == ["A"] * 9
    assert await cache.get("a") == "A"
    assert fetched == ["a"]


async def test_a_failed_fetch_is_raised_to_all_and_not_remembered() -> None:
    answers = iter([ValueError("away"), "here"])

    async def fetch(_key: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache: FetchOnce[str, str] = FetchOnce(fetch, ttl_s=60, entries_max=10)
    both = await asyncio.gather(cache.get("a"), cache.get("a"), return_exceptions=True)
    assert [type(one) for one in both] == [ValueError, ValueError]
    assert await cache.get("a") == "here"


@pytest.mark.parametrize("bad", ["", " ", "a b", "x" * 256, "ключ", "a\n"])
def test_an_idempotency_key_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ValidationFailed):
        check_key(bad)


def test_an_idempotency_key_may_be_quoted_as_the_draft_has_it() -> None:
    assert check_key('"8e03978e"') == check_key("8e03978e") == "8e03978e"


def test_a_body_hash_ignores_the_order_of_fields() -> None:
    assert body_hash({"a": 1, "b": 2}) == body_hash({"b": 2, "a": 1}) != body_hash({"a": 1})


async def test_a_cache_is_bounded_by_the_weight_of_what_it_keeps() -> None:
    fetched: list[str] = []

    async def fetch(key: str) -> bytes:
        fetched.append(key)
        return b"x" * len(key)

    cache: FetchOnce[str, bytes] = FetchOnce(
        fetch, ttl_s=60, entries_max=10, weigh=len, weight_max=6
    )
    for key in ("aaa", "bbb", "ccc", "ccc", "bbb"):
        await cache.get(key)
    assert fetched == ["aaa", "bbb", "ccc"]  # aaa has gone for ccc, the others are there
    await cache.get("aaa")
    assert await cache.get("a value heavier than all that may be kept") is not None
    cache.forget("a value heavier than all that may be kept")
    await cache.get("bbb")
    assert fetched[-1] == "bbb"


async def test_a_cached_value_is_current_until_it_is_old_forgotten_or_fetched_anew() -> None:
    clock = MonotonicClock()

    async def fetch(key: str) -> list[str]:
        return [key]

    cache: FetchOnce[str, list[str]] = FetchOnce(fetch, ttl_s=1.0, entries_max=10, clock=clock)
    for end in (lambda: clock.move_on(1.0), lambda: cache.forget("a")):
        value = await cache.get("a")
        assert cache.is_current("a", value)
        assert not cache.is_current("b", value)
        assert not cache.is_current("a", ["a"])
        end()
        assert not cache.is_current("a", value)
        assert await cache.get("a") is not value
        assert not cache.is_current("a", value)
