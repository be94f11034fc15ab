"""Station 9: how an incident stands: whether it goes on, who has it, and what it has to do with others. Pure.

In come an incident and those beside it; out go the lines that say so in its message, and the messages that they link to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alertbot.incidents import Incident
from alertbot.outbox import link_to
from alertbot.slack import text, words

_WHY_ANEW = {"rise": "Its level has risen", "return": "It was over and goes on"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an incident stands beside others. `earlier` and `later` are the outbox entries of its messages before and after this
    one, `follower` that of the incident that opened after it; `holder` is told of in its place (it was taken over by it,
    or merged into it), `held` in its own; `beside` is worse, and of the same account or address.
    """

    earlier: str | None = None
    later: str | None = None
    follower: str | None = None
    holder: Incident | None = None
    held: tuple[Incident, ...] = ()
    beside: Incident | None = None

    def closed(self, incident: Incident) -> str:
        """What closed its message while people may still look at it, in a word; empty while it tells of something."""
        if incident.withdrawn:
            return "WITHDRAWN"
        if incident.merged_into is not None:
            return "MERGED"
        if incident.held_by is not None:
            return "TAKEN OVER"
        return "SEE BELOW" if self.later is not None else ""

    @property
    def links(self) -> tuple[str, ...]:
        """The messages that the lines link to."""
        others = (one.message for one in (self.holder, self.beside) if one is not None)
        return tuple(link for link in (self.earlier, self.later, self.follower, *others) if link)

    def lines(self, incident: Incident, zone: ZoneInfo) -> Iterator[str]:
        """How it stands, once there is more to say than that it is new; mrkdwn."""
        if now := self._now(incident, zone):
            yield now
        closed = self.closed(incident)
        if self.earlier is not None and not closed:
            why = _WHY_ANEW.get(incident.again or "", "It was told before")
            yield f"{why}: {link_to(self.earlier, 'the message before')}."
        if self.follower is not None:
            yield f"It came back: {link_to(self.follower, 'the newer message')}."
        if self.beside is not None and not closed:
            yield _worse(incident, self.beside)
        if self.held and not closed:
            told = words.listing([f"{text.inline(one.title, 80)} ({one.count:,})" for one in self.held], 3)
            yield f"Told together with this: {told}."

    def _now(self, incident: Incident, zone: ZoneInfo) -> str:
        if incident.withdrawn:
            return "*Withdrawn*: what the portal showed late has changed what happened. Nothing is left to do here."
        if incident.merged_into is not None:
            into = _named(self.holder, "the earlier alert") if self.holder else "the earlier alert"
            return f"*Merged* into {into}: what came late shows that both are one."
        if incident.held_by is not None:
            return f"*Taken over* by {_named(self.holder) if self.holder else 'another alert'}. Look there."
        if self.later is not None:
            return f"*This alert goes on* in a {link_to(self.later, 'newer message')}."
        if incident.phase == "over":
            return f"*Over*, quiet since {words.moment(incident.last_us, zone)}; {work(incident)}."
        if incident.revision > 1 or incident.work != "new":
            return f"*Going on*, last seen {words.moment(incident.last_us, zone)}; {work(incident)}."
        return ""


def work(incident: Incident) -> str:
    """`nobody has looked yet`, `acknowledged by anna`."""
    if incident.work == "new":
        return "nobody has looked yet"
    who = f" by {text.inline(incident.by, 80)}" if incident.by else ""
    return f"{incident.work}{who}" + (f" ({text.inline(incident.word, 150)})" if incident.word else "")


def _worse(incident: Incident, worse: Incident) -> str:
    """This may be part of something worse."""
    mine, its = incident.about, worse.about
    same = "account" if mine and its and mine.account is not None and mine.account == its.account else "address"
    return f"⚠ *Same {same}* as {_named(worse)}, {worse.level.upper()}: see whether it is part of that."


def _named(one: Incident, words_for_it: str | None = None) -> str:
    """Another incident by its title, as a link to its message where it has one."""
    shown = words_for_it or text.inline(one.title, 150)
    return link_to(one.message, shown) if one.message else shown
