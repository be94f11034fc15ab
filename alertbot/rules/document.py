"""What rule files, lists and calendars may hold, as pydantic models: which keys there are, and what may stand there.

In comes a mapping read from YAML; out goes a `RuleDocument`, a `CorrelationDocument` or a `FilterDocument`. `detection` and the
other selections stay raw here: `rules.sigma` reads them, and `rules.build` puts all together.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from alertbot.rules.model import Absence, Burst, Calendar, Distinct, Dormant, FirstSeen, Level, Spike, Travel
from alertbot.rules.values import (
    MAX_COUNT,
    AtLeastTwo,
    Bound,
    CorrelationType,
    Country,
    Day,
    DetectionValue,
    FilterValue,
    KeyFields,
    Learn,
    RuleName,
    SelectionValue,
    Sentence,
    Span,
    Text,
    Texts,
    Title,
    Uuid,
    Windows,
    Zone,
    no_expression,
)

PATTERNS = ("burst", "distinct", "sequence", "first_seen", "hours", "travel", "spike", "dormant", "absence")


MAY_BE_EMPTY = frozenset(
    {"id", "name", "taxonomy", "status", "license", "author", "date", "modified"}  # that is how Sigma's own templates look
    | {"category", "product", "service", "definition"}
    | {"detection", "match", "only", "filter"}  # whoever reads the selections says it
)
"""Keys after which nothing may stand, as if they were left out."""


class _Model(BaseModel):
    """A key with nothing after it has lost its lines, and left out silently the rule would be another one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _something(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in MAY_BE_EMPTY:
            raise ValueError("is empty; give it a value, or leave it out")
        return value


class BurstDocument(_Model):
    """At least `count` matches of a key within the window."""

    count: AtLeastTwo
    within: Span

    def pattern(self) -> Burst:
        """As the engine takes it."""
        return Burst(self.count, self.within)


class DistinctDocument(_Model):
    """At least `count` different values of `of` within the window."""

    of: KeyFields
    count: AtLeastTwo
    within: Span

    def pattern(self) -> Distinct:
        """As the engine takes it."""
        return Distinct(tuple(self.of), self.count, self.within)


class StepDocument(_Model):
    """One step: a selection of the detection, or `rule:NAME` for another rule's firings."""

    match: str
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1


class SequenceDocument(_Model):
    """The steps in order within the window."""

    within: Span
    steps: Annotated[list[StepDocument], Field(min_length=2, max_length=32)]


class FirstSeenDocument(_Model):
    """A value that was not seen for its key in the `memory` before."""

    of: KeyFields | None = None
    each: Annotated[list[KeyFields], Field(min_length=1)] | None = None
    memory: Span = timedelta(days=90)
    learn: Learn = timedelta(days=7)

    @model_validator(mode="after")
    def _of_or_each(self) -> FirstSeenDocument:
        if (self.of is None) == (self.each is None):
            raise ValueError("needs `of` (one value) or `each` (several, all of them new), and not both")
        return self

    def pattern(self) -> FirstSeen:
        """As the engine takes it."""
        each = self.each or [self.of or []]
        return FirstSeen(tuple(tuple(fields) for fields in each), self.memory, self.learn)


class HoursDocument(_Model):
    """A match outside the given hours, or at an hour that is unusual for its key."""

    outside: Windows | None = None
    zone: Zone | None = None
    calendar: str | None = None
    learn: Span | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> HoursDocument:
        if sum(given is not None for given in (self.outside, self.calendar, self.learn)) != 1:
            raise ValueError("needs `outside`, `calendar` or `learn`, one of them")
        if self.calendar is not None and self.zone is not None:
            raise ValueError("takes its zone from the calendar")
        return self


class TravelDocument(_Model):
    """A match that cannot have been reached from its key's last place."""

    faster_than: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 900.0
    farther_than: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 500.0
    familiar: Span | None = None

    def pattern(self) -> Travel:
        """As the engine takes it."""
        return Travel(self.faster_than, self.farther_than, self.familiar)


class SpikeDocument(_Model):
    """The window holds `factor` times the usual and at least `count`."""

    within: Span
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)]
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    usual: Span = timedelta(days=7)

    def pattern(self) -> Spike:
        """As the engine takes it."""
        return Spike(self.within, self.factor, self.usual, self.count)


class DormantDocument(_Model):
    """The first match after a silence longer than `after`."""

    after: Span
    memory: Span = timedelta(days=180)

    def pattern(self) -> Dormant:
        """As the engine takes it."""
        return Dormant(self.after, self.memory)


class AbsenceDocument(_Model):
    """Nothing matched for `within`; with `hours`, only these count."""

    within: Span
    hours: Windows | None = None

    def pattern(self) -> Absence:
        """As the engine takes it."""
        return Absence(self.within, Calendar("", None, tuple(self.hours)) if self.hours else None)


