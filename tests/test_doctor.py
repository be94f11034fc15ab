"""`alertbot doctor`: each thing that can be wrong is named, with how to mend it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alertbot import config
from alertbot.doctor import Check, is_red, look_at_portals, look_at_slack, post_test
from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Sandbox
from alertbot.settings import Settings
from tests.endtoend.world import ended, world


def settings_of(sandbox: Sandbox, folder: Path, environment: Mapping[str, str] | None = None, **more: Any) -> Settings:
    (folder / "rules").mkdir(exist_ok=True)
    document = {"portals": [{"url": "${DOCSPACE_URL}", "api_key": "${DOCSPACE_API_KEY}"}], "rules": ["rules"], **more}
    (folder / "alertbot.yaml").write_text(json.dumps(document))
    return config.load(folder / "alertbot.yaml", {**sandbox.environment(), **(environment or {})})


async def portal_checks(settings: Settings) -> dict[str, Check]:
    now_us = time.time_ns() // 1_000
    (checks,) = (await look_at_portals(settings, now_us)).values()
    for check in checks:
        assert check.mend or check.state in ("ok", "untried"), f"{check} does not say how to mend it"
    return {check.what: check for check in checks}


def put(portal: SandboxPortal, **changes: Any) -> None:
    portal.put_key(msgspec.structs.replace(portal.key, **changes))


async def test_a_portal_that_is_right_is_not_red(tmp_path: Path) -> None:
    async with world(tmp_path, history=30) as office:
        checks = await portal_checks(settings_of(office.sandbox, tmp_path))
        assert not is_red(checks.values())
        assert {
            "reach",
            "tls",
            "key",
            "rights",
            "scopes",
            "plan",
            "audit trail",
            "lifetime",
            "directory",
            "clock",
        } <= checks.keys()
        assert "2 people" in checks["directory"].said
        assert "180d" in checks["lifetime"].said
        assert "request-x-real-ip" in checks["addresses"].mend


WRONG: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "key": ("key", "red", "new one", {"active": False}),
    "owner": ("rights", "red", "DocSpace admin", {"owner_is_admin": False}),
    "scope": ("scopes", "red", "*:read", {"permissions": ("files:read",)}),
    "end": ("key", "remark", "in time", {"expires_at": datetime.now(UTC) + timedelta(days=5)}),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_key_that_is_wrong_says_what_and_how_to_mend_it(case: str, tmp_path: Path) -> None:
    what, state, mend, changes = WRONG[case]
    async with world(tmp_path, history=3) as office:
        put(office.portal, **changes)
        checks = await portal_checks(settings_of(office.sandbox, tmp_path))
        assert (checks[what].state, mend in checks[what].mend) == (state, True), checks


async def test_plan_lifetime_and_clock(tmp_path: Path) -> None:
    async with world(tmp_path, history=30) as office:
        wrong = msgspec.structs.replace(office.portal.settings, plan="none", lifetime_days=7, skew_s=-300.0)
        office.portal.settings = wrong
        checks = await portal_checks(settings_of(office.sandbox, tmp_path))
        assert [checks[name].state for name in ("plan", "lifetime", "clock")] == ["red", "remark", "red"]
        assert "30" in checks["clock"].said
        office.portal.settings = msgspec.structs.replace(wrong, plan="unpaid")
        assert (await portal_checks(settings_of(office.sandbox, tmp_path)))["plan"].state == "red"


async def test_an_audit_trail_that_cannot_be_read_is_a_remark_for_logins_are_watched(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        office.portal.faults.add(Fault(kind=FaultKind.STATUS, status=403, path="/events/filter", times=1))
        told = (await portal_checks(settings_of(office.sandbox, tmp_path)))["audit trail"]
        assert (told.state, "logins are watched" in told.mend) == ("remark", True)
        assert (await portal_checks(settings_of(office.sandbox, tmp_path)))["audit trail"].state == "ok"


async def test_twenty_events_are_no_missing_plan(tmp_path: Path) -> None:
    async with world(tmp_path, history=20) as office:
        checks = await portal_checks(settings_of(office.sandbox, tmp_path))
        assert checks["plan"].state == "ok"
        office.fail("anna@example.com", 20)
        office.portal.settings = msgspec.structs.replace(office.portal.settings, plan="none")
        checks = await portal_checks(settings_of(office.sandbox, tmp_path))
        assert checks["plan"].state == "red", "also where all of them are of one second, in another order each time"


async def test_sessions_that_nobody_can_end_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        put(office.portal, permissions=("*:read",))
        slack = {"token": "${SLACK_BOT_TOKEN}", "channel": "#security", "api_url": "${SLACK_API_URL}"}
        settings = settings_of(office.sandbox, tmp_path, slack={**slack, "end_sessions": ["U1"]})
        scopes = (await portal_checks(settings))["scopes"]
        assert (scopes.state, "*:write" in scopes.mend) == ("remark", True)
        assert (await portal_checks(settings_of(office.sandbox, tmp_path, slack=slack)))["scopes"].state == "ok"


async def test_a_portal_that_moved_or_is_away(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        settings = settings_of(office.sandbox, tmp_path)
        office.portal.faults.add(Fault(kind=FaultKind.REDIRECT, times=None))
        checks = await portal_checks(settings)
        assert (checks["reach"].state, checks["key"].state) == ("red", "untried")
        assert "url" in checks["reach"].mend
        away = settings_of(office.sandbox, tmp_path, {"DOCSPACE_URL": "http://127.0.0.1:9"})
        assert (await portal_checks(away))["reach"].state == "red"


async def test_slack_that_is_right_and_a_test_alert(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        settings = settings_of(office.sandbox, tmp_path)
        checks = {check.what: check for check in await look_at_slack(settings)}
        assert {check.state for check in checks.values()} == {"ok"}, checks
        assert {"token", "scopes", "channel #security", "history #security", "people", "buttons"} == checks.keys()
        assert not is_red(await post_test(settings, time.time_ns() // 1_000))
        assert len(office.about("test alert")) == 1


async def test_what_is_wrong_with_slack_is_named(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        token = settings_of(office.sandbox, tmp_path, {"SLACK_BOT_TOKEN": "xoxb-wrong"})
        (check,) = await look_at_slack(token)
        assert (check.what, check.state) == ("token", "red")
        assert "xoxb-wrong" not in check.said
        routes = [{"match": {"level": "high"}, "channel": "#nowhere", "mention": "@nobody"}]
        wrong = settings_of(office.sandbox, tmp_path, {"SLACK_APP_TOKEN": "xapp-wrong"}, routes=routes)
        red = {check.what for check in await look_at_slack(wrong) if check.state == "red"}
        assert red == {"channel #nowhere", "people", "buttons"}


async def test_the_command_ends_with_1_where_something_is_red(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        good = await office.start(arguments=("doctor", "--format", "json", "--post"))
        assert await ended(good) == 0, office.log
        told = json.loads(office.log)
        assert told["ok"] is True
        assert told["portals"][0]["portal"] == "main"
        put(office.portal, active=False)
        bad = await office.start(arguments=("doctor",))
        assert await ended(bad) == 1, office.log
        assert "rejects the API key" in office.log
        assert office.portal.key.token not in office.log
