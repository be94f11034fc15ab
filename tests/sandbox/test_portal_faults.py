"""What goes wrong on request, and the switchboard that other processes use."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from alertbot.sandbox.faults import Fault, FaultKind
from tests.sandbox.serving import FILTER, LAST, NOW, client_of, failures, portal, rows_of


async def test_a_fault_applies_to_the_next_requests_of_its_path_only() -> None:
    sandbox = portal()
    sandbox.faults.add(Fault(kind=FaultKind.STATUS, status=503, path="/login/filter", times=2, skip=1))
    async with client_of(sandbox) as client:
        told = [(await client.get(path)).status_code for path in (FILTER, LAST, FILTER, LAST, FILTER, FILTER)]
    assert told == [200, 200, 503, 200, 503, 200]


async def test_a_fault_can_be_aimed_at_one_page() -> None:
    sandbox = portal()
    sandbox.faults.add(Fault(kind=FaultKind.STATUS, path="startIndex=100", times=None))
    async with client_of(sandbox) as client:
        told = [(await client.get(FILTER, params={"startIndex": start})).status_code for start in (0, 100, 200, 100)]
    assert told == [200, 500, 200, 500]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind=FaultKind.HANG), httpx.ReadTimeout),
        (Fault(kind=FaultKind.RESET), httpx.ReadError),
        (Fault(kind=FaultKind.CUT), httpx.RemoteProtocolError),
    ],
)
async def test_a_connection_can_fail_in_each_way_and_the_next_request_is_answered(fault: Fault, error: type[Exception]) -> None:
    sandbox = portal()
    sandbox.faults.add(fault)
    async with client_of(sandbox) as client:
        with pytest.raises(error):
            await client.get(FILTER, timeout=0.2)
        assert (await client.get(FILTER)).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "body", "header"),
    [
        (Fault(kind=FaultKind.HTML), 200, "<html>", None),
        (Fault(kind=FaultKind.HTML, status=502), 502, "<html>", None),
        (Fault(kind=FaultKind.EMPTY), 200, "", None),
        (Fault(kind=FaultKind.BUSY, seconds=7), 429, "", ("Retry-After", "7")),
        (Fault(kind=FaultKind.BUSY_DATE, seconds=7), 429, "", ("Retry-After", "Thu, 15 Jan 2026 10:00:07 GMT")),
        (Fault(kind=FaultKind.REDIRECT), 302, "", ("Location", f"https://elsewhere.example{FILTER}?count=5")),
    ],
)
async def test_an_answer_can_be_wrong_in_each_way(fault: Fault, status: int, body: str, header: tuple[str, str] | None) -> None:
    sandbox = portal()
    sandbox.faults.add(fault)
    async with client_of(sandbox) as client:
        answer = await client.get(FILTER, params={"count": 5})
    assert answer.status_code == status
    assert answer.text.startswith(body)
    assert bool(answer.text) == bool(body)
    assert answer.headers["Date"] == "Thu, 15 Jan 2026 10:00:00 GMT"
    if header is not None:
        assert answer.headers[header[0]] == header[1]


async def test_a_broken_body_is_half_of_the_right_one() -> None:
    sandbox = portal()
    for row in failures(3):
        sandbox.add(row)
    async with client_of(sandbox) as client:
        whole = (await client.get(LAST)).content
        sandbox.faults.add(Fault(kind=FaultKind.BROKEN))
        assert (await client.get(LAST)).content == whole[: len(whole) // 2]


async def test_a_held_answer_shows_what_was_so_when_it_was_asked_for() -> None:
    sandbox = portal()
    number = sandbox.faults.add(Fault(kind=FaultKind.HOLD))
    async with client_of(sandbox) as client:
        asking = asyncio.create_task(rows_of(client))
        await sandbox.faults.until_held()
        sandbox.add({"login": "later", "actionId": 1002})
        assert not asking.done()
        assert sandbox.faults.held == 1
        sandbox.faults.release(number)
        assert await asking == []
        assert len(await rows_of(client)) == 1


async def test_a_held_request_that_its_sender_gives_up_is_held_no_longer() -> None:
    sandbox = portal()
    sandbox.faults.add(Fault(kind=FaultKind.HOLD))
    async with client_of(sandbox) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(LAST, timeout=0.2)
        await sandbox.faults.until_let_go()
        assert (await client.get(LAST)).status_code == 200


async def test_every_request_is_written_down() -> None:
    sandbox = portal()
    async with client_of(sandbox) as client, httpx.AsyncClient(base_url=sandbox.url) as stranger:
        await client.get(FILTER, params={"count": 5})
        await stranger.get(LAST)
        await sandbox.until_asked(2)
    assert [(asked.path, asked.query, asked.with_key) for asked in sandbox.requests] == [
        (FILTER, {"count": "5"}, True),
        (LAST, {}, False),
    ]
    assert {asked.portal_now for asked in sandbox.requests} == {NOW}


async def ordered(client: httpx.AsyncClient, what: str, order: Any) -> Any:
    answer = await client.post(f"/sandbox/{what}", json=order)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_another_process_can_do_all_that_python_can() -> None:
    sandbox = portal()
    async with client_of(sandbox) as client:
        await ordered(client, "people", [{"id": "u-bo", "email": "bo@example.com", "displayName": "Bo"}])
        one = await ordered(client, "events", {"login": "bo@example.com"})
        late = {"delay": "10s", "events": [{"login": "x", "actionId": 1002}, {"login": "y", "actionId": 1002}]}
        two = await ordered(client, "events", late)
        assert (one, two) == ({"ids": [1]}, {"ids": [2, 3]})
        assert [row["user"] for row in await rows_of(client)] == ["Bo"]
        clock = await ordered(client, "clock", {"advance": "10s", "speed": 5})
        assert (clock["now"], clock["running"]) == ("2026-01-15T10:00:10Z", False)
        assert len(await rows_of(client)) == 3
        assert (await client.get("/sandbox/events")).json() == {"ids": [1, 2, 3]}

        await ordered(client, "settings", {"limits": {"requests": 9}})
        await ordered(client, "key", {"expires_at": "2026-01-15T10:00:00Z"})
        assert (await client.get(LAST)).status_code == 401
        await ordered(client, "key", {"expires_at": None})
        number = (await ordered(client, "faults", {"kind": "status", "status": 502, "times": None}))["number"]
        assert (await client.get(LAST)).status_code == 502
        assert (await client.get("/sandbox")).json()["faults"][str(number)]["status"] == 502
        assert (await client.delete(f"/sandbox/faults/{number}")).status_code == 200
        assert (await client.get(LAST)).status_code == 200

        requests = (await client.get("/sandbox/requests", params={"after": 3})).json()["requests"]
        assert [asked["number"] for asked in requests] == [4, 5]
        assert requests[0]["path"] == LAST


async def test_another_process_can_hold_an_answer_and_let_it_go() -> None:
    sandbox = portal()
    async with client_of(sandbox) as client:
        number = (await ordered(client, "faults", {"kind": "hold", "path": "/last"}))["number"]
        asking = asyncio.create_task(client.get(LAST))
        await sandbox.faults.until_held()
        assert (await client.get("/sandbox")).json()["held"] == 1
        await client.delete(f"/sandbox/faults/{number}")
        assert (await asking).status_code == 200


@pytest.mark.parametrize(
    ("what", "order", "sentence"),
    [
        ("faults", {"kind": "fire"}, "Invalid enum value 'fire' - at `$.kind`"),
        ("faults", {"kind": "cut", "tims": 2}, "unknown field `tims`"),
        ("events", {"login": "nobody@example.com"}, "a success needs a `userId`"),
        ("events", [1], "an event must be an object"),
        ("events", {"login": "x", "actionId": 1002, "date": "2026-01-15"}, "needs a zone"),
        ("clock", {"speed": 0}, "must be more than 0"),
        ("people", {"email": "x"}, "needs an `id`"),
        ("settings", [], "an object of settings is needed"),
    ],
)
async def test_a_wrong_order_is_refused_with_a_sentence(what: str, order: Any, sentence: str) -> None:
    async with client_of(portal()) as client:
        answer = await client.post(f"/sandbox/{what}", json=order)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
