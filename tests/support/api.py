"""The API client of the tests: one line per call, whole answers."""

import io
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec

PASSWORD = "correct horse battery staple"


class Answer:
    """Status, headers and raw body. `json` is decoded if it is JSON."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        return str(self.json["code"])

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:600]!r}>"


class Api:
    """The public API of a platform. Relative paths are below /api/v1."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        await self._http.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        url = path if path.startswith("http") else self.base_url + _absolute(path)
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data: Any = io.BytesIO(raw) if raw and len(raw) > 1_000_000 else raw
        if body is not None:
            data = msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        async with self._http.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", path, body, **how)

    async def register(self, **fields: str) -> "Person":
        """A new account, logged in."""
        email = f"someone-{secrets.token_hex(8)}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": "Some One"} | fields
        answer = await self.post("/auth/register", body)
        assert answer.status == 201, answer
        return Person(body["email"], answer.json)


class Person:
    """A logged-in person."""

    def __init__(self, email: str, login: Any) -> None:
        self.email = email
        self.user_id: str = login["user_id"]
        self.token: str = login["access_token"]
        self.refresh_token: str = login["refresh_token"]


def _absolute(path: str) -> str:
    outside = ("/.well-known", "/docs", "/healthz", "/readyz", "/metrics", "/internal", "/dev/")
    if path == "/" or path.startswith((*outside, "/api/")):
        return path
    return f"/api/v1{path}"


AREAS = [
    {
        "name": "VIP A区",
        "kind": "seated",
        "price": 128_000,
        "rows": [{"label": str(n), "seats": 10} for n in range(1, 6)],
    },
    {"name": "内场站席", "kind": "standing", "price": 68_000, "capacity": 40},
]


async def publish_session(api: Api, organizer: str, **changes: Any) -> Any:
    """A session on sale now (50 seats in rows of ten, 40 standing places), created as organizers do."""
    venue = {
        "name": "上海体育场",
        "city": "上海",
        "address": "天钥桥路",
        "time_zone": "Asia/Shanghai",
    }
    made = await api.post("/venues", venue, token=organizer)
    assert made.status == 201, made
    show = {"title": "测试演出", "category": "演唱会", "venue_id": made.json["venue_id"]}
    made = await api.post("/shows", show | {"description": "一场测试"}, token=organizer)
    assert made.status == 201, made
    show_id = made.json["show_id"]
    now = datetime.now(UTC)
    body = {
        "starts_at": (now + timedelta(days=30)).isoformat(),
        "sale_opens_at": (now - timedelta(minutes=1)).isoformat(),
        "sale_closes_at": (now + timedelta(days=29)).isoformat(),
        "currency": "CNY",
        "max_tickets_per_user": 6,
        "areas": AREAS,
    }
    made = await api.post(f"/shows/{show_id}/sessions", body | changes, token=organizer)
    assert made.status == 201, made
    session_id = made.json["session_id"]
    published = await api.post(f"/sessions/{session_id}/publish", token=organizer)
    assert published.status == 200, published
    return published.json | {"show_id": show_id}
