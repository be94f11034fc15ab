"""The sandbox portal answers as the real one: envelope, rights, dates, what it keeps of a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pytest

from alertbot.event import GUEST_ID
from alertbot.sandbox.envelope import Dialect
from alertbot.sandbox.holdings import ApiKey, Settings
from alertbot.sandbox.intake import parse_member
from alertbot.sandbox.limits import Limits
from tests.sandbox.serving import FILTER, LAST, NOW, client_of, failures, portal, rows_of

ANNA = {"id": "u-anna", "email": "Anna@example.com", "displayName": "Anna Berg", "status": 1, "isAdmin": None}


async def test_a_success_comes_in_an_envelope_with_null_fields_left_out() -> None:
    sandbox = portal(people=[parse_member(ANNA)])
    sandbox.add({"login": " anna@EXAMPLE.com", "actionId": 1029, "ip": "203.0.113.7", "country": None})
    async with client_of(sandbox) as client:
        answer = await client.get(FILTER)
    assert answer.json() == {
        "response": [
            {
                "id": 1,
                "date": "2026-01-15T10:00:00.0000000Z",
                "user": "Anna Berg",
                "userId": "u-anna",
                "action": "Login Success",
                "actionId": 1029,
                "ip": "203.0.113.7",
            }
        ],
        "count": 1,
        "links": [{"href": f"{sandbox.url}{FILTER}", "action": "GET"}],
        "status": 0,
        "statusCode": 200,
    }


async def test_a_failure_carries_the_guest_id_and_repeats_the_login_as_user() -> None:
    sandbox = portal(people=[parse_member(ANNA)])
    sandbox.add({"login": "Anna@example.com", "actionId": 1002})
    async with client_of(sandbox) as client:
        [row] = await rows_of(client)
    assert (row["userId"], row["user"], row["login"]) == (GUEST_ID, "Anna@example.com", "Anna@example.com")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("203.0.113.7:51820", "203.0.113.7"), ("2001:db8::1", "2001"), ("::1", ""), ("not an address", "not an address")],
)
async def test_an_address_is_cut_at_its_first_colon(sent: str, kept: str) -> None:
    sandbox = portal()
    sandbox.add({"login": "anna@example.com", "actionId": 1002, "ip": sent})
    async with client_of(sandbox) as client:
        [row] = await rows_of(client)
    assert row["ip"] == kept


@pytest.mark.parametrize(
    ("at", "dialect", "date"),
    [
        ("2026-01-15T10:00:00Z", Dialect(), "2026-01-15T11:00:00.0000000+01:00"),
        ("2025-07-15T10:00:00.75Z", Dialect(), "2025-07-15T12:00:00.0000000+02:00"),
        (
            "2025-07-15T10:00:00Z",
            Dialect(dates="object"),
            {"utcTime": "2025-07-15T10:00:00.0000000Z", "timeZoneOffset": "02:00:00"},
        ),
        ("2025-10-26T00:30:00Z", Dialect(), "2025-10-26T02:30:00.0000000+02:00"),
        ("2025-10-26T00:30:00Z", Dialect(repeated_hour="off"), "2025-10-26T02:30:00.0000000+01:00"),
    ],
)
async def test_dates_are_in_the_portals_zone_in_the_form_of_its_version(at: str, dialect: Dialect, date: object) -> None:
    sandbox = portal(zone=ZoneInfo("Europe/Berlin"), settings=Settings(dialect=dialect, lifetime_days=999))
    sandbox.add({"login": "anna@example.com", "actionId": 1002, "date": at})
    async with client_of(sandbox) as client:
        [row] = await rows_of(client)
    assert row["date"] == date


async def test_an_older_version_spells_the_address_its_own_way() -> None:
    sandbox = portal(settings=Settings(dialect=Dialect(ip_field="iP")))
    sandbox.add({"login": "anna@example.com", "actionId": 1002, "ip": "203.0.113.7"})
    async with client_of(sandbox) as client:
        [row] = await rows_of(client)
    assert row["iP"] == "203.0.113.7"
    assert "ip" not in row


async def test_some_clients_see_the_actions_name() -> None:
    sandbox = portal(settings=Settings(dialect=Dialect(actions="name")))
    sandbox.add({"login": "anna@example.com", "actionId": "LoginFailBruteForce"})
    async with client_of(sandbox) as client:
        [row] = await rows_of(client)
    assert (row["actionId"], row["action"]) == ("LoginFailBruteForce", "Login Fail. Too many attempts")


async def test_the_date_header_is_the_sandboxs_time_in_whole_seconds() -> None:
    sandbox = portal(settings=Settings(skew_s=61.9))
    async with client_of(sandbox) as client:
        answers = [await client.get(path) for path in (LAST, "/nothing", "/api/2.0/people")]
    assert {answer.headers["Date"] for answer in answers} == {"Thu, 15 Jan 2026 10:01:01 GMT"}


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (ApiKey(permissions=("*:read",)), 200),
        (ApiKey(active=False), 401),
        (ApiKey(expires_at=NOW), 401),
        (ApiKey(expires_at=NOW + timedelta(seconds=1)), 200),
        (ApiKey(owner_is_admin=False), 403),
        (ApiKey(permissions=("rooms:read",)), 403),
    ],
)
async def test_a_key_opens_what_its_state_scope_and_owner_allow(key: ApiKey, status: int) -> None:
    async with client_of(portal(keys=[key])) as client:
        answer = await client.get(LAST)
    assert answer.status_code == status
    assert answer.json()["statusCode"] == status
    assert (answer.json()["status"] == 0) == (status == 200)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "sk-sandbox"}])
async def test_a_request_without_a_good_key_is_refused(header: dict[str, str]) -> None:
    sandbox = portal()
    async with client_of(sandbox), httpx.AsyncClient(base_url=sandbox.url) as stranger:
        answer = await stranger.get(LAST, headers=header)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "Unauthorized"


async def test_any_scope_may_ask_about_its_own_key() -> None:
    key = ApiKey(permissions=("rooms:read",), expires_at=NOW + timedelta(days=14), owner_is_admin=False, owner="u-anna")
    async with client_of(portal(keys=[key], people=[parse_member(ANNA)])) as client:
        told = (await client.get("/api/2.0/keys/@self")).json()["response"]
    assert (told["permissions"], told["isActive"]) == (["rooms:read"], True)
    assert told["expiresAt"] == "2026-01-29T10:00:00.0000000Z"
    assert told["createBy"] == {"id": "u-anna", "displayName": "Anna Berg"}


async def test_a_key_that_never_ends_has_no_end() -> None:
    async with client_of(portal()) as client:
        told = (await client.get("/api/2.0/keys/@self")).json()["response"]
    assert "expiresAt" not in told


async def test_the_history_that_is_older_than_its_lifetime_is_deleted() -> None:
    sandbox = portal(settings=Settings(lifetime_days=30))
    for days in (29, 30, 31):
        sandbox.add({"login": f"{days}", "actionId": 1002, "date": (NOW - timedelta(days=days)).isoformat()})
    async with client_of(sandbox) as client:
        rows = await rows_of(client)
        lifetime = (await client.get("/api/2.0/security/audit/settings/lifetime")).json()["response"]
    assert [row["login"] for row in rows] == ["29", "30"]
    assert lifetime["loginHistoryLifeTime"] == 30


async def test_the_directory_comes_in_pages_with_its_total() -> None:
    people = [parse_member({"id": f"u{number}", "email": f"u{number}@example.com"}) for number in range(5)]
    async with client_of(portal(people=people)) as client:
        answer = await client.get("/api/2.0/people", params={"count": 2, "startIndex": 3})
    assert [person["id"] for person in answer.json()["response"]] == ["u3", "u4"]
    assert (answer.json()["count"], answer.json()["total"]) == (2, 5)


async def test_sessions_are_ended_by_a_key_that_may_write_everything() -> None:
    sandbox = portal(people=[parse_member(ANNA)])
    path = "/api/2.0/security/activeconnections/logoutall/"
    async with client_of(sandbox) as client:
        done = await client.put(path + "u-anna")
        unknown = await client.put(path + "nobody")
        sandbox.put_key(ApiKey(permissions=("*:read", "accounts:write")))
        refused = await client.put(path + "u-anna")
    assert [answer.status_code for answer in (done, unknown, refused)] == [200, 404, 403]
    assert "response" not in done.json()
    assert sandbox.ended_sessions == ["u-anna"]


async def test_a_plan_without_audit_serves_the_last_twenty_in_disguise() -> None:
    sandbox = portal(settings=Settings(plan="none"))
    for row in failures(30):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        last = await rows_of(client, LAST)
        disguised = await rows_of(client, startIndex=20, count=5, userId="nobody")
    assert [row["id"] for row in disguised] == [row["id"] for row in last] == list(range(30, 10, -1))


async def test_an_unpaid_plan_answers_402() -> None:
    async with client_of(portal(settings=Settings(plan="unpaid"))) as client:
        assert (await client.get(FILTER)).status_code == 402
        assert (await client.get("/api/2.0/people")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [{"count": 101}, {"count": 0}, {"startIndex": -1}, {"count": "x"}, {"from": "2026-01-15"}, {"to": "yesterday"}],
)
async def test_a_bad_parameter_is_a_400_that_names_no_secret(query: dict[str, str]) -> None:
    async with client_of(portal()) as client:
        answer = await client.get(FILTER, params=query)
    assert answer.status_code == 400
    assert "sk-sandbox" not in answer.text


async def test_too_many_requests_in_a_minute_are_sent_away_with_the_time_to_wait() -> None:
    sandbox = portal(settings=Settings(limits=Limits(requests=3)))
    async with client_of(sandbox) as client:
        answers = [await client.get(LAST) for _ in range(5)]
        told = [answer.status_code for answer in answers]
        sandbox.settings = msgspec.structs.replace(sandbox.settings, limits=Limits(requests=3, window_s=1e-9))
        after = await client.get(LAST)
    assert told == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert after.status_code == 200


async def test_an_event_becomes_visible_when_the_clock_reaches_its_appearance() -> None:
    sandbox = portal()
    sandbox.add({"login": "future", "actionId": 1002, "date": (NOW + timedelta(seconds=10)).isoformat()})
    sandbox.add({"login": "late", "actionId": 1002, "date": NOW.isoformat()}, delay=timedelta(seconds=20))
    seen = []
    async with client_of(sandbox) as client:
        for _ in range(3):
            seen.append([row["login"] for row in await rows_of(client)])
            sandbox.clock.advance(timedelta(seconds=10))
    assert seen == [[], ["future"], ["future", "late"]]


async def test_the_audit_trail_is_a_feed_of_its_own() -> None:
    sandbox = portal()
    sandbox.add({"actionId": 5000, "userId": "u-anna", "action": "Room deleted", "target": "Plans"}, feed="audit")
    async with client_of(sandbox) as client:
        audit = await rows_of(client, "/api/2.0/security/audit/events/filter")
        logins = await rows_of(client)
    assert [row["target"] for row in audit] == [["Plans"]]
    assert logins == []


async def test_what_somebody_does_is_ordered_by_name_and_person() -> None:
    """The row is written as the portal writes it: by the person's id, in its own words."""
    sandbox = portal(people=[parse_member({"id": "u-anna", "email": "Anna@example.com", "displayName": "Anna Berg"})])
    async with client_of(sandbox) as client:
        row = {"login": "ANNA@example.com", "actionId": "RoomDeleted"}
        order = {"feed": "audit", "events": row}
        assert (await client.post("/sandbox/events", json=order)).json() == {"ids": [1]}
        nobody = await client.post(
            "/sandbox/events", json={"feed": "audit", "events": {"login": "x", "actionId": "RoomDeleted"}}
        )
        [told] = await rows_of(client, "/api/2.0/security/audit/events/filter")
    assert "an action needs a `userId`" in nobody.json()["error"]
    assert (told["userId"], told["actionId"], told["action"]) == ("u-anna", 5074, "Room deleted")
    assert "login" not in told


async def test_a_stopped_portal_comes_back_on_its_port_with_what_it_held() -> None:
    from alertbot.sandbox.server import Server

    sandbox = portal()
    sandbox.add({"login": "anna@example.com", "actionId": 1002})
    server = Server(sandbox)
    address = await server.start()
    await server.stop()
    async with httpx.AsyncClient(headers={"Authorization": "Bearer sk-sandbox"}) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(address + LAST)
        assert await server.start() == address
        assert len((await client.get(address + LAST)).json()["response"]) == 1
    await server.stop()


def test_a_clock_runs_as_fast_as_told_and_can_be_stopped() -> None:
    from alertbot.sandbox.clock import SandboxClock

    real = [0.0]
    clock = SandboxClock(NOW, speed=60, real=lambda: real[0])
    real[0] = 1
    assert clock.now() == NOW + timedelta(minutes=1)
    clock.run_at(1)
    real[0] = 2
    assert clock.now() == NOW + timedelta(minutes=1, seconds=1)
    clock.pause()
    real[0] = 100
    assert clock.now() == NOW + timedelta(minutes=1, seconds=1)
    clock.set(datetime(2026, 2, 1, tzinfo=UTC))
    clock.resume()
    real[0] = 101
    assert clock.now() == datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC)
