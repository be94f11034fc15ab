"""A portal's login history for people to look at: read completely, who and where filled in, then chosen from.

In come a client and what is wanted; out goes a `Listing`, newest first. The portal's own filters are left alone but `from`, for
it filters after it has cut its pages; choosing happens here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alertbot.errors import PortalRefused
from alertbot.event import Event
from alertbot.identity import Directory, enrich
from alertbot.portal.client import PortalClient
from alertbot.portal.people import read_people
from alertbot.portal.walk import PAGE, Seen, Walk
from alertbot.rows import Complaint


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to choose: a person as somebody wrote them, numbers of actions, moments in microseconds (inclusive); None is all."""

    last_only: bool = False
    user: str | None = None
    actions: frozenset[int] | None = None
    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found, newest first; what could not be understood; what people should know about it."""

    events: tuple[Event, ...]
    complaints: tuple[Complaint, ...]
    remarks: tuple[str, ...]


Progress = Callable[[int, int], None]
"""Told after each page: how many events were read, and the date that was reached (microseconds)."""


async def list_events(client: PortalClient, wanted: Wanted, progress: Progress = lambda *_: None) -> Listing:
    """Read a portal's login history and choose from it."""
    remarks: list[str] = []
    directory = await _directory(client, remarks, needed=wanted.user is not None)
    if wanted.last_only:
        page = (await client.last()).content
        events, complaints = list(page.events), list(page.complaints)
    else:
        events, complaints = await _read_all(client, wanted.from_us, progress, remarks)
    accounts = None if wanted.user is None else accounts_of(wanted.user, directory)
    enriched = (enrich(event, directory) for event in events)
    chosen = [event for event in enriched if _is_wanted(event, wanted, accounts)]
    chosen.sort(key=lambda event: (event.at_us, event.id), reverse=True)
    return Listing(tuple(chosen), tuple(complaints), tuple(remarks))


def accounts_of(user: str, directory: Directory) -> frozenset[str]:
    """The accounts that somebody means by an e-mail, a display name, a user id or a typed login; letter case does not count."""
    key = " ".join(user.split()).casefold()
    named = {person.id.casefold() for person in directory.people() if person.name and _folded(person.name) == key}
    person = directory.person(user.strip()) or directory.by_email.get(key)
    return frozenset({person.id.casefold()} if person else named | {key})


async def _directory(client: PortalClient, remarks: list[str], *, needed: bool) -> Directory:
    """Who there is; where the key may not see it and nobody was asked for, failures just stay as typed."""
    try:
        return Directory(await read_people(client))
    except PortalRefused as exc:
        if needed:
            raise
        remarks.append(f"The directory cannot be read, so names and e-mails are missing. {exc}")
        return Directory()


async def _read_all(
    client: PortalClient, from_us: int | None, progress: Progress, remarks: list[str]
) -> tuple[list[Event], list[Complaint]]:
    """Every event that the portal shows since `from_us`, each once."""
    since_us = None if from_us is None else max(from_us, 0)
    walk, seen = Walk(), Seen()
    events: dict[int, Event] = {}
    complaints: dict[Complaint, None] = {}
    while not walk.finished:
        index = walk.next_index
        page = (await client.page("login", index, PAGE, since_us)).content
        if index == 0 and await client.shows_newest_only("login", page, since_us):
            remarks.append(
                "The portal's plan has no audit service: these are its newest 20 events, whatever was asked for. A paid plan "
                "shows all."
            )
            walk.finished = True
        for event in page.events:
            events.setdefault(event.id, event)
            seen.add(event.id, event.at_us)
        complaints |= dict.fromkeys(page.complaints)
        if not walk.finished:
            walk.take([(event.id, event.at_us) for event in page.events], page.rows, seen.in_second)
        if page.events:
            progress(len(events), page.events[-1].at_us)
    if walk.unsettled:
        remarks.append("Some seconds hold so many events that a few of them may be missing.")
    return list(events.values()), list(complaints)


def _is_wanted(event: Event, wanted: Wanted, accounts: frozenset[str] | None) -> bool:
    return (
        (wanted.actions is None or event.action_id in wanted.actions)
        and (wanted.from_us is None or event.at_us >= wanted.from_us)
        and (wanted.to_us is None or event.at_us <= wanted.to_us)
        and (accounts is None or _folded(event.account or "") in accounts)
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
