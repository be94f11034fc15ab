"""Names become ids once, what Slack does not know is a mistake, and groups are read again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from alertbot.errors import SlackError
from alertbot.sandbox.server import Server
from alertbot.sandbox.slack import SandboxSlack
from alertbot.slack.client import SlackClient
from alertbot.slack.roster import MEMBERS_FOR, Mention, Roster, UnknownNames, known_id, resolve

ANNA, BEN, CARLA, ONCALL = "U024BE7LH", "U024BE7LJ", "U024BE7LK", "S0614TZR7"


@pytest.fixture
async def slack() -> AsyncIterator[SandboxSlack]:
    sandbox = SandboxSlack()
    async with Server(sandbox):
        yield sandbox


@pytest.fixture
async def client(slack: SandboxSlack) -> AsyncIterator[SlackClient]:
    async with SlackClient(slack.token, api_url=slack.api_url) as made:
        yield made


def called(slack: SandboxSlack) -> list[str]:
    return [call.method for call in slack.calls]


async def test_names_and_ids_of_people_and_groups_are_found(client: SlackClient) -> None:
    found = await resolve(client, ["@oncall", "Anna", "@ben", CARLA, ONCALL])
    assert {name: mention.id for name, mention in found.items()} == {
        "@oncall": ONCALL,
        "Anna": ANNA,
        "@ben": BEN,
        CARLA: CARLA,
        ONCALL: ONCALL,
    }
    assert (found["@oncall"].tag, found["@ben"].tag) == ("<!subteam^S0614TZR7>", "<@U024BE7LJ>")


async def test_all_people_are_only_asked_for_where_a_name_is_no_group(slack: SandboxSlack, client: SlackClient) -> None:
    await resolve(client, ["@oncall", CARLA])
    assert called(slack) == ["usergroups.list", "users.info"]
    await resolve(client, [CARLA])
    assert called(slack)[2:] == ["users.info"]
    assert await resolve(client, []) == {}


async def test_all_that_slack_does_not_know_is_named_at_once(slack: SandboxSlack, client: SlackClient) -> None:
    slack.space.people.append({"id": "U0GONE0000", "name": "gone", "deleted": True})
    with pytest.raises(UnknownNames) as caught:
        await resolve(client, ["@nobody", "U0NOBODY00", "S0NOBODY00", "@gone", "U0GONE0000", "@ben"])
    assert caught.value.names == ("@gone", "@nobody", "S0NOBODY00", "U0GONE0000", "U0NOBODY00")


async def test_a_slack_that_cannot_be_asked_is_no_unknown_name(slack: SandboxSlack, client: SlackClient) -> None:
    slack.space.scopes = "chat:write"
    with pytest.raises(SlackError, match="usergroups:read"):
        await resolve(client, ["@oncall"])


def test_ids_are_told_from_names() -> None:
    assert known_id("@U024BE7LH") == Mention(ANNA)
    assert known_id(ONCALL) == Mention(ONCALL)
    for name in ("@oncall", "oncall", "Ursula", "SRE", "u024be7lh", "C024BE7LH"):
        assert known_id(name) is None, name


async def test_members_of_a_group_are_read_again_after_a_while_and_kept_while_slack_fails(
    slack: SandboxSlack, client: SlackClient
) -> None:
    now = 0.0
    roster = Roster(client, lambda: [Mention(ONCALL)], clock=lambda: now)
    assert [await roster.holds(user) for user in (ANNA, BEN, CARLA)] == [True, True, False]
    assert called(slack).count("usergroups.users.list") == 1
    slack.space.groups[0]["users"] = [CARLA]
    assert await roster.holds(ANNA)
    now += MEMBERS_FOR.total_seconds() + 1
    slack.fault(method="usergroups.users.list", answer="status", status=500)
    assert await roster.holds(ANNA), "what was known counts while Slack fails"
    now += MEMBERS_FOR.total_seconds() + 1
    assert [await roster.holds(user) for user in (ANNA, CARLA)] == [False, True]


async def test_a_group_that_was_never_read_is_no_answer(slack: SandboxSlack, client: SlackClient) -> None:
    slack.fault(method="usergroups.users.list", answer="status", status=500)
    roster = Roster(client, lambda: [Mention(ONCALL)])
    with pytest.raises(SlackError):
        await roster.holds(ANNA)
    assert await roster.holds(ANNA)


async def test_without_a_list_everybody_may_and_with_an_empty_one_nobody(client: SlackClient) -> None:
    assert Roster(client, None).is_open
    assert await Roster(client, None).holds(CARLA)
    assert not await Roster(client, list).holds(ANNA)
