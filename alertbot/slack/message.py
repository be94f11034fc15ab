"""Station 9: an incident as a Slack message. Pure.

In come an incident, its rule, the logins that are its evidence and how it stands; out goes a `Message` whose first line says it
all, for a notification and a screen reader, and whose blocks say who, what, from where, when, and what to do. It names no
account but the incident's own, and every payload is within Slack's limits, whatever the events hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alertbot.event import Event
from alertbot.incidents import Incident
from alertbot.outbox import Message
from alertbot.places import place_of
from alertbot.rules.model import Level, Rule, Travel
from alertbot.slack import blocks, respond, text, words
from alertbot.slack.blocks import Block
from alertbot.slack.state import Standing, work

ROWS = 6
"""So many logins of the evidence are shown: what a phone holds without scrolling."""

_SAID = frozenset(("account", "email", "name", "login", "user", "userId", "portal", "ip", "country", "countryCode", "city"))
"""Key fields that the message shows anyway."""

_WHO = ("account", "email", "name", "login", "user", "userId")
"""What `respond` may call a person by."""

_PAGES = {"login": "login-history", "audit": "audit-trail"}
_TECHNIQUE = re.compile(r"(?i)attack\.(t[0-9]{4})(?:\.([0-9]{3}))?\Z")
_SENTENCE = re.compile(r"(?s)\A.{10,}?[.!?](?=\s|\Z)")
_GREY = words.COLOURS["informational"]
_FAMILIAR = {True: "known to this account", False: "*new for this account*", None: ""}
_AGAIN = {"rise": "raised", "return": "again"}


@dataclass(frozen=True, slots=True)
class Story:
    """What a message tells, gathered once. `firing` is the event that made the rule fire; `others` counts further accounts."""

    incident: Incident
    rule: Rule
    evidence: tuple[Event, ...]
    firing: Event | None
    others: int
    zone: ZoneInfo
    standing: Standing

    def key(self, field: str) -> str | None:
        """The value of a field of the incident's key."""
        return dict(zip(self.incident.fields, self.incident.key, strict=False)).get(field)

    @property
    def level(self) -> str:
        return self.incident.level.upper()

    @property
    def crowd(self) -> str:
        """`12 accounts` where it is about many and none of them in particular; which ones stands in the thread."""
        if not is_crowd(self.incident, self.evidence):
            return ""
        more = " or more" if self.incident.count > len(self.evidence) else ""
        accounts = words.distinct(event.account for event in self.evidence)
        return f"{words.number(len(accounts), 'account')}{more}"

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
        return words.what(incident.count or len(self.evidence), self.evidence, incident.first_us, incident.last_us)


def opening(
    incident: Incident,
    rule: Rule,
    evidence: Sequence[Event],
    *,
    zone: ZoneInfo,
    portal_url: str | None = None,
    standing: Standing | None = None,
    below: Sequence[Block] = (),
) -> Message:
    """The message of an incident as it stands. `evidence` is oldest first; its last event made the rule fire. `below` says what
    became of it, and holds its buttons.
    """
    story = _story(incident, rule, evidence, zone, standing or Standing())
    closed = story.standing.closed(incident)
    parts = [
        blocks.header(f"⚪ {closed} · {incident.title}" if closed else f"{_sign(story)} {_level(story)} · {incident.title}"),
        *_state(story),
        *_sentence(rule),
        blocks.fields(_facts(story)),
        *_warning(story),
        *(() if closed else _to_do(story)),
        *_evidence(story),
        _small_print(story, portal_url),
        *below,
    ]
    colour = _GREY if closed or incident.work == "resolved" else words.COLOURS[incident.level]
    return Message(text=_first_line(story, closed), blocks=tuple(parts), colour=colour, links=story.standing.links)


def is_crowd(incident: Incident, evidence: Sequence[Event]) -> bool:
    """Whether an incident is about several accounts and none of them in particular: its message in the channel names none."""
    return not incident.is_personal and len(words.distinct(event.account for event in evidence)) > 1


def closing(incident: Incident, zone: ZoneInfo) -> Message:
    """The note in its thread that an incident is over."""
    counted = words.number(incident.count, "event")
    times = words.between(incident.first_us, incident.last_us, zone)
    looked = "Nobody has looked at it yet." if incident.work == "new" else f"It is {work(incident)}."
    line = f"Over: quiet since {words.moment(incident.last_us, zone)} · {counted} in all, {times}. {looked}"
    return Message(text=line, blocks=(blocks.section(line),))


def notice(sentence: str, to_do: str = "", *, level: Level = "medium") -> Message:
    """Something about the bot itself that people should know: a plain sentence, and what to do."""
    parts = [blocks.plain_section(f"{words.SIGNS[level]} {sentence.strip()}")]
    if to_do.strip():
        parts.append(blocks.plain_section(to_do))
    line = " ".join(text.inline(part, 1_400) for part in (sentence.strip(), to_do.strip()) if part)
    return Message(text=line, blocks=tuple(parts))


def _story(incident: Incident, rule: Rule, evidence: Sequence[Event], zone: ZoneInfo, standing: Standing) -> Story:
    accounts = {event.account for event in evidence if event.account}
    firing = evidence[-1] if evidence else None
    others = len(accounts - {firing.account}) if firing else 0
    return Story(
        incident=incident, rule=rule, evidence=tuple(evidence), firing=firing, others=others, zone=zone, standing=standing
    )


def _sign(story: Story) -> str:
    return "✅" if story.incident.work == "resolved" else words.SIGNS[story.incident.level]


def _level(story: Story) -> str:
    again = _AGAIN.get(story.incident.again or "")
    return f"{story.level}, {again}" if again else story.level


def _state(story: Story) -> Iterable[Block]:
    if lines := "\n".join(story.standing.lines(story.incident, story.zone)):
        yield blocks.section(lines)


