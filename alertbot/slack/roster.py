"""Station 9: who is who in the Slack workspace: names become ids at the start, groups become their members.

In come names and ids as a configuration has them (`@oncall`, `U024BE7LH`, `S0614TZR7`); out go ids. A name that the workspace
does not know is a mistake of the configuration. Members of groups are asked for again after a while, and when that fails, those
that were known count.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from alertbot.errors import SlackError
from alertbot.slack.client import SlackClient

MEMBERS_FOR = timedelta(minutes=5)
_USER = re.compile(r"[UW][A-Z0-9]{5,20}\Z")
_GROUP = re.compile(r"S[A-Z0-9]{5,20}\Z")

log = structlog.get_logger("alertbot.roster")


@dataclass(frozen=True, slots=True)
class Mention:
    """A user or a user group by its id."""

    id: str

    @property
    def is_group(self) -> bool:
        """Whether it is a user group."""
        return self.id.startswith("S")

    @property
    def tag(self) -> str:
        """What calls them, in mrkdwn."""
        return f"<!subteam^{self.id}>" if self.is_group else f"<@{self.id}>"


def known_id(name: str) -> Mention | None:
    """The mention that an id is; None where it is a name."""
    bare = name.removeprefix("@")
    return Mention(bare) if _USER.match(bare) or _GROUP.match(bare) else None


class UnknownNames(Exception):
    """The workspace has neither a person nor a group of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(", ".join(self.names))


async def resolve(client: SlackClient, names: Iterable[str]) -> dict[str, Mention]:
    """The ids of names, and ids that are there. Raises UnknownNames, and SlackError where Slack cannot be asked.

    The list of all people, which may be long, is only asked for where a name is no group's.
    """
    wanted = set(names)
    found: dict[str, Mention] = {}
    if any(_needs_groups(name) for name in wanted):
        found |= _of_groups(await client.listed("usergroups.list", "usergroups"), wanted)
    for name in sorted(wanted - found.keys()):
        if (mention := known_id(name)) is not None and not mention.is_group and await _is_there(client, mention):
            found[name] = mention
    if left := {name for name in wanted - found.keys() if known_id(name) is None}:
        found |= _of_people(await client.listed("users.list", "members", limit=200), left)
    if unknown := sorted(wanted - found.keys()):
        raise UnknownNames(unknown)
    return found


def _needs_groups(name: str) -> bool:
    mention = known_id(name)
    return mention is None or mention.is_group


async def _is_there(client: SlackClient, mention: Mention) -> bool:
    """Whether the workspace has this user, and they were not deactivated."""
    try:
        user = (await client.call("users.info", user=mention.id)).get("user")
    except SlackError as error:
        if error.code in ("user_not_found", "user_not_visible"):
            return False
        raise
    return isinstance(user, Mapping) and not user.get("deleted")


def _of_groups(groups: Iterable[Mapping[str, Any]], wanted: set[str]) -> dict[str, Mention]:
    found = {}
    for group in groups:
        names = {str(group.get(key) or "").casefold() for key in ("id", "handle", "name")} - {""}
        found.update({one: Mention(str(group["id"])) for one in wanted if _bare(one) in names and "id" in group})
    return found


def _of_people(people: Iterable[Mapping[str, Any]], wanted: set[str]) -> dict[str, Mention]:
    found = {}
    for person in people:
        profile = person.get("profile")
        shown = profile.get("display_name") if isinstance(profile, Mapping) else None
        names = {str(name or "").casefold() for name in (person.get("id"), person.get("name"), shown)} - {""}
        if not person.get("deleted") and "id" in person:
            found.update({one: Mention(str(person["id"])) for one in wanted if _bare(one) in names})
    return found


def _bare(name: str) -> str:
    return name.removeprefix("@").casefold()


class Roster:
    """People and groups who may do something. `allowed` gives those who are known by now; None: everybody may."""

    def __init__(
        self,
        client: SlackClient,
        allowed: Callable[[], Iterable[Mention]] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._allowed = allowed
        self._clock = clock
        self._members: dict[str, frozenset[str]] = {}
        self._read_at: dict[str, float] = {}

    @property
    def is_open(self) -> bool:
        """Whether everybody may."""
        return self._allowed is None

    async def holds(self, user: str) -> bool:
        """Whether this user may. Raises SlackError only where it cannot be known: a group was never read."""
        if self._allowed is None:
            return True
        allowed = frozenset(self._allowed())
        if Mention(user) in allowed:
            return True
        for group in sorted(one.id for one in allowed if one.is_group):
            if user in await self._members_of(group):
                return True
        return False

    async def _members_of(self, group: str) -> frozenset[str]:
        age = self._clock() - self._read_at.get(group, float("-inf"))
        if age > MEMBERS_FOR.total_seconds():
            try:
                answer = await self._client.call("usergroups.users.list", usergroup=group)
            except SlackError as error:
                if group not in self._members:
                    raise
                log.warning("roster.unread", group=group, said=str(error))
            else:
                users = answer.get("users")
                self._members[group] = frozenset(map(str, users)) if isinstance(users, list) else frozenset()
            self._read_at[group] = self._clock()
        return self._members[group]
