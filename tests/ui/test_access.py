"""Who may use the page, and for what."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from redis_mob.errors import ValidationError
from redis_mob.storage import MobStorage
from redis_mob.ui import answers
from redis_mob.ui.access.login_rate import MOST_OF_ALL, MOST_OF_ONE, SECONDS_OF_ONE, LoginRate
from redis_mob.ui.access.proxy import TrustedProxy, networks
from redis_mob.ui.access.sessions import MOST_SESSIONS, SESSION_SECONDS, Sessions
from redis_mob.ui.access.tokens import tokens_in, tokens_of_environment, user_of
from redis_mob.ui.access.users import Role, User
from redis_mob.ui.app import ui_app
from redis_mob.ui.refusals import TooManyError
from redis_mob.ui.settings import UiSettings
from tests.ui.served import OPERATE_TOKEN, READ_TOKEN, TOKENS, WITH_TOKENS, client_of, logged_in, served

OPEN = {"/api/session", "/healthz"}
"""What is read without a login, beside the files of the page."""


def routes_of(app: Starlette) -> list[Route]:
    """All routes, those that are mounted among them."""

    def each(routes: list[BaseRoute], prefix: str = "") -> list[Route]:
        found: list[Route] = []
        for route in routes:
            if isinstance(route, Route):
                found.append(route)
            else:
                assert isinstance(route, Mount), f"{route}: say in this test who may use it"
                found += each(list(route.routes), prefix + route.path)
        return found

    return each(list(app.routes))


def path_of(route: Route) -> str:
    """A path that leads to a route."""
    return route.path_format.format_map(_Parameters())


class _Parameters(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "00000000-0000-4000-8000-000000000000" if name == "run_id" else "x"


def changes(app: Starlette) -> list[tuple[str, str]]:
    """(method, path) of everything that may change something."""
    return [
        (method, path_of(route))
        for route in routes_of(app)
        for method in sorted((route.methods or set()) - {"GET", "HEAD"})
        if route.path not in ("/login", "/logout")
    ]


async def test_a_reader_gets_403_for_every_change(storage: MobStorage) -> None:
    app = ui_app(storage, WITH_TOKENS)
    async with logged_in(app, READ_TOKEN) as reader:
        for method, path in [*changes(app), ("POST", "/api/anything"), ("DELETE", "/"), ("PATCH", "/api/runs")]:
            answer = await reader.request(method, path, json={}, headers={"Idempotency-Key": "k"})
            assert answer.status_code == 403, (method, path)
            assert answer.json()["error"]["kind"] == "ForbiddenError"


async def test_without_a_login_nothing_is_read_and_nothing_changed(storage: MobStorage) -> None:
    app = ui_app(storage, WITH_TOKENS)
    async with client_of(app) as stranger:
        for route in routes_of(app):
            if route.path.startswith("/api/") and route.path not in OPEN:
                for method in sorted(route.methods or ()):
                    answer = await stranger.request(method, path_of(route))
                    assert answer.status_code == 401, (method, route.path)
        session = (await stranger.get("/api/session")).json()
    assert (session["user"], session["csrf"], session["namespace"], session["login"]) == (None, None, None, True)


async def test_a_change_without_the_token_of_its_session_is_refused(storage: MobStorage) -> None:
    app = ui_app(storage, WITH_TOKENS)
    async with logged_in(app, OPERATE_TOKEN) as operator, logged_in(app, OPERATE_TOKEN) as other:
        own = operator.headers["X-CSRF-Token"]
        for wrong in (None, "", "x", other.headers["X-CSRF-Token"]):
            operator.headers.pop("X-CSRF-Token", None)
            if wrong is not None:
                operator.headers["X-CSRF-Token"] = wrong
            for method, path in [*changes(app), ("POST", "/logout")]:
                answer = await operator.request(method, path, json={})
                assert answer.status_code == 403, (method, path)
                assert answer.json()["error"]["kind"] == "CsrfError"
        operator.headers["X-CSRF-Token"] = own
        assert (await operator.post("/api/none", json={})).status_code in (404, 405)


async def test_a_login_gives_a_session_that_scripts_and_other_sites_do_not_get(storage: MobStorage) -> None:
    app = ui_app(storage, WITH_TOKENS)
    async with client_of(app) as client:
        answer = await client.post("/login", json={"token": READ_TOKEN})
        assert answer.json() == {"user": "rosa", "role": "read"}
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert READ_TOKEN not in str(answer.headers)
        session = (await client.get("/api/session")).json()
        assert (session["user"], session["role"], session["logout"]) == ("rosa", "read", True)
        client.headers["X-CSRF-Token"] = session["csrf"]
        id = client.cookies["redis_mob_ui_8790"]
        assert (await client.post("/logout")).status_code == 200
        assert (await client.get("/api/overview", headers={"Cookie": f"redis_mob_ui_8790={id}"})).status_code == 401
    async with client_of(app, base="https://127.0.0.1") as client:
        assert "Secure" in (await client.post("/login", json={"token": READ_TOKEN})).headers["Set-Cookie"]


async def test_failed_logins_are_bounded_and_told(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    app = ui_app(storage, WITH_TOKENS)
    with caplog.at_level(logging.INFO, "redis_mob.ui.access"):
        async with client_of(app, "10.0.0.9") as client, client_of(app, "10.0.0.8") as other:
            for _ in range(MOST_OF_ONE):
                assert (await client.post("/login", json={"token": "wrong" * 5})).status_code == 401
            limited = await client.post("/login", json={"token": OPERATE_TOKEN})
            assert limited.status_code == 429
            assert int(limited.headers["Retry-After"]) <= SECONDS_OF_ONE
            assert (await other.post("/login", json={"token": OPERATE_TOKEN})).status_code == 200
    assert "login refused: wrong token, from '10.0.0.9'" in caplog.text
    assert "login of 'olga' with role operate, from '10.0.0.8'" in caplog.text
    assert OPERATE_TOKEN not in caplog.text
    assert "wrongwrong" not in caplog.text


async def test_logins_that_are_sent_at_the_same_time_are_counted_too(storage: MobStorage) -> None:
    """See contract: ui-4."""
    app = ui_app(storage, WITH_TOKENS)
    all_begun, begun = asyncio.Event(), 0

    async def guess(number: int) -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        if begun == 3 * MOST_OF_ONE:
            all_begun.set()
        await all_begun.wait()
        yield b'{"token": "one-of-many-guesses-%d"}' % number

    async with client_of(app) as client:
        headers = {"Content-Type": "application/json"}
        sent = (client.post("/login", content=guess(number), headers=headers) for number in range(3 * MOST_OF_ONE))
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*sent))
    assert statuses == {401: MOST_OF_ONE, 429: 2 * MOST_OF_ONE}


async def test_a_body_that_does_not_come_is_not_waited_for(
    page: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See contract: ui-20."""
    monkeypatch.setattr(answers, "LONGEST_SECONDS", 0.01)

    async def late() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/json", "Idempotency-Key": "key-of-this-action"}
    answer = await page.post("/api/flows/a/b/pause", content=late(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (408, "TooSlowError")
    assert "has failed" not in caplog.text


async def test_a_request_that_is_cut_off_is_no_failure_of_the_server(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    app = ui_app(storage, WITH_TOKENS)
    async with served(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        head = f"POST /login HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        async with httpx.AsyncClient() as client:  # what was sent before has been taken
            assert (await client.get(f"{url}/healthz")).status_code == 200
        writer.close()
        await writer.wait_closed()
    assert "has failed" not in caplog.text


def test_logins_count_by_address_and_all_together_until_time_has_passed() -> None:
    now = 0.0
    rate = LoginRate(lambda: now)
    for _ in range(MOST_OF_ONE):
        rate.check("10.0.0.1")
        rate.failed("10.0.0.1")
    with pytest.raises(TooManyError):
        rate.check("10.0.0.1")
    rate.check("10.0.0.2")
    now = SECONDS_OF_ONE
    rate.check("10.0.0.1")
    for number in range(MOST_OF_ONE):
        rate.failed(f"2001:db8::{number}")
    with pytest.raises(TooManyError):  # addresses that one customer has count as one
        rate.check("2001:db8::ffff")
    rate.check("2001:db8:1::1")
    for _ in range(MOST_OF_ONE):
        rate.failed("::ffff:10.0.0.3")
    with pytest.raises(TooManyError):
        rate.check("10.0.0.3")
    rate.check("::ffff:10.0.0.4")  # which is no neighbour of that one
    for number in range(MOST_OF_ALL):
        rate.failed(f"10.1.{number // 200}.{number % 200}")
    with pytest.raises(TooManyError):
        rate.check("10.9.9.9")


def test_sessions_end_and_are_bounded() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    first = sessions.begin(User("a", Role.READ))
    assert sessions.find(first)
    last = [sessions.begin(User("b", Role.READ)) for _ in range(MOST_SESSIONS)][-1]
    assert sessions.find(first) is None
    assert sessions.find(last)
    now = SESSION_SECONDS
    assert sessions.find(last) is None


@pytest.mark.parametrize(
    ("headers", "peer", "expected"),
    [
        ({"X-User": "ada"}, "10.0.0.1", ("ada", "read")),
        ({"X-User": "ada", "X-Groups": "staff, operate"}, "10.0.0.1", ("ada", "operate")),
        ({"X-User": "root"}, "10.0.0.1", ("root", "operate")),
        ({"X-User": "ada", "X-Groups": "operates"}, "10.0.0.1", ("ada", "read")),
        ({"X-User": "root"}, "10.0.1.1", None),
        ({"X-User": "root"}, "127.0.0.1", None),
        ({"X-User": " "}, "10.0.0.1", None),
        ({}, "10.0.0.1", None),
    ],
)
async def test_a_proxy_says_who_asks_and_only_the_proxy(
    storage: MobStorage, headers: dict[str, str], peer: str, expected: tuple[str, str] | None
) -> None:
    proxy = TrustedProxy("X-User", networks(["10.0.0.0/24"]), "X-Groups", operators=frozenset({"root"}))
    app = ui_app(storage, UiSettings(host="10.0.0.5", proxy=proxy))
    async with client_of(app, peer, "http://10.0.0.5") as client:
        answer = await client.get("/api/runs", headers=headers)
        assert answer.status_code == (401 if expected is None else 200)
        if expected is not None:
            session = (await client.get("/api/session", headers=headers)).json()
            assert (session["user"], session["role"]) == expected
            assert session["logout"] is False


async def test_a_user_that_is_named_twice_is_refused(storage: MobStorage) -> None:
    app = ui_app(storage, UiSettings(proxy=TrustedProxy("X-User")))
    async with client_of(app) as client:
        answer = await client.get("/api/runs", headers=[("X-User", "ada"), ("X-User", "root")])
    assert answer.status_code == 401
    assert "2 times" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("localhost:8790", 200),
        ("[::1]:1", 200),
        ("LOCALHOST.", 200),
        ("page.example.org", 403),
        ("127.0.0.1.example.org", 403),
        ("localhost@example.org", 403),
        ("[::1]example.org", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
async def test_a_page_on_loopback_has_only_its_own_names(storage: MobStorage, host: str, expected: int) -> None:
    async with client_of(ui_app(storage, UiSettings())) as client:
        assert (await client.get("/api/session", headers={"Host": host})).status_code == expected
    allowing = UiSettings(allowed_hosts=("page.example.org",))
    async with client_of(ui_app(storage, allowing)) as client:
        assert (await client.get("/api/session", headers={"Host": "page.example.org"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_change_that_another_site_asks_for_is_refused(
    page: httpx.AsyncClient, storage: MobStorage, headers: dict[str, str]
) -> None:
    answer = await page.post("/api/anything", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (403, "ForbiddenError")
    async with client_of(ui_app(storage, WITH_TOKENS)) as client:
        assert (await client.post("/login", json={"token": OPERATE_TOKEN}, headers=headers)).status_code == 403


async def test_on_loopback_the_user_of_the_machine_operates(page: httpx.AsyncClient) -> None:
    session = (await page.get("/api/session")).json()
    assert (session["user"], session["role"], session["login"]) == ("local", "operate", False)
    assert (await page.post("/login", json={"token": "x" * 20})).status_code == 400


async def test_every_answer_has_the_headers_of_a_page_that_runs_no_other_code(
    page: httpx.AsyncClient, storage: MobStorage
) -> None:
    app = ui_app(storage, UiSettings())
    paths = [path_of(route) for route in routes_of(app) if route.path != "/api/live"]
    answers = [await page.get(path) for path in [*paths, "/none", "/api/none", "/api/runs?limit=x"]]
    answers += [await page.post("/api/none"), await page.get("/", headers={"Host": "evil.example"})]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert {answer.headers["Cache-Control"] for answer in answers if "/api/" in answer.url.path} == {"no-store"}


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "fleet.example.org", "::"])  # noqa: S104 - refused
def test_an_address_that_others_reach_demands_to_know_who_asks(host: str) -> None:
    with pytest.raises(ValidationError, match="--token-file"):
        UiSettings(host=host)
    UiSettings(host=host, tokens=TOKENS)
    UiSettings(host=host, proxy=TrustedProxy("X-User"))


def test_a_file_of_tokens_is_read_and_shows_none() -> None:
    known = tokens_in(f"# who\n\nread rosa {READ_TOKEN}\noperate olga {OPERATE_TOKEN}\n", "tokens")
    assert user_of(OPERATE_TOKEN, known) == User("olga", Role.OPERATE)
    assert user_of("other", known) is None
    assert READ_TOKEN not in repr(UiSettings(tokens=known))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no tokens"),
        ("admin rosa secret-secret-secret", "line 1"),
        ("# a\nread secret-secret-secret", "line 2"),
        ("read rosa short-secret", "16 characters"),
        ("read rosa secret-secret-secret\noperate olga secret-secret-secret", "twice"),
        (f"read {'r' * 101} secret-secret-secret", "is no name"),
    ],
)
def test_a_wrong_file_of_tokens_is_told_without_what_it_holds(text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as raised:
        tokens_in(text, "tokens")
    assert "secret" not in str(raised.value)


def test_tokens_of_the_environment_stand_for_two_users() -> None:
    known = tokens_of_environment({"REDIS_MOB_UI_READ_TOKEN": READ_TOKEN, "REDIS_MOB_UI_OPERATE_TOKEN": OPERATE_TOKEN})
    assert user_of(READ_TOKEN, known) == User("reader", Role.READ)
    assert user_of(OPERATE_TOKEN, known) == User("operator", Role.OPERATE)
    assert tokens_of_environment({}) == ()
    with pytest.raises(ValidationError, match="same token"):
        tokens_of_environment(dict.fromkeys(("REDIS_MOB_UI_READ_TOKEN", "REDIS_MOB_UI_OPERATE_TOKEN"), READ_TOKEN))


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"{", "application/json", 400),
        (b'{"token": 1}', "application/json", 400),
        (b'{"token": "x", "more": 1}', "application/json", 400),
        (b'{"token": "x"}', "text/plain", 400),
        (b'{"token": "' + b"x" * 1_100_000 + b'"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"token": "\\ud800 0123456789abcdef"}', "application/json", 400),
    ],
)
async def test_a_wrong_body_is_an_error_that_shows_nothing_of_it(
    storage: MobStorage, content: bytes, kind: str, expected: int
) -> None:
    async with client_of(ui_app(storage, WITH_TOKENS)) as client:
        answer = await client.post("/login", content=content, headers={"Content-Type": kind})
    assert answer.status_code == expected
    told: dict[str, Any] = answer.json()["error"]
    assert told["kind"] == "ValidationError"
    assert len(told["message"]) < 600


async def test_a_mistake_of_the_server_is_told_in_its_log_alone(
    storage: MobStorage, caplog: pytest.LogCaptureFixture
) -> None:
    app = ui_app(storage, UiSettings())

    async def broken(_request: object) -> None:
        raise RuntimeError("what only the log may say")

    app.router.routes.insert(0, Route("/api/broken", broken))
    async with client_of(app) as client:
        answer = await client.get("/api/broken")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (500, "BrokenError")
    assert "only the log" not in answer.text
    assert "only the log" in caplog.text
    assert "Content-Security-Policy" in answer.headers
