"""Takes the picture of the README: a real alert, as the sandbox Slack's page shows it.

    PYTHONPATH=. .venv/bin/python tools/alert_picture.py [docs/alert.png]

An invented administrator logs in on ordinary days, then her password is guessed at night. The real `alertbot run` reads that
from the sandbox's portal and posts to its Slack; Chromium photographs the page. Look at the picture before you commit it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from alertbot.event import GUEST_ID
from alertbot.sandbox.play import play_files
from alertbot.sandbox.server import Sandbox
from alertbot.sandbox.slack import SandboxSlack

ROOT = Path(__file__).parent.parent
ZONE = "Europe/Berlin"
NIGHT = datetime(2026, 1, 15, 2, 0, 12, tzinfo=UTC)
FAILURES = 8
SPEED = 50.0
QUIET = 4.0
"""So many seconds without a new message or change, and all has been told."""

ANNA = {"id": "66faa6e4-f133-11ea-b126-00ffeec8b4ef", "email": "anna@example.com", "displayName": "Anna Berg"}
HOME = {"ip": "192.0.2.14", "country": "Germany", "city": "Berlin", "browser": "Chrome 131", "platform": "Windows 10"}
GUESSER = {"ip": "203.0.113.7", "country": "Vietnam", "city": "Hanoi", "browser": "Firefox 133", "platform": "Linux"}
EXIT = {"ip": "198.51.100.23", "country": "Netherlands", "city": "Amsterdam", "browser": "Firefox 133", "platform": "Linux"}


def logins() -> Iterator[dict[str, Any]]:
    """Ten working days, then some wrong passwords and the right one, in the portal's JSON."""
    success = {"userId": ANNA["id"], "user": ANNA["displayName"], "actionId": 1029, "action": "Login Success"}
    failure = {"userId": GUEST_ID, "user": ANNA["email"], "login": ANNA["email"], "actionId": 1002, "action": "Login Fail"}
    days = [NIGHT.replace(hour=8) - timedelta(days=before) for before in range(14, 0, -1)]
    yield from (_row(day, success, HOME) for day in days if day.weekday() < 5)
    yield from (_row(NIGHT + timedelta(seconds=20 * number), failure, GUESSER) for number in range(FAILURES))
    yield _row(NIGHT + timedelta(seconds=20 * FAILURES), success, EXIT)


def _row(at: datetime, what: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    return {"id": int(at.timestamp()), "date": at.isoformat().replace("+00:00", ".0000000Z"), **what, **where}


async def take(picture: Path, size: str) -> None:
    """Plays it, and photographs the channel when nothing more comes."""
    rows = sorted(logins(), key=lambda row: row["id"])
    before = NIGHT - timedelta(minutes=1) - datetime.fromtimestamp(rows[0]["id"], UTC)
    with tempfile.TemporaryDirectory(prefix="alertbot-picture-") as name:
        folder = Path(name)
        (folder / "logins.json").write_text(json.dumps(rows))
        (folder / "people.json").write_text(json.dumps([{**ANNA, "isAdmin": True, "status": 1}]))
        (folder / "alertbot.yaml").write_text(
            f"portals: [{{name: acme, zone: {ZONE}, poll: 1s, max_skew: null}}]\nrules: ['{ROOT}/rules/guessed-password.yml']\n"
        )
        portal = play_files(folder / "logins.json", folder / "people.json", history=before, speed=SPEED, zone=ZoneInfo(ZONE))
        slack = SandboxSlack(clock=lambda: portal.clock.now().timestamp())
        async with Sandbox(portal, slack) as sandbox:
            command = [sys.executable, "-m", "alertbot", "run", "--config", str(folder / "alertbot.yaml")]
            bot = await asyncio.create_subprocess_exec(*command, env={**os.environ, **sandbox.environment()})
            try:
                await _still(slack, bot)
                async with httpx.AsyncClient() as http:
                    await http.delete(f"{slack.url}/sandbox/messages")
                portal.clock.resume()
                await _still(slack, bot)
                await _photograph(slack.url, picture, size, folder)
            finally:
                if bot.returncode is None:
                    bot.terminate()
                await bot.wait()


async def _still(slack: SandboxSlack, bot: asyncio.subprocess.Process) -> None:
    """Until a message stands and nothing has changed for a while."""
    seen, until = slack.space.version, asyncio.get_running_loop().time() + QUIET
    while not slack.messages or asyncio.get_running_loop().time() < until:
        if bot.returncode is not None:
            raise SystemExit(f"alertbot run ended with {bot.returncode}; what it said stands above")
        if slack.space.version != seen:
            seen, until = slack.space.version, asyncio.get_running_loop().time() + QUIET
        await asyncio.sleep(0.1)


async def _photograph(url: str, picture: Path, size: str, folder: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"There is none of {', '.join(names)} on this machine: install Chromium")
    flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    command = [browser, *flags, f"--window-size={size}", f"--screenshot={picture}", url]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "TZ": ZONE}, stdout=quiet, stderr=quiet)
    if await process.wait():
        raise SystemExit(f"{browser} took no picture")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take the picture of the README.")
    parser.add_argument("picture", nargs="?", type=Path, default=ROOT / "docs" / "alert.png")
    parser.add_argument("--size", default="960,1100", help="the page's width and height in pixels")
    wanted = parser.parse_args()
    asyncio.run(take(wanted.picture.absolute(), wanted.size))
    sys.stdout.write(f"{wanted.picture}\n")