class ExceptDocument(_Model):
    """Events that neither count nor fire."""

    match: SelectionValue
    why: Sentence
    until: Day | None = None


class RaiseDocument(_Model):
    """The level of a finding whose firing event matches."""

    match: SelectionValue
    to: Level


class TestDocument(_Model):
    """One story and what the rule must find in it."""

    __test__ = False

    it: Sentence
    events: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    people: list[dict[str, Any]] = []
    zone: Zone | None = None


class LogsourceDocument(_Model):
    """Sigma's log source; `service: audit` is the audit feed."""

    category: str | None = None
    product: str | None = None
    service: str | None = None
    definition: str | None = None


class RelatedDocument(_Model):
    """Sigma's link to another rule."""

    id: Uuid
    type: Literal["correlation", "derived", "merged", "obsolete", "renamed", "similar"]


class MetaDocument(_Model):
    """What Sigma lets every document say of itself."""

    title: Title
    id: Uuid | None = None
    name: RuleName | None = None
    taxonomy: Text | None = None
    related: list[RelatedDocument] = []
    status: Literal["stable", "test", "experimental", "deprecated", "unsupported"] | None = None
    description: Text = ""
    license: Text | None = None
    references: Texts = []
    author: Text | None = None
    date: Day | None = None
    modified: Day | None = None
    tags: Texts = []
    scope: Texts = []
    fields: Texts = []
    falsepositives: Texts = []


class TellingDocument(MetaDocument):
    """What is told of findings, to whom and when, and what is excepted: alike in rules and correlations."""

    level: Level = "medium"
    only: SelectionValue = None
    except_: Annotated[list[ExceptDocument], Field(alias="except")] = []
    raise_: Annotated[list[RaiseDocument], Field(alias="raise")] = []
    quiet: Span = timedelta(hours=1)
    group: KeyFields | None = None
    inhibits: Texts = []
    route: Text | None = None
    respond: Text = ""
    mode: Literal["live", "shadow", "off"] = "live"
    tests: list[TestDocument] = []


class RuleDocument(TellingDocument):
    """One rule: Sigma's metadata and detection, a pattern, and what to tell whom."""

    logsource: LogsourceDocument = LogsourceDocument()
    detection: DetectionValue = None
    burst: BurstDocument | None = None
    distinct: DistinctDocument | None = None
    sequence: SequenceDocument | None = None
    first_seen: FirstSeenDocument | None = None
    hours: HoursDocument | None = None
    travel: TravelDocument | None = None
    spike: SpikeDocument | None = None
    dormant: DormantDocument | None = None
    absence: AbsenceDocument | None = None
    by: KeyFields | None = None


class BoundsDocument(_Model):
    """How many of what must come within the time of a correlation."""

    gt: Bound | None = None
    gte: Bound | None = None
    lt: Bound | None = None
    lte: Bound | None = None
    eq: Bound | None = None
    field: Texts = []

    @property
    def least(self) -> int | None:
        """The lowest count that holds, None where there is no bound below."""
        below = [self.gte, self.eq, None if self.gt is None else self.gt + 1]
        return max((one for one in below if one is not None), default=None)

    @property
    def most(self) -> int | None:
        """The highest count that holds, None where there is no bound above."""
        above = [self.lte, self.eq, None if self.lt is None else self.lt - 1]
        return min((one for one in above if one is not None), default=None)


class CorrelationSection(_Model):
    """Which rules' firings belong together, and when they are a finding."""

    type: CorrelationType
    rules: Annotated[Texts, Field(min_length=1, max_length=200)]
    group_by: Annotated[Texts, Field(alias="group-by")] = []
    timespan: Span
    condition: Annotated[BoundsDocument | None, BeforeValidator(no_expression)] = None
    aliases: dict[str, dict[str, Text]] = {}
    generate: bool = False


class CorrelationDocument(TellingDocument):
    """A correlation of Sigma: firings of other rules that belong together."""

    correlation: CorrelationSection
    generate: bool | None = None


class FilterDocument(MetaDocument):
    """A filter of Sigma: a condition that the matches of many rules must meet too."""

    logsource: LogsourceDocument = LogsourceDocument()
    filter: FilterValue


class ListedDocument(_Model):
    """A value of a list with its reason and its end."""

    value: str | int | float | bool
    why: Text = ""
    until: Day | None = None


class CalendarDocument(_Model):
    """Working hours with holidays."""

    zone: Zone | None = None
    hours: Windows
    holidays: Country | None = None
    not_holidays: list[Day] = []
    closed: list[Day] = []

    def calendar(self, name: str) -> Calendar:
        """As the engine takes it."""
        closed, worked = frozenset(self.closed), frozenset(self.not_holidays)
        return Calendar(name, self.zone, tuple(self.hours), self.holidays, worked, closed)
