"""Sigma's correlations → rules whose matches are the firings of other rules.

`event_count` becomes a burst of firings, `value_count` counts different values in them, `temporal` different rules among them,
`temporal_ordered` is a sequence. Counts are those of the window that ends with a firing; so what no firing could tell (that
fewer came than so many) is refused by name. The rules named are looked up by `rules.load`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alertbot.errors import Mistake
from alertbot.rules.builder import Builder
from alertbot.rules.document import PATTERNS, BoundsDocument, CorrelationDocument, CorrelationSection
from alertbot.rules.doubts import doubt
from alertbot.rules.fields import closest, kind_of, unknown_field
from alertbot.rules.filters import reference
from alertbot.rules.match import select
from alertbot.rules.model import Burst, Distinct, Pattern, Rule, Sequence_, Source, Step, Temporal
from alertbot.rules.sigma import Way

_SECTION = "correlation"
_OF_RULES = (*PATTERNS, "detection", "by", "logsource")


class CorrelationBuilder(Builder):
    """A rule over the firings of others."""

    def rule(self, default_name: str | None) -> Rule | None:
        """The rule, its sources still named as they were written; None where it is broken."""
        for key in _OF_RULES:
            if key in self.document.value:
                self.report((key,), "does not go with a correlation: its events are the findings of other rules", at_key=True)
        allowed = {key: value for key, value in self.document.value.items() if key not in _OF_RULES}
        parsed = self.parsed(CorrelationDocument, allowed)
        only = self.selection(allowed, ("only",))
        if parsed is None:
            return None
        name = self.name(parsed.name, default_name)
        section = parsed.correlation
        pattern = self._pattern(section)
        sources = self._sources(section)
        exemptions = self.exemptions(parsed)
        told = self.told(parsed)
        if self.broken or pattern is None:
            return None
        return Rule(
            name=name,
            feeds=frozenset(),
            condition=None,
            pattern=pattern,
            by=tuple(section.group_by) or ("portal",),
            only=select(only) if only is not None else None,
            exemptions=tuple(exemption for exemption, _ in exemptions),
            sources=sources,
            **told,
        )

    def doubts(self, rule: Rule) -> list[Mistake]:
        """Warnings of what is odd about the rule, once its feeds are known from the rules that it names."""
        self.mistakes = []
        conditions = [one.match.condition for one in rule.exemptions]
        exemptions = [condition for condition in conditions if condition is not None]
        doubt(rule, [], rule.only.condition if rule.only is not None else None, exemptions, self.warn)
        self.doubt_values(rule, [])
        return self.mistakes

    @property
    def generates(self) -> bool:
        """Whether the rules that it names are told of by themselves too."""
        value = self.document.value
        return bool(value.get("generate") or value[_SECTION].get("generate"))

    def _pattern(self, section: CorrelationSection) -> Pattern | None:
        if section.condition is None and section.type in ("event_count", "value_count"):
            self.report((_SECTION,), "condition: is missing, like `condition: {gte: 5}`", at_key=True)
            return None
        if section.type in ("temporal", "temporal_ordered"):
            return self._temporal(section)
        bounds = section.condition or BoundsDocument()
        counts = self._bounds(bounds, section)
        fields = tuple(bounds.field)
        if section.type == "event_count":
            if fields:
                self.report(
                    (_SECTION, "condition", "field"), "belongs to value_count; event_count counts findings", at_key=True
                )
            return counts and Burst(counts[0], section.timespan, counts[1])
        if not fields:
            self.report((_SECTION, "condition"), "value_count needs `field`, whose values it counts", at_key=True)
        return counts and Distinct(fields, counts[0], section.timespan, counts[1])

    def _temporal(self, section: CorrelationSection) -> Pattern | None:
        every = len({reference(name) for name in section.rules})
        bounds = section.condition or BoundsDocument(gte=every)
        counts = self._bounds(bounds, section)
        way: Way = (_SECTION, "condition")
        if bounds.field:
            self.report((*way, "field"), "belongs to value_count; this counts rules", at_key=True)
        if counts is None:
            return None
        least, most = counts
        if least > every:
            self.report(way, f"no {least} of {every} rules can fire")
            return None
        if section.type == "temporal":
            return Temporal(least, section.timespan, most if most is not None and most < every else None)
        if least < every or (most is not None and most < every):
            self.report(way, "temporal_ordered needs every one of its rules; leave the condition out")
            return None
        if len(section.rules) == 1:
            return Burst(1, section.timespan)
        return Sequence_(section.timespan, tuple(Step(1, rule=name) for name in section.rules))

    def _bounds(self, bounds: BoundsDocument, section: CorrelationSection) -> tuple[int, int | None] | None:
        """The lowest and the highest count; None where no firing could tell whether they are met."""
        way: Way = (_SECTION, "condition")
        least, most = bounds.least, bounds.most
        if least is None and most is None:
            self.report(way, "needs a count, like `gte: 5`")
        elif least is None or least < 1:
            reason = "that nothing happens meets it too, and no finding tells of nothing"
            self.report(way, f"needs a lower bound of at least 1: {reason}; see the pattern `absence`")
        elif most is not None and most < least:
            self.report(way, f"no count is at least {least} and at most {most}")
        else:
            return least, most
        return None

    def _sources(self, section: CorrelationSection) -> tuple[Source, ...]:
        """Each rule with the fields that hold the values of the key, and of what is counted, in its findings."""
        known = list(map(reference, section.rules))
        for alias, fields in section.aliases.items():
            for name in fields:
                if reference(name) not in known:
                    meant = closest(name, section.rules)
                    hint = f"; did you mean {meant!r}?" if meant else ""
                    self.report(
                        (_SECTION, "aliases", alias, name), f"is none of the rules of this correlation{hint}", at_key=True
                    )
        counted = section.condition.field if section.condition is not None else []
        for alias in section.aliases.keys() - {*section.group_by, *counted}:
            self.warn((_SECTION, "aliases", alias), "nothing uses this alias", at_key=True)
        self._twice(section.group_by)
        sources = []
        for name in dict.fromkeys(known):
            by = [self._field(section, field, name, (_SECTION, "group-by")) for field in section.group_by]
            of = [self._field(section, field, name, (_SECTION, "condition", "field")) for field in counted]
            own = [one for one in of if one not in counted]
            sources.append(Source(name, tuple(by) or ("portal",), tuple(of) if own else ()))
        return tuple(sources)

    def _field(self, section: CorrelationSection, field: str, rule: str, way: Way) -> str:
        """The event's field that a name stands for in the findings of a rule."""
        for name, real in section.aliases.get(field, {}).items():
            if reference(name) == rule:
                self._key_field(real, (_SECTION, "aliases", field, name))
                return real
        if field in section.aliases and unknown_field(field):
            self._once((_SECTION, "aliases", field), f"does not say which field it is for the rule {rule!r}")
        else:
            self._key_field(field, way)
        return field

    def _key_field(self, field: str, way: Way) -> None:
        wrong = unknown_field(field)
        if wrong is None and kind_of(field) == "several":
            wrong = f"{field} holds several values at once; it cannot be part of a key or be counted"
        if wrong is not None:
            self._once(way, wrong)

    def _once(self, way: Way, message: str) -> None:
        mistake = self.document.mistake(way, message)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    def _twice(self, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            if name in names[:number]:
                self._once((_SECTION, "group-by"), f"names {name} twice")


def resolved(rule: Rule, names: Mapping[str, str]) -> Rule:
    """The rule with its sources by their names; `names` holds what each reference stands for."""
    if not rule.sources:
        return rule
    sources = tuple(replace(source, rule=names.get(source.rule, source.rule)) for source in rule.sources)
    pattern = rule.pattern
    if isinstance(pattern, Sequence_):
        steps = [
            replace(step, rule=names.get(reference(step.rule), step.rule)) if step.rule else step for step in pattern.steps
        ]
        pattern = replace(pattern, steps=tuple(steps))
    return replace(rule, sources=sources, pattern=pattern)
