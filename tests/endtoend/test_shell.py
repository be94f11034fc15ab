"""What people do at a shell shows in Slack, while the real program runs; and what the shell shows is what there is."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.endtoend.world import ROOT, World, words, world

ROUTES = {
    "routes": [
        {
            "match": {"level": ["high"]},
            "channel": "#security",
            "mention": "@oncall",
            "escalate": {"after": "2s", "channel": "#security-ops", "mention": "U024BE7LK"},
            "continue": True,
        },
        {"match": {"rule": "guessing"}, "channel": "#copies"},
    ]
}


async def shell(office: World, *arguments: str, code: int = 0) -> str:
    """A command, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alertbot", *arguments),
        cwd=office.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(office.folder), "PYTHONPATH": str(ROOT), **office.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == code, (out, err)
    return (out or err).decode()


async def listed(office: World, *arguments: str) -> Any:
    return json.loads(await shell(office, *arguments, "--format", "json"))


async def test_acting_at_a_shell_shows_in_slack_while_it_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        bot = await office.start()
        await office.first_told()
        office.fail("anna@example.com", 3)
        message = await office.told("HIGH · Password guessing")
        [one] = await listed(office, "incidents")
        assert (one["work"], one["phase"], one["count"], one["person"]) == ("new", "going_on", 3, "Anna@example.com")
        number = one["incident"][:8]
        assert "You have it" in await shell(office, "incidents", "acknowledge", number, "--as", "Dana Scully")
        await office.until(lambda: "Dana Scully* has it" in words(message), "it does not show")
        assert "Dana Scully has it" in await shell(office, "incidents", "acknowledge", number, "--as", "ben")
        await shell(office, "incidents", "resolve", number, "expected", "--reason", "her new phone", "--as", "ben")
        await office.until(lambda: "Resolved as *expected* by ben" in words(message), "it does not show")
        await office.told("Expected from now on?")
        [wish] = await listed(office, "rules", "--wishes")
        assert wish["except"].startswith("except:\n  - match:")
        await shell(office, "incidents", "undo", number, "--as", "ben")
        assert await listed(office, "rules", "--wishes") == []
        story = await shell(office, "incidents", "show", number)
        assert [step for step in ("opened", "acknowledged", "resolved", "undone") if step in story] == [
            *("opened", "acknowledged", "resolved", "undone")
        ]
        assert "no incident" in await shell(office, "incidents", "show", "ffffffff", code=2)
        await office.settled()
        await office.stop(bot)


async def test_a_silence_of_the_shell_holds_for_the_running_program_and_its_end_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, history=3) as office:
        bot = await office.start()
        await office.first_told()
        said = await shell(office, "silence", "add", "--account", "ANNA@example.com", "--for", "8h", "--reason", "a test")
        assert "account Anna@example.com" in said
        office.fail("anna@example.com", 3)
        office.fail("ben@example.com", 3)
        await office.told("ben@example.com")
        await office.settled()
        assert not office.about("HIGH · Password guessing · Anna")
        [silence] = await listed(office, "silence")
        assert (silence["incidents"], silence["reason"], silence["match"]) == (1, "a test", {"account": "u-anna"})
        handover = await listed(office, "status", "--handover")
        assert [one["person"] for one in handover["untouched"]] == ["ben@example.com"]
        assert handover["silenced"][0]["held_back"][0]["person"] == "Anna@example.com"
        assert handover["portals"][0]["watched"]
        assert handover["buttons"]["connected"]
        assert "Nobody has looked" in await shell(office, "status", "--handover")
        await shell(office, "silence", "lift", silence["silence"], "--as", "ben")
        await office.told("HIGH · Password guessing · Anna@example.com")
        await office.told("Silence lifted by ben: account Anna@example.com")
        await office.settled()
        await office.stop(bot)
        office.count().agrees()
        activity = {one["rule"]: one for one in await listed(office, "rules")}
        assert (activity["guessing"]["findings"], activity["guessing"]["mode"]) == (2, "live")
        assert activity["broke-in"]["last"] is None


async def test_routes_bring_it_to_its_channels_call_people_and_tell_others_when_nobody_looks(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.slack.space.add_channel("#copies")
        office.configure(**ROUTES)
        bot = await office.start()
        await office.first_told()
        office.fail("anna@example.com", 3)
        await office.told("Password guessing", 2)
        first, copy = office.about("HIGH · Password guessing")[:2]
        names = {channel.id: channel.name for channel in office.slack.space.channels.values()}
        assert (names[first.channel], names[copy.channel]) == ("security", "copies")
        assert "<!subteam^S0614TZR7>" in words(first)
        assert "<!subteam" not in words(copy)
        remark = await office.told("Nobody has looked for")
        assert names[remark.channel] == "security-ops"
        assert "<@U024BE7LK>" in words(remark)
        await office.slack.hands.press(copy, "alertbot.acknowledge")
        await office.until(lambda: "has it" in words(first) and "has it" in words(copy), "it does not show in both")
        await office.settled()
        await office.stop(bot)
        assert len(office.about("Nobody has looked for")) == 1


async def test_a_name_that_slack_does_not_know_ends_the_start(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        office.configure(routes=[{"mention": "@nobody"}])
        assert "@nobody is no user and no user group" in await shell(office, "run", code=2)


async def test_without_an_app_token_the_message_says_how_to_act_at_a_shell(tmp_path: Path) -> None:
    async with world(tmp_path) as office:
        del office.environment["SLACK_APP_TOKEN"]
        bot = await office.start()
        await office.first_told()
        office.fail("anna@example.com", 3)
        message = await office.told("HIGH · Password guessing")
        await office.settled()
        await office.stop(bot)
        assert "alertbot incidents acknowledge" in words(message)
        assert "alertbot.acknowledge" not in str(message.blocks + message.attachments)
