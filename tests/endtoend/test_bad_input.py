"""What is wrong on our side ends `run` with 2 and a sentence; what the other side refuses is said once and tried again."""

from __future__ import annotations

import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from alertbot.sandbox.faults import Fault, FaultKind
from alertbot.sandbox.holdings import ApiKey
from tests.endtoend.world import World, ended, world


@dataclass(frozen=True)
class Case:
    """Something that people get wrong, and what they are told."""

    name: str
    spoil: Callable[[World], object]
    says: str


def drop(variable: str) -> Callable[[World], object]:
    return lambda office: office.environment.pop(variable)


def write(name: str, content: bytes) -> Callable[[World], object]:
    return lambda office: (office.folder / name).write_bytes(content)


def store_without_a_folder(office: World) -> None:
    office.configure(store=f"sqlite:///{office.folder}/nowhere/alertbot.db")


def store_that_is_a_folder(office: World) -> None:
    (office.folder / "alertbot.db").mkdir()


def store_of_a_later_version(office: World) -> None:
    with closing(sqlite3.connect(office.folder / "alertbot.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('ffff')")
        connection.commit()


CASES = (
    Case(
        "no configuration",
        lambda o: ((o.folder / "alertbot.yaml").unlink(), o.environment.clear()),
        "there is no configuration",
    ),
    Case("no key", drop("DOCSPACE_API_KEY"), "DOCSPACE_API_KEY is not set"),
    Case("no Slack", lambda o: [o.environment.pop(n) for n in list(o.environment) if n.startswith("SLACK")], "SLACK_BOT_TOKEN"),
    Case("no channel", drop("SLACK_CHANNEL"), "SLACK_CHANNEL"),
    Case("broken YAML", write("alertbot.yaml", b"portals: [\n"), "alertbot.yaml:"),
    Case("no text", write("alertbot.yaml", b"\xff\xfe\x00"), "alertbot.yaml"),
    Case("unknown key", lambda o: o.configure(stroe="x"), "did you mean"),
    Case("wrong poll", lambda o: o.configure(portal={"poll": "fast"}), "portals[0].poll"),
    Case("http", lambda o: o.configure(portal={"url": "http://acme.example.com"}), "must begin with https://"),
    Case("no rules", lambda o: o.configure(rules=["missing"]), "missing"),
    Case("broken rule", lambda o: o.write_rules("title: x\ndetection: {a: {outcom: failure}}\n"), "rules/rules.yml:2:"),
    Case("empty rules", lambda o: o.write_rules(""), "There is no rule in"),
    Case("nowhere to store", store_without_a_folder, "folder must be there"),
    Case("a folder as store", store_that_is_a_folder, "alertbot.db"),
    Case("no database", write("alertbot.db", b"this is no database, but a text of some length\n" * 9), "is not a database"),
    Case("a later store", store_of_a_later_version, "alertbot.db"),
    Case("unknown store", lambda o: o.configure(store="mysql://localhost/x"), "must begin with sqlite:/// or postgresql://"),
    Case("no PostgreSQL", lambda o: o.configure(store="postgresql://127.0.0.1:1/x"), "PostgreSQL does not answer"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_is_wrong_here_ends_it_with_2_and_a_sentence(tmp_path: Path, case: Case) -> None:
    async with world(tmp_path) as office:
        case.spoil(office)
        code = await ended(await office.start())
        assert code == 2, office.log
        assert case.says in office.log
        assert "Traceback" not in office.log
        *warnings, _ = office.log.strip().splitlines()
        assert all("warning: " in line for line in warnings), office.log
        assert not office.portal.requests, "nothing is asked of a portal before all is right"


async def test_portals_that_refuse_are_said_once_and_tried_again_while_others_are_watched(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nothing = f"http://127.0.0.1:{taken.getsockname()[1]}"
            port = office.portal.url.rpartition(":")[2]
            portals = [
                {"name": "main", "url": office.portal.url, "api_key": office.portal.key.token, "poll": "1s"},
                {"name": "badkey", "url": office.portal.url, "api_key": "sk-of-another", "poll": "1s"},
                {"name": "noportal", "url": office.slack.url, "api_key": "sk-x", "poll": "1s"},
                {"name": "tls", "url": f"https://127.0.0.1:{port}", "api_key": "sk-x", "poll": "1s"},
                {"name": "nothing", "url": nothing, "api_key": "sk-x", "poll": "1s"},
            ]
            office.configure(portals=portals)
            bot = await office.start()
            await office.until(lambda: bool(office.logged("poll.failed")), "it does not say so")
            office.fail("anna@example.com", 3)
            await office.told("Anna Berg")
            said = ["badkey", "noportal", "tls", "nothing"]
            await office.until(
                lambda: {line["portal"] for line in office.logged("poll.failed")} == set(said), "it does not say so"
            )
            office.portal.put_key(ApiKey(token="sk-of-another"))
            await office.until(lambda: bool(office.logged("poll.works_again")), "it does not say so")
        assert Counter(line["portal"] for line in office.logged("poll.failed")) == Counter(said)
        [mended] = office.logged("poll.works_again")
        assert mended["portal"] == "badkey"
        sentences = {line["portal"]: line["error"] for line in office.logged("poll.failed")}
        assert "rejects the API key (401)" in sentences["badkey"]
        assert "has no such page (404)" in sentences["noportal"]
        assert "does not speak TLS" in sentences["tls"]
        assert "cannot be reached" in sentences["nothing"]
        assert "sk-of-another" not in office.log
        await office.stop(bot)


async def test_a_redirect_never_carries_the_key_away(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office, world_elsewhere(tmp_path) as elsewhere:
        number = office.portal.faults.add(Fault(kind=FaultKind.REDIRECT, times=None, location=elsewhere.portal.url))
        bot = await office.start()
        await office.until(lambda: bool(office.logged("poll.failed")), "it does not say so")
        assert "sends to another address (302)" in office.logged("poll.failed")[0]["error"]
        office.portal.faults.release(number)
        await office.first_told()
        await office.stop(bot)
        assert not elsewhere.portal.requests


def world_elsewhere(folder: Path):  # type: ignore[no-untyped-def]
    """A second world, for what must not go there."""
    (folder / "elsewhere").mkdir()
    return world(folder / "elsewhere")


async def test_a_wrong_token_is_said_once_and_works_once_it_is_right(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        right, office.slack.token = office.slack.token, "xoxb-another"
        bot = await office.start()
        await office.until(lambda: bool(office.logged("slack.trouble")), "it does not say so")
        await office.until(lambda: len(office.slack.calls) >= 2, "it does not try again")
        [line] = office.logged("slack.trouble")
        assert "invalid_auth" in (line["code"], line["said"])
        assert right not in office.log
        office.slack.token = right
        await office.first_told()
        await office.settled()
        await office.stop(bot)
        office.count().agrees()


async def test_an_unknown_channel_is_said_once_and_kept(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        office.environment["SLACK_CHANNEL"] = "#nowhere"
        bot = await office.start()
        await office.until(lambda: bool(office.logged("slack.trouble")), "it does not say so")
        office.fail("anna@example.com", 3)
        await office.until(lambda: bool(office.count().incidents), "it does not go on")
        assert "channel_not_found" in office.logged("slack.trouble")[0]["code"]
        await office.stop(bot)
        assert len(office.logged("slack.trouble")) == 1
        posts = {entry.kind: entry.state for entry in office.count().outbox}
        assert (posts["first_start"], posts["opening"]) == ("waiting", "waiting")


async def test_a_command_that_asks_the_portal_ends_with_3_when_that_refuses_or_is_away(tmp_path: Path) -> None:
    async with world(tmp_path, history=5) as office:
        key, office.environment["DOCSPACE_API_KEY"] = office.environment["DOCSPACE_API_KEY"], "sk-of-another"
        assert await ended(await office.start(arguments=("events", "--last"))) == 3
        assert "rejects the API key (401)" in office.log
        office.environment["DOCSPACE_API_KEY"] = key
        assert await ended(await office.start(arguments=("events", "--last"))) == 0
        await office.sandbox.portal_server.stop()
        assert await ended(await office.start(arguments=("events", "--last"))) == 3
        assert "cannot be reached" in office.log
        assert "Traceback" not in office.log
