"""The engine of one portal: a fold in two parts.

`settled` has folded all events up to a mark and only moves forward. `tail` holds the events after the mark, in order; `ahead`
is a fork of `settled` into which the tail is folded. A new event at the end is folded into `ahead`; a late one within the tail
is judged anew with the keys that it touches (`late`), and where that is not enough `ahead` is made anew. So what a late row
changes is exact, and costs at most a fold of the tail.

The mark trails the newest event by `SETTLE_AFTER` or `TAIL_EVENTS` events, whichever is shorter, but never by less than the
portal's lateness. An event before the mark cannot be put in order here: `propose` hands it back as `deep`, and the caller
builds a second engine from the stored events (`rebuild`).

Silences fire by a clock (`advance_to`): it advances `ahead` alone, and again whenever that is made anew; `settled` fires the
same silences when the events after them are folded.

Nothing counts before `accept`: a caller whose commit failed calls `drop`, and all is as before.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from operator import attrgetter
from types import MappingProxyType

from alertbot.engine.absence import Gaps
from alertbot.engine.adoption import Adoption
from alertbot.engine.fold import Fold
from alertbot.engine.late import judge_anew
from alertbot.engine.plan import Plan
from alertbot.engine.table import MOST_KEYS
from alertbot.event import FEEDS, Event, Feed
from alertbot.finding import Finding
from alertbot.moments import span_us
from alertbot.rules.model import Absence, Burst, Distinct, Rule, Spike, Temporal

SETTLE_AFTER = timedelta(hours=2)
TAIL_EVENTS = 20_000
_ORDER = attrgetter("order")
_FIRST = (-(1 << 63), "", 0)
_NEVER = 1 << 63


@dataclass(frozen=True, slots=True)
class Difference:
    """What a proposal would change: findings that are new or have grown, ids of those that are no more, and events that are
    too late to be put in order here."""

    changed: tuple[Finding, ...]
    gone: tuple[str, ...]
    deep: tuple[Event, ...]


class Engine:
    """Folds one portal's events through rules. `zone` is the portal's; rules may name their own. `gaps`: what was not read."""

    def __init__(
        self,
        rules: Sequence[Rule],
        portal: str,
        zone: tzinfo,
        lateness: timedelta = timedelta(minutes=5),
        *,
        tail_events: int = TAIL_EVENTS,
        most_keys: int = MOST_KEYS,
        gaps: Gaps = MappingProxyType({}),
    ) -> None:
        self.portal = portal
        self.rules = tuple(rules)
        self._plan = Plan(rules, zone, gaps)
        self._settle_us = span_us(SETTLE_AFTER)
        self._tail_events = tail_events
        self._lateness_us = span_us(lateness)
        self._settled_after_us = max(self._settle_us, self._lateness_us)
        self._settled = Fold.empty(self._plan, portal, most_keys)
        self._mark = _FIRST
        self._tail: list[Event] = []
        self._ahead: Fold | None = None
        self._ahead_events = 0
        self._confirmed: dict[str, Finding] = {}
        self._adopted = Adoption()
        self._now_us = self._accepted_now_us = dict.fromkeys(FEEDS, _FIRST[0])
        self._proposed: list[Event] = []
        self._changed: dict[str, Finding] = {}
        self._gone: list[str] = []
        self._extends_us = {rule.name: _extends_us(rule) for rule in rules}
        self._look_again_at = 100
        self._since_us = _FIRST[0]
        self._asleep: list[tuple[int, int]] = []
        self._remembering: set[str] = set()
        self._wake_us = _NEVER

    @property
    def mark_us(self) -> int:
        """All events up to here are settled: what is older cannot be put in order by `propose`."""
        return self._mark[0]

    @property
    def dropped(self) -> dict[str, int]:
        """Rule → how many keys it let go before their time because made-up ones filled its memory; rules with none left out."""
        states = (self._ahead or self._settled).states
        return {state.rule.name: state.dropped for state in states if state.dropped}

    def fold_all(self, events: Iterable[Event]) -> list[Finding]:
        """One plain pass over events in any order: all findings, in order of their firing.

        For inline tests and backtests, whose clock ends at the last event, or later if `advance_to` said so; the engine must be
        new, and is used up.
        """
        return self.fold_in_order(sorted(events, key=_ORDER))

    def fold_in_order(self, events: Iterable[Event]) -> list[Finding]:
        """The same over events that are in order, as a store gives them: each is let go as soon as it was folded."""
        last_us = self._settled.fold(events)
        if last_us is not None:
            self._settled.advance({feed: max(last_us, now_us) for feed, now_us in self._now_us.items()})
        return sorted(self._settled.record.touched.values(), key=_by_firing)

    def advance_to(self, now_us: int, feed: Feed | None = None) -> None:
        """All events of a feed, or of both, up to this moment are there or come with the next proposal: it fires the silences
        that are due by then.

        Live it is the portal's `Date` at its last complete answer, less the lateness that is allowed for.
        """
        moved = FEEDS if feed is None else (feed,)
        self._now_us = self._now_us | {name: max(self._now_us[name], now_us) for name in moved}

    def know_gaps(self, gaps: Gaps) -> None:
        """Take it that these times were not read, and no others: for the next proposal, which brings the events after them.

        What was settled before is not judged anew: of a gap that begins before the mark, a rebuild takes account.
        """
        self._plan.gaps = gaps
        self._settled.know_gaps(gaps)
        self._ahead = None

    @property
    def since_us(self) -> int:
        """What was found before is stored and stands. Findings that began before and may go on were last seen `goes_on_us` ago
        or later."""
        return self._since_us

    @property
    def goes_on_us(self) -> int:
        """How long after its last match a finding may go on, the longest of all rules."""
        return max(self._extends_us.values(), default=0)

    def begin(self, since_us: int) -> None:
        """Before `load`: what was found before this moment is stored and stands, so rules need of the time before it only what
        they remember. It makes a start quick; what is found from there on is the same.

        Not where keys were let go of before their time: which, all the events before decide.
        """
        self._since_us = since_us
        places = self._plan.horizons()
        self._remembering = {self._plan.rules[place].name for place in places}
        self._asleep = sorted((since_us - span, place) for place, span in places.items())
        self._wake_up(_FIRST[0])

    def load(self, events: Iterable[Event], newest_us: int | None = None) -> None:
        """Take up stored events, in order and after all that were loaded before: how a start and a rebuild begin.

        Whoever knows the date of the newest one that will come may tell it: what must be settled then is settled at once, while
        the processor still has it at hand.
        """
        self._settled.fold(self._sure_to_settle(events, newest_us))
        self._move_mark()

    def fold_tail(self, at_once: int) -> Iterator[None]:
        """What follows `load` where others must not wait: look at the tail in pieces of so many events, so that `resume` finds
        that done and is quick."""
        self._wake_up(_NEVER)
        ahead = self._settled.fork()
        for start in range(0, len(self._tail), at_once):
            ahead.fold(self._tail[start : start + at_once])
            yield
        self._ahead, self._ahead_events = ahead, len(self._tail)

    def resume(self, new: Iterable[Event], stored: Iterable[Finding]) -> Difference:
        """Take up the work after `load`: the events that came meanwhile, and the findings that the store holds of these rules.

        The difference names what a pass in order finds otherwise than the store says; `accept` or `drop` follows. Findings of
        which the evidence is no longer kept are final: they are not gone, and those still open go on.
        """
        self._wake_up(_NEVER)
        self._mark = max(self._mark, (self._since_us, "", -1))
        new = list(new)
        known = [f for f in stored if f.last_us >= self._since_us or f.rule in self._remembering]
        first = self._settled.record.first_event_us
        first_us = min((e.at_us for e in (*self._tail[:1], *new)), default=None) if first is None else first
        final = [
            f
            for f in known
            if first_us is None or f.first_us < first_us or (f.at_us < self._since_us and f.rule in self._remembering)
        ]
        self._confirmed = {found.id: found for found in known}
        for found in final:
            del self._confirmed[found.id]
        deep = self._sort_out(new)
        self._adopt(final, first_us)
        silences = {rule.name: rule.feeds for rule in self.rules if isinstance(rule.pattern, Absence)}
        for found in known:
            for feed in silences.get(found.rule, ()):
                self.advance_to(found.at_us, feed)  # a clock has been where a silence fired
        self._accepted_now_us = self._now_us
        if self._ahead is not None and self._at_the_end(self._ahead, self._proposed):
            self._extend(self._ahead, self._proposed)
            self._compare(self._ahead)
        else:
            self._fold_anew()
        return self._difference(deep)

    def propose(self, events: Iterable[Event]) -> Difference:
        """Put new events in order and say what that changes; `accept` or `drop` must follow."""
        deep = self._sort_out(events)
        if self._ahead is not None and self._at_the_end(self._ahead, self._proposed):
            self._grow(self._ahead, self._proposed)
        elif not self._put_in_order():
            self._fold_anew()
        return self._difference(deep)

    def accept(self) -> None:
        """What was proposed is committed."""
        for gone in self._gone:
            self._confirmed.pop(gone, None)
        self._confirmed.update(self._changed)
        self._accepted_now_us = self._now_us
        self._clear()
        self._move_mark()
        self._forget_final()
        if self._ahead_events > self._tail_events + 4 * len(self._tail):
            self._ahead = None  # what it copied of settled cells is let go; the next proposal makes it anew

    def drop(self) -> None:
        """What was proposed could not be committed: forget it."""
        dropped = {event.order for event in self._proposed}
        self._tail = [event for event in self._tail if event.order not in dropped]
        self._now_us = self._accepted_now_us
        self._clear()
        self._ahead = None

    def let_go(self, at_once: int) -> Iterator[None]:
        """End it in pieces: a large engine that goes at once keeps others waiting. It is of no use afterwards."""
        self._ahead = None
        while self._tail:
            del self._tail[-at_once:]
            yield

    def _sure_to_settle(self, events: Iterable[Event], newest_us: int | None) -> Iterator[Event]:
        """Of events that are loaded those that come before the tail, one after another; the others go into it."""
        last = None
        for event in events:
            if event.at_us >= self._wake_us:
                self._wake_up(event.at_us)
            if newest_us is None or newest_us - event.at_us <= self._settled_after_us:
                self._tail.append(event)
            else:
                last = event
                yield event
        if last is not None:
            self._mark = last.order

    def _wake_up(self, at_us: int) -> None:
        """Let rules see events from a moment on that can matter to them later."""
        self._asleep = [(wake_us, place) for wake_us, place in self._asleep if wake_us > at_us]
        self._wake_us = self._asleep[0][0] if self._asleep else _NEVER
        self._settled.wake({place for _, place in self._asleep})

    def _clear(self) -> None:
        self._proposed, self._changed, self._gone = [], {}, []

    def _adopt(self, final: Sequence[Finding], first_us: int | None) -> None:
        """Let findings whose beginning is lost, but that were open when the fold sees them first, go on as they are stored."""
        open_at_last = sorted((f for f in final if self._extends_us.get(f.rule)), key=lambda found: found.last_us)
        if not open_at_last:
            return
        fold, folded = self._settled.fork(), 0
        for stored in open_at_last:
            while folded < len(self._tail) and self._tail[folded].at_us <= stored.last_us:
                fold.fold(self._tail[folded : folded + 1])
                folded += 1
            found = {**self._settled.record.touched, **fold.record.touched}.values()
            if self._adopted.take(stored, found, kept=first_us is not None and stored.first_us >= first_us):
                self._confirmed[stored.id] = stored

    def _sort_out(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Take up new events, but for those that cannot be put in order here: these are given back."""
        new = sorted(events, key=_ORDER)
        self._proposed = [event for event in new if event.order > self._mark]
        return tuple(event for event in new if event.order <= self._mark)

    def _difference(self, deep: tuple[Event, ...]) -> Difference:
        return Difference(tuple(sorted(self._changed.values(), key=_by_firing)), tuple(sorted(self._gone)), deep)

    def _at_the_end(self, ahead: Fold, new: Sequence[Event]) -> bool:
        if not new:
            return True
        return (not self._tail or new[0].order > self._tail[-1].order) and new[0].at_us > ahead.silent_us

    def _grow(self, ahead: Fold, new: Sequence[Event]) -> None:
        ahead.record.touched.clear()
        self._extend(ahead, new)
        self._changed = self._adopted.told(ahead.record.touched.values())

    def _extend(self, ahead: Fold, new: Sequence[Event]) -> None:
        ahead.fold(new)
        ahead.advance(self._now_us)
        self._tail.extend(new)
        self._ahead_events += len(new)

    def _put_in_order(self) -> bool:
        """Judge anew what late events touch, and nothing else; False where all of the tail must be folded anew."""
        ahead = self._ahead
        if ahead is None or not self._tail or self._proposed[0].at_us <= ahead.silent_us:
            return False
        newest = self._tail[-1].order
        late = [event for event in self._proposed if event.order < newest]
        tail = self._tail.copy()
        for event in late:
            insort(tail, event, key=_ORDER)
        anew = judge_anew(self._settled, ahead, late, tail)
        if anew is None:
            return False
        self._tail = tail
        self._ahead_events += len(late)
        found = self._adopted.told(anew.found.values())
        changed = self._unconfirmed(found)
        self._gone = [
            name
            for name, finding in self._confirmed.items()
            if anew.judged(finding) and name not in found and name not in self._adopted
        ]
        self._grow(ahead, self._proposed[len(late) :])
        self._changed = changed | self._changed
        return True

    def _unconfirmed(self, found: Mapping[str, Finding]) -> dict[str, Finding]:
        return {
            name: finding
            for name, finding in found.items()
            if self._confirmed.get(name) != finding and (finding.last_us >= self._since_us or name in self._adopted)
        }

    def _fold_anew(self) -> None:
        for event in self._proposed:
            insort(self._tail, event, key=_ORDER)
        self._ahead = self._settled.fork()
        self._ahead.fold(self._tail)
        self._ahead.advance(self._now_us)
        self._ahead_events = len(self._tail)
        self._compare(self._ahead)

    def _compare(self, ahead: Fold) -> None:
        """What all that was found differs in from what is confirmed."""
        found = self._adopted.told({**self._settled.record.touched, **ahead.record.touched}.values())
        self._changed = self._unconfirmed(found)
        self._gone = [name for name in self._confirmed if name not in found and name not in self._adopted]

    def _move_mark(self) -> None:
        tail = self._tail
        if not tail:
            return
        newest = tail[-1].at_us
        too_many = len(tail) - self._tail_events
        settled = 0
        while settled < len(tail):
            age = newest - tail[settled].at_us
            if age <= self._lateness_us or (age <= self._settle_us and settled >= too_many):
                break
            settled += 1
        if settled:
            self._settled.fold(tail[:settled])
            self._mark = tail[settled - 1].order
            del tail[:settled]

    def _forget_final(self) -> None:
        """Let go of findings that are settled as they are stored and that no further match can extend."""
        touched = self._settled.record.touched
        if len(touched) <= self._look_again_at:
            return
        final = [
            name
            for name, found in touched.items()
            if self._confirmed.get(name) == found and found.last_us < self._mark[0] - self._extends_us[found.rule]
        ]
        for name in final:
            del touched[name]
            del self._confirmed[name]
        self._look_again_at = 100 + 2 * len(touched)


def _extends_us(rule: Rule) -> int:
    """How long after its last match a finding of this rule can still grow."""
    if isinstance(rule.pattern, Spike):
        return span_us(rule.pattern.within + rule.pattern.usual)
    return span_us(rule.pattern.within) if isinstance(rule.pattern, Burst | Distinct | Temporal) else 0


def _by_firing(found: Finding) -> tuple[int, str, str]:
    return (found.at_us, found.rule, found.id)
