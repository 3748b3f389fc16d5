"""A forgotten password, from the page to the mail and back, in both compositions."""

import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_buyer import eventually, order_two
from tests.support.api import PASSWORD, Api, Person
from tests.support.platform import RunningPlatform

NEW_PASSWORD = "another battery staple, horse"
LINK = re.compile(r"/#/reset\?token=([\w-]{43})")
FORGOT, RESET, CHANGE = (f"/auth/password/{one}" for one in ("forgot", "reset", "change"))


async def mails_to(api: Api, email: str, count: int) -> list[Any]:
    """Newest first, once there are so many."""

    async def there() -> Any:
        answer = await api.get(f"/dev/mailbox.json?to={email}")
        return answer.json["mails"] if len(answer.json["mails"]) >= count else None

    mails: list[Any] = await eventually(there)
    return mails


async def link_to(api: Api, email: str, count: int = 1) -> str:
    """The token in the newest mail, once there are so many."""
    asked = await api.post(FORGOT, {"email": email})
    assert (asked.status, asked.json) == (202, {"expires_in": 1800})
    found = LINK.search((await mails_to(api, email, count))[0]["text"])
    assert found is not None
    return found[1]


async def test_a_forgotten_password_is_reset_by_mail_and_every_other_login_ends_at_once(
    platform: RunningPlatform, api: Api, session: Any
) -> None:
    buyer = await api.register()
    order = await order_two(api, buyer, session)
    before = len(await mails_to(api, buyer.email, 1))
    token = await link_to(api, buyer.email, before + 1)
    answer = await api.post(RESET, {"token": token, "password": NEW_PASSWORD})
    assert answer.status == 200, answer
    login = Person(buyer.email, answer.json)
    assert login.user_id == buyer.user_id
    for path in ("/auth/me", "/orders", f"/orders/{order['order_id']}"):
        for _ in range(4):  # whichever web process answers
            ended = await api.get(path, token=buyer.token)
            assert ended.status == 401, (path, ended)
            assert (await api.get(path, token=login.token)).status == 200
    stale = await api.post("/auth/refresh", {"refresh_token": buyer.refresh_token})
    assert stale.status == 401, stale
    old = await api.post("/auth/login", {"email": buyer.email, "password": PASSWORD})
    assert (old.status, old.code) == (401, "invalid-credentials")
    again = await api.post(RESET, {"token": token, "password": PASSWORD})
    assert (again.status, again.code) == (410, "link-expired")
    subjects = [mail["subject"] for mail in await mails_to(api, buyer.email, before + 2)]
    assert subjects[:2] == ["您的密码已修改", "重置您的密码"], "who says nothing reads the default"
    assert platform.base_url.rsplit(":", 1)[1] in (await mails_to(api, buyer.email, 1))[1]["text"]


async def test_a_change_ends_other_logins_at_once_and_this_one_goes_on(
    api: Api, session: Any
) -> None:
    person = await api.register()
    login = await api.post("/auth/login", {"email": person.email, "password": PASSWORD})
    elsewhere = Person(person.email, login.json)
    wrong = {"current_password": "guess", "password": NEW_PASSWORD}
    refused = await api.post(CHANGE, wrong, token=person.token)
    assert (refused.status, refused.code) == (401, "invalid-credentials")
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    changed = await api.post(CHANGE, body, token=person.token)
    assert (changed.status, changed.body) == (204, b"")
    assert "x-stampede-revoked-login" not in changed.headers
    for _ in range(4):
        assert (await api.get("/orders", token=person.token)).status == 200
        assert (await api.get("/orders", token=elsewhere.token)).status == 401
    new = await api.post("/auth/login", {"email": person.email, "password": NEW_PASSWORD})
    assert new.status == 200, new


async def test_the_link_leads_where_the_settings_say_and_not_where_a_header_does(api: Api) -> None:
    person = await api.register()
    hostile = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    asked = await api.post(FORGOT, {"email": person.email}, headers=hostile)
    assert asked.status == 202
    (mail,) = await mails_to(api, person.email, 1)
    assert "evil.example" not in mail["text"] + mail["html"]


async def test_nobody_is_told_whether_an_address_has_an_account(api: Api) -> None:
    person = await api.register()
    unknown = f"nobody-{secrets.token_hex(6)}@example.com"
    known, none = [await api.post(FORGOT, {"email": one}) for one in (person.email, unknown)]
    assert (known.status, known.body) == (none.status, none.body) == (202, b'{"expires_in":1800}')
    assert known.headers.keys() == none.headers.keys()
    await mails_to(api, person.email, 1)
    assert (await api.get(f"/dev/mailbox.json?to={unknown}")).json == {"mails": []}


@pytest.mark.parametrize(
    ("language", "subject"), [("en", "Reset your password"), ("zh", "重置您的密码")]
)
async def test_the_mail_is_in_the_accounts_language(api: Api, language: str, subject: str) -> None:
    email = f"reader-{secrets.token_hex(6)}@example.com"
    body = {"email": email, "password": PASSWORD, "full_name": "Reader"}
    made = await api.post("/auth/register", body, headers={"Accept-Language": language})
    assert made.status == 201
    await link_to(api, email)
    (mail,) = await mails_to(api, email, 1)
    assert mail["subject"] == subject


async def test_a_known_device_gets_in_while_strangers_use_up_the_accounts_tries(api: Api) -> None:
    person = await api.register()
    right = {"email": person.email, "password": PASSWORD}
    login = await api.post("/auth/login", right)
    cookie = login.headers["Set-Cookie"].split(";")[0]
    for _ in range(10):
        await api.post("/auth/login", {"email": person.email, "password": "guess"})
    kept_out = await api.post("/auth/login", right)
    assert (kept_out.status, kept_out.code) == (429, "rate-limited")
    known = await api.post("/auth/login", right, headers={"Cookie": cookie})
    assert known.status == 200, known
    for path in ("/auth/me", "/orders", "/shows"):
        read = await api.get(path, token=person.token, headers={"Cookie": cookie})
        assert "Set-Cookie" not in read.headers


async def test_no_link_password_or_cookie_reaches_a_log_an_event_or_a_table(
    platform: RunningPlatform, api: Api
) -> None:
    person = await api.register()
    token = await link_to(api, person.email)
    canary = f"canary {secrets.token_hex(12)}"
    reset = await api.post(RESET, {"token": token, "password": canary})
    assert reset.status == 200, reset
    login = Person(person.email, reset.json)
    body = {"current_password": canary, "password": f"{canary} 2"}
    changed = await api.post(CHANGE, body, token=login.token)
    cookie = changed.headers["Set-Cookie"].split(";")[0].partition("=")[2]
    await api.post(RESET, {"token": token, "password": canary})  # used
    await api.post(RESET, {"token": token, "password": canary, "extra": token})  # refused
    await mails_to(api, person.email, 3)
    written = "".join(
        path.read_text(errors="replace")
        for pattern in ("logs/*.log", "*.console")
        for path in Path(platform.data_dir).glob(pattern)
    )
    assert "password_reset" in written
    secret = (token, canary, cookie, person.email, login.token, login.refresh_token)
    assert [one for one in secret if one in written] == []
