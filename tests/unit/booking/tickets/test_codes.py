"""Ticket codes and links, and the signatures of webhooks."""

import base64
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers.signatures import SignedMessage, secret_key, sign, verify
from booking.tickets.codes import ForgedCode, TicketCodes, make_keys
from booking.tickets.records import SigningKey

CODES = TicketCodes(make_keys(), "https://tickets.example")
TICKET, SESSION = uuid4(), uuid4()


def test_a_code_says_its_ticket_and_session_and_fits_a_qr_code() -> None:
    code = CODES.code(TICKET, SESSION)
    said = CODES.read(code)
    assert (said.ticket_id, said.session_id) == (TICKET, SESSION)
    assert code.startswith("ST1.")
    assert len(code) < 160


@given(st.integers(0, 10_000), st.sampled_from("AB01-_.=x "))
def test_one_changed_character_is_a_forgery(place: int, other: str) -> None:
    code = CODES.code(TICKET, SESSION)
    place %= len(code)
    changed = code[:place] + other + code[place + 1 :]
    if changed != code:
        with pytest.raises(ForgedCode):
            CODES.read(changed)


@given(st.text(max_size=300))
def test_nonsense_is_a_forgery(code: str) -> None:
    with pytest.raises(ForgedCode):
        CODES.read(code)


def test_another_installations_code_is_a_forgery() -> None:
    kid = CODES.code(TICKET, SESSION).split(".")[1]
    stranger = make_keys()
    same_kid = [SigningKey(kid, "ticket", stranger[0].secret), stranger[1]]
    with pytest.raises(ForgedCode):
        CODES.read(TicketCodes(same_kid, "").code(TICKET, SESSION))


def test_a_link_opens_its_own_ticket_only() -> None:
    url = CODES.qr_url(TICKET)
    assert url.startswith(f"https://tickets.example/api/v1/tickets/{TICKET}/qr.png?t=")
    link = url.rsplit("=", 1)[1]
    assert CODES.opens(TICKET, link)
    assert not CODES.opens(uuid4(), link)
    assert not CODES.opens(TICKET, link[:-1])
    assert not CODES.opens(TICKET, "ÿ\ud800")


def test_signatures_match_the_specifications_example() -> None:
    """From the Standard Webhooks specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_age_is_judged_after_the_signature_and_to_the_second() -> None:
    secret, body = "whsec_" + base64.b64encode(b"k" * 24).decode(), b"{}"
    message = SignedMessage("m", "1000", sign(secret, "m", 1000, body), body)
    verify(message, [secret], now=1300)
    verify(message, [secret], now=700)
    for now in (1300.5, 699):
        with pytest.raises(StaleTimestamp):
            verify(message, [secret], now=now)
    with pytest.raises(BadSignature):
        verify(message, ["whsec_AAAA"], now=9000)


def test_a_secret_of_another_form_is_taken_as_it_stands() -> None:
    assert secret_key("whsec_not base64!") == b"whsec_not base64!"
