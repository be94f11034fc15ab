"""Station 9: an incident as a Slack message. Pure.

In come an incident, its rule and the logins that are its evidence; out goes a `Message` whose first line says it all, for a
notification and a screen reader, and whose blocks say who, what, from where, when, and what to do. It names no account but
the incident's own, and every payload is within Slack's limits, whatever the events hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alertbot.event import Event
from alertbot.incidents import Incident
from alertbot.outbox import Message
from alertbot.rules.model import Level, Rule
from alertbot.slack import blocks, respond, text, words
from alertbot.slack.blocks import Block

ROWS = 6
"""So many logins of the evidence are shown: what a phone holds without scrolling."""

_SAID = frozenset(("account", "email", "name", "login", "user", "userId", "portal", "ip", "country", "countryCode", "city"))
"""Key fields that the message shows anyway."""

_PAGES = {"login": "login-history", "audit": "audit-trail"}


@dataclass(frozen=True, slots=True)
class Story:
    """What a message tells, gathered once. `firing` is the event that made the rule fire; `others` counts further accounts."""

    incident: Incident
    rule: Rule
    evidence: tuple[Event, ...]
    firing: Event | None
    others: int
    zone: ZoneInfo

    def key(self, field: str) -> str | None:
        """The value of a field of the incident's key."""
        return dict(zip(self.incident.fields, self.incident.key, strict=False)).get(field)

    @property
    def level(self) -> str:
        return self.incident.level.upper()

    @property
    def where(self) -> str:
        """Address and place, as the portal gave them."""
        if self.firing is None:
            return self.key("ip") or "address unknown"
        addresses = words.distinct(event.ip for event in self.evidence)
        last = " ".join(part for part in (words.place(self.firing), words.address(self.firing)) if part)
        return f"{len(addresses):,} addresses, last {last}" if len(addresses) > 1 else last

    @property
    def what(self) -> str:
        """`5 failures in 4 min`."""
        incident = self.incident
        return words.what(incident.count, self.evidence, incident.first_us, incident.last_us)


def opening(
    incident: Incident,
    rule: Rule,
    evidence: Sequence[Event],
    *,
    zone: ZoneInfo,
    portal_url: str | None = None,
) -> Message:
    """The message that tells of an incident. `evidence` is oldest first; its last event made the rule fire."""
    story = _story(incident, rule, evidence, zone)
    parts = [
        blocks.header(f"{words.SIGNS[incident.level]} {story.level} · {incident.title}"),
        blocks.fields(_facts(story)),
        *_warning(story),
        *_to_do(story),
        *_evidence(story),
        _small_print(story, portal_url),
    ]
    return Message(text=_first_line(story), blocks=tuple(parts), colour=words.COLOURS[incident.level])


def notice(sentence: str, to_do: str = "", *, level: Level = "medium") -> Message:
    """Something about the bot itself that people should know: a plain sentence, and what to do."""
    parts = [blocks.plain_section(f"{words.SIGNS[level]} {sentence.strip()}")]
    if to_do.strip():
        parts.append(blocks.plain_section(to_do))
    line = " ".join(text.inline(part, 1_400) for part in (sentence.strip(), to_do.strip()) if part)
    return Message(text=line, blocks=tuple(parts))


def _story(incident: Incident, rule: Rule, evidence: Sequence[Event], zone: ZoneInfo) -> Story:
    accounts = {event.account for event in evidence if event.account}
    firing = evidence[-1] if evidence else None
    others = len(accounts - {firing.account}) if firing else 0
    return Story(incident=incident, rule=rule, evidence=tuple(evidence), firing=firing, others=others, zone=zone)


def _first_line(story: Story) -> str:
    incident = story.incident
    times = words.between(incident.first_us, incident.last_us, story.zone)
    parts = (
        story.level,
        text.inline(incident.title, 150),
        _person(story),
        text.inline(story.what, 80),
        text.inline(story.where, 120),
        times,
        text.inline(incident.portal, 60),
    )
    return " · ".join(parts)


def _person(story: Story) -> str:
    """The person in a few words: e-mail, else the name, else what was typed."""
    event = story.firing
    typed = (event.email or event.name or _typed(event)) if event else story.key("account")
    person = text.inline(typed, 120) if typed else "no account"
    return f"{person} and {words.number(story.others, 'other account')}" if story.others else person