def _sentence(rule: Rule) -> Iterable[Block]:
    """The rule's first sentence: what this is, for who meets it for the first time."""
    words_of_it = " ".join(rule.description.split())
    if words_of_it:
        match = _SENTENCE.match(words_of_it)
        yield blocks.section(text.inline(match[0] if match else words_of_it, 400))


def _first_line(story: Story, closed: str) -> str:
    incident = story.incident
    times = words.between(incident.first_us, incident.last_us, story.zone)
    over = ", over" if incident.phase == "over" else ""
    parts = (
        closed or _level(story) + over,
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
    if story.crowd:
        return story.crowd
    event = story.firing
    typed = (event.email or event.name or _typed(event)) if event else story.key("account")
    person = text.inline(typed, 120) if typed else "no account"
    return f"{person} and {words.number(story.others, 'other account')}" if story.others else person


def _facts(story: Story) -> Iterable[tuple[str, str]]:
    incident, firing = story.incident, story.firing
    yield "Who", _who(story)
    yield "What", _lines(text.inline(story.what, 120), *_how(story))
    known = "" if story.crowd else _FAMILIAR[story.incident.familiar]
    yield "From", _lines(text.inline(story.where, 200), known)
    if way := _way(story):
        yield "Way", text.inline(way, 300)
    if firing and (device := words.device(firing)):
        devices = words.distinct(words.device(event) for event in story.evidence)
        yield "Device", (f"{len(devices):,} different, last " if len(devices) > 1 else "") + text.inline(device, 150)
    further = [(name, value) for name, value in zip(incident.fields, incident.key, strict=False) if name not in _SAID]
    if further:
        yield "Same", _lines(*(f"{text.inline(name, 40)} {text.inline(value, 120)}" for name, value in further[:4]))
    own_time = f"{words.between(incident.first_us, incident.last_us, story.zone)} at {text.inline(incident.portal, 60)}"
    yield "When", _lines(words.reader_time(incident.first_us, incident.last_us, story.zone), own_time)


def _who(story: Story) -> str:
    if story.crowd:
        known = len({event.account for event in story.evidence if event.account and event.known})
        all_of_them = story.incident.count <= len(story.evidence)
        none = "none in the directory" if all_of_them else ""
        return _lines(f"*{story.crowd}*", f"{known:,} in the directory" if known else none)
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


def _way(story: Story) -> str:
    """Of a journey that nobody can make: from where to where, how far, and how fast that would have been."""
    end = story.firing
    if end is None or not isinstance(story.rule.pattern, Travel):
        return ""
    before = [each for each in story.evidence[:-1] if each.account == end.account and place_of(each) is not None]
    return words.way(before[-1], end) if before and place_of(end) is not None else ""


def _how(story: Story) -> Iterable[str]:
    """Why it failed, where that is one reason; what was done, by the server's names."""
    reasons = words.distinct(words.result(event) for event in story.evidence if event.outcome == "failure")
    if len(reasons) == 1:
        yield text.inline(reasons[0], 100)
    done = words.distinct(words.result(event) for event in story.evidence if event.feed == "audit")
    if done:
        yield text.inline(words.listing(done, 3), 200)


def _warning(story: Story) -> Iterable[Block]:
    """A remark for each shown value that is not what it seems."""
    event = story.firing
    if event is None:
        return
    shown = not story.crowd
    values = (
        ("name", event.name if shown else None),
        ("e-mail", event.email if shown else None),
        ("typed login", None if event.known or not shown else _typed(event)),
        ("address", event.ip),
        ("place", words.place(event)),
        ("device", words.device(event)),
    )
    found = [f"the {label} {remark}" for label, value in values if value for remark in text.remarks(value)]
    if any(one.hour_doubtful for one in story.evidence):
        found.append("the time may be an hour off, as the portal's clock went back or runs ahead")
    if found:
        yield blocks.context(f"⚠ Careful: {'; '.join(found)}.")


def _evidence(story: Story) -> Iterable[Block]:
    shown = story.evidence[-ROWS:]
    if len(story.evidence) < 2:
        return
    columns = [[_time(event, story) for event in shown], _results(shown)]
    places = [[words.address(event) for event in shown], [words.place(event) for event in shown]]
    columns.extend(column for column in places if len(set(column)) > 1)
    if story.crowd:
        columns.append(["in the directory" if event.known else "unknown" for event in shown])
    elif story.others and story.firing is not None:
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
        **(dict.fromkeys(_WHO, story.crowd) if story.crowd else {}),
    }
    yield blocks.section(f"*What to do*\n{respond.fill(story.rule.respond, story.firing, more)}")


def _small_print(story: Story, portal_url: str | None) -> Block:
    incident = story.incident
    parts = []
    if portal_url:
        feed = story.firing.feed if story.firing else "login"
        address = f"{portal_url.rstrip('/')}/portal-settings/security/{_PAGES[feed]}"
        parts.append(blocks.link(address, "Audit trail" if feed == "audit" else "Login history"))
    named = f"rule {text.inline(story.rule.name, 100)}"
    page = next((each for each in story.rule.references if each.startswith(("https://", "http://")) and len(each) < 500), None)
    parts += [f"portal {text.inline(incident.portal, 60)}", blocks.link(page, named) if page else named]
    technique = next((match for tag in story.rule.tags if (match := _TECHNIQUE.match(tag))), None)
    if technique:
        number = ".".join(part.upper() for part in technique.groups() if part)
        parts.append(blocks.link(f"https://attack.mitre.org/techniques/{number.replace('.', '/')}/", f"ATT&CK {number}"))
    return blocks.context(" · ".join([*parts, f"incident {text.inline(incident.id, 40)}"]))


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
