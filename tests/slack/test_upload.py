"""A list goes into a thread as a file, once, whatever Slack answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alertbot.outbox import UPDATE, File, Message, OutboxEntry, link_to
from alertbot.sandbox.slack import SandboxSlack
from tests.slack.posting import calls, entry, office, standing

SHORT = timedelta(seconds=0.25)
LISTED = Message(text="The list", file=File("guessing.csv", "account\nänna\n"))
LIST = "ab12"


def with_list() -> list[OutboxEntry]:
    return [entry("first"), entry(LIST, message=LISTED, thread_of="first")]


def lists(slack: SandboxSlack) -> list[tuple[str, str | None, bytes | None]]:
    """Name, thread and content of every file that was shared."""
    space = slack.space
    return [(space.files[f].name, m.thread_ts, space.files[f].content) for m in slack.messages for f in m.files]


async def test_a_list_is_a_file_in_the_thread(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put(*with_list())
        await desk.until_sent()
        first = desk.slack.messages[0]
        assert lists(desk.slack) == [("ab12-guessing.csv", first.ts, "account\nänna\n".encode())]
        assert desk.slack.messages[1].text == "The list"


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "status", "status": 500},
        {"answer": "reset"},
        {"answer": "reset", "recorded": "yes"},
        {"answer": "silence", "recorded": "yes"},
        {"answer": "status", "status": 429, "retry_after": 1},
    ],
    ids=str,
)
async def test_whatever_slack_answers_the_list_stands_once(tmp_path: Path, method: str, fault: dict[str, object]) -> None:
    async with office(tmp_path, patience=SHORT) as desk:
        desk.slack.fault(**fault, method=method)
        await desk.put(*with_list())
        await desk.until_sent()
        assert len(lists(desk.slack)) == 1


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_page_instead_of_an_answer_is_no_answer(tmp_path: Path, method: str) -> None:
    async with office(tmp_path) as desk:
        desk.slack.fault(answer="html", recorded="yes", method=method)
        await desk.put(*with_list())
        await desk.until_sent()
        assert len(lists(desk.slack)) == 1


async def test_without_the_scope_for_files_the_words_stand_alone(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        desk.slack.space.scopes = desk.slack.space.scopes.replace(",files:write", "")
        await desk.put(*with_list(), entry("next"))
        await desk.until_sent()
        assert lists(desk.slack) == []
        assert LIST in standing(desk.slack)
        assert "next" in standing(desk.slack)


async def test_a_link_to_another_message_is_its_address_once_it_stands(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put(entry("ab"))
        await desk.until_sent()
        words = Message(
            text="see",
            blocks=(
                {"type": "section", "text": {"type": "mrkdwn", "text": f"{link_to('ab', 'there')} {link_to('cd', 'gone')}"}},
            ),
            links=("ab", "cd"),
        )
        await desk.put(entry("ef", message=words))
        await desk.until_sent()
        first, second = desk.slack.messages
        ts = first.ts.replace(".", "")
        assert second.blocks[0]["text"]["text"] == (
            f"<https://sandbox.slack.example/archives/{first.channel}/p{ts}|there> gone"
        )


async def test_updates_that_wait_are_one(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        await desk.put(entry("first"))
        await desk.until_sent()
        before = calls(desk.slack, "chat.update")
        await desk.put(*(entry(f"u{n}", kind=UPDATE, update_of="first") for n in range(20)))
        await desk.until_sent()
        assert desk.slack.messages[0].text == "alert u19"
        assert calls(desk.slack, "chat.update") == before + 1