def _facts(story: Story) -> Iterable[tuple[str, str]]:
    incident, firing = story.incident, story.firing
    yield "Who", _who(story)
    yield "What", _lines(text.inline(story.what, 120), *_how(story))
    yield "From", text.inline(story.where, 200)
    if firing and (device := words.device(firing)):
        devices = words.distinct(words.device(event) for event in story.evidence)
        yield "Device", (f"{len(devices):,} different, last " if len(devices) > 1 else "") + text.inline(device, 150)
    further = [(name, value) for name, value in zip(incident.fields, incident.key, strict=False) if name not in _SAID]
    if further:
        yield "Same", _lines(*(f"{text.inline(name, 40)} {text.inline(value, 120)}" for name, value in further[:4]))
    own_time = f"{words.between(incident.first_us, incident.last_us, story.zone)} for {text.inline(incident.portal, 60)}"
    yield "When", _lines(words.reader_time(incident.first_us, incident.last_us, story.zone), own_time)


def _who(story: Story) -> str:
    event = story.firing
    if event is None:
        return text.inline(story.key("account") or "no account", 200)
    others = f"and {words.number(story.others, 'other account')}" if story.others else ""
    if event.known:
        return _lines(
            f"*{text.inline(event.name, 150)}*" if event.name else "",
            text.inline(event.email or event.account or "", 254),
            text.inline(words.role(event), 120),
            others,
        )
    typed = _typed(event)
    if not typed:
        return _lines("no account", others)
    return _lines(text.code(typed, 200), "typed; no account of this portal", others)


def _typed(event: Event) -> str | None:
    """What stands for a person whom the directory does not know."""
    return event.login or event.user or event.account


def _how(story: Story) -> Iterable[str]:
    results = words.distinct(words.result(event) for event in story.evidence)
    if len(results) == 1 and story.evidence[0].outcome == "failure":
        yield text.inline(results[0], 100)


def _warning(story: Story) -> Iterable[Block]:
    """A remark for each shown value that is not what it seems."""
    event = story.firing
    if event is None:
        return
    values = (
        ("name", event.name),
        ("e-mail", event.email),
        ("typed login", None if event.known else _typed(event)),
        ("address", event.ip),
        ("place", words.place(event)),
        ("device", words.device(event)),
    )
    found = [f"the {label} {remark}" for label, value in values if value for remark in text.remarks(value)]
    if found:
        yield blocks.context(f"⚠ Careful: {'; '.join(found)}.")


def _evidence(story: Story) -> Iterable[Block]:
    shown = story.evidence[-ROWS:]
    if len(story.evidence) < 2:
        return
    columns = [[_time(event, story) for event in shown], _results(shown)]
    places = [[words.address(event) for event in shown], [words.place(event) for event in shown]]
    columns.extend(column for column in places if len(set(column)) > 1)
    if story.others and story.firing is not None:
        own = story.firing.account
        columns.append(["this account" if event.account == own else "another account" for event in shown])
    rest = max(story.incident.count, len(story.evidence)) - len(shown)
    rows = list(zip(*columns, strict=True))
    zone = words.zone_name(words.local(shown[-1].at_us, story.zone))
    yield blocks.section(blocks.table(rows, (f"and {rest:,} more; " if rest else "") + f"times in {zone}"))


def _results(events: Sequence[Event]) -> list[str]:
    """What became of each; the reason of failures only where they differ."""
    results = [words.result(event) for event in events]
    failures = {words.result(event) for event in events if event.outcome == "failure"}
    return ["failed" if len(failures) == 1 and result in failures else result for result in results]


def _time(event: Event, story: Story) -> str:
    when = words.local(event.at_us, story.zone)
    one_day = {words.local(each.at_us, story.zone).date() for each in story.evidence[-ROWS:]}
    return f"{when:%H:%M:%S}" if len(one_day) == 1 else f"{words.day(when)} {when:%H:%M:%S}"


def _to_do(story: Story) -> Iterable[Block]:
    if not story.rule.respond.strip():
        return
    incident = story.incident
    more = {
        "date": words.moment(incident.at_us, story.zone),
        "first": words.moment(incident.first_us, story.zone),
        "last": words.moment(incident.last_us, story.zone),
        "count": f"{incident.count:,}",
        "level": incident.level,
        "title": incident.title,
    }
    yield blocks.section(f"*What to do*\n{respond.fill(story.rule.respond, story.firing, more)}")


def _small_print(story: Story, portal_url: str | None) -> Block:
    incident = story.incident
    parts = []
    if portal_url:
        feed = story.firing.feed if story.firing else "login"
        page = f"{portal_url.rstrip('/')}/portal-settings/security/{_PAGES[feed]}"
        parts.append(blocks.link(page, "Audit trail" if feed == "audit" else "Login history"))
    parts += [f"portal {text.inline(incident.portal, 60)}", f"rule {text.inline(story.rule.name, 100)}"]
    return blocks.context(" · ".join([*parts, f"incident {text.inline(incident.id, 40)}"]))


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
