"""Rule files → the rules of this bot, or everything that is wrong with them.

In come paths of files and folders; out goes a `RuleBook`. Mistakes are never told one by one: `RulesError` holds them all, each
as `path:line:col: message`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alertbot.documents import Document
from alertbot.errors import Mistake, RulesError
from alertbot.rules.build import builder_of
from alertbot.rules.builder import Builder, Shared
from alertbot.rules.correlation import CorrelationBuilder, resolved
from alertbot.rules.fields import closest
from alertbot.rules.files import (
    calendars_of,
    digest_of,
    documents_of,
    files_of,
    is_filter,
    lists_of,
    rule_files,
    rules_beside,
    shipped_rules,
)
from alertbot.rules.filters import Filter, read_filter, reference
from alertbot.rules.model import Absence, Each, Expiry, Hours, Rule, RuleBook, Sequence_
from alertbot.rules.sigma import Way
from alertbot.rules.spelling import misread
from alertbot.rules.version import version_of

__all__ = ["load_rules", "rule_files", "shipped_rules"]


def load_rules(paths: Sequence[Path], *, beside: bool = False) -> RuleBook:
    """All rules of these files and folders, in the order of the paths and of the files' names. Raises RulesError.

    `beside`: rules that those of a single file wait for are looked for in its folder too, as its lists and calendars are.
    """
    digest = digest_of(paths)
    try:
        return replace(_Loader().load(paths, beside=beside), digest=digest)
    except OSError as exc:
        raise RulesError([Mistake(str(exc.filename), 0, 0, f"cannot be read: {exc.strerror}")]) from exc


@dataclass(slots=True)
class _Loader:
    mistakes: list[Mistake] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    builders: dict[str, Builder] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)
    beside: dict[str, tuple[Document, str | None]] = field(default_factory=dict)
    """The rules that lie beside single files, unread, by how they are referred to."""

    def load(self, paths: Sequence[Path], *, beside: bool) -> RuleBook:
        lists, expiries = lists_of(paths, self.mistakes)
        calendars = calendars_of(paths, self.mistakes)
        self.expiries += expiries
        documents = [given for file in files_of(paths, self.mistakes) for given in documents_of(file, self.mistakes)]
        self.mistakes += [mistake for document, _ in documents for mistake in misread(document)]
        filters = self._filters([document for document, _ in documents if is_filter(document)], lists)
        shared = Shared(lists, calendars, filters)
        for document, default_name in documents:
            if not is_filter(document):
                self._build(builder_of(document, shared), default_name)
        own = frozenset(self.rules)
        if beside:
            self._look_beside(paths, shared)
        complete = not self._broken()
        self._resolve()
        self.mistakes += self._wrong_between(others_broken=not complete)
        if complete:
            self.mistakes += [warning for one in filters for warning in one.idle(self.rules)]
        if self._broken():
            raise RulesError(sorted(self.mistakes))
        rules = _versioned(self.rules)
        for rule in rules:
            builder = self.builders[rule.name]
            if isinstance(builder, CorrelationBuilder):
                self.mistakes += builder.doubts(rule)
        waited_for = frozenset(self.rules) - own
        return RuleBook(rules, tuple(sorted(self.mistakes)), tuple(sorted(self.expiries)), beside=waited_for)

    def _broken(self) -> bool:
        return any(not mistake.warning for mistake in self.mistakes)

    def _filters(self, documents: Iterable[Document], lists: Mapping[str, Sequence[object]]) -> list[Filter]:
        filters = []
        for document in documents:
            found, said = read_filter(document, lists)  # type: ignore[arg-type]
            self.mistakes += said
            if found is not None:
                filters.append(found)
        return filters

    def _build(self, builder: Builder, default_name: str | None) -> None:
        rule = builder.rule(default_name)  # type: ignore[attr-defined]
        self.mistakes += builder.mistakes
        self.expiries += builder.expiries
        if rule is None or builder.broken:
            return
        if rule.name in self.rules:
            first = self.rules[rule.name]
            taken = f"{first.path}:{first.line}"
            self.mistakes.append(_at(builder.document, "name", f"the name {rule.name!r} is taken by {taken}; names are unique"))
            return
        self.rules[rule.name] = rule
        self.builders[rule.name] = builder
        self._know(rule, builder.document)

    def _look_beside(self, paths: Sequence[Path], shared: Shared) -> None:
        """Build what the rules wait for and lies beside the single files among the paths."""
        named = [name for rule in self.rules.values() for name in (*rule.needs, *rule.inhibits)]
        self.beside = rules_beside(paths) if any(reference(name) not in self.references for name in named) else {}
        built: set[str] = set()
        while missing := self._waited_for() & self.beside.keys() - self.references.keys() - built:
            built |= missing
            for name in sorted(missing):
                self._build(builder_of(self.beside[name][0], shared), self.beside[name][1])

    def _waited_for(self) -> set[str]:
        return {reference(name) for rule in self.rules.values() for name in rule.needs}

    def _know(self, rule: Rule, document: Document) -> None:
        """A rule goes by its name and by its id; two rules of one id go by their names alone."""
        self.references[reference(rule.name)] = rule.name
        if not document.value.get("id"):
            return
        known = reference(str(document.value["id"]))
        other = self.references.setdefault(known, rule.name)
        if other != rule.name:
            self.ambiguous.add(known)
            first = self.rules[other]
            self.mistakes.append(_at(document, "id", f"is that of {first.path}:{first.line} too", warning=True))

    def _resolve(self) -> None:
        """Let correlations know which rules they name, and these that they are only heard."""
        clear = {one: name for one, name in self.references.items() if one not in self.ambiguous}
        for name, rule in self.rules.items():
            self.rules[name] = resolved(rule, clear)
        for name, builder in self.builders.items():
            if isinstance(builder, CorrelationBuilder) and not builder.generates:
                for source in self.rules.keys() & self.rules[name].needs:
                    self.rules[source] = replace(self.rules[source], heard_only=True)

    def _wrong_between(self, *, others_broken: bool) -> Iterator[Mistake]:
        """What is wrong between rules: in waiting for others, and in holding others back."""
        yield from self._wrong_waiting(others_broken=others_broken)
        for rule in self.rules.values():
            document = self.builders[rule.name].document
            several = isinstance(document.value.get("inhibits"), list)
            for number, name in enumerate(rule.inhibits):
                way = ("inhibits", number) if several else ("inhibits",)
                if name == rule.name:
                    yield document.mistake(way, "a rule cannot hold itself back")
                elif name not in self.rules and reference(name) not in self.beside and not others_broken:
                    meant = closest(name, self.rules)
                    hint = f"; did you mean {meant!r}?" if meant else " among those that were read"
                    yield document.mistake(way, f"there is no rule {name!r}{hint}", warning=True)
                elif name in self.rules and not _comparable(rule, self.rules[name]):
                    keys = f"its key is {', '.join(rule.by)}, and that of {name!r} {', '.join(self.rules[name].by)}"
                    yield document.mistake(way, f"never holds {name!r} back: {keys}; see `group`", warning=True)

    def _wrong_waiting(self, *, others_broken: bool) -> Iterator[Mistake]:
        """What is wrong with waiting for other rules: no such rule, one that is off or is never heard, a circle."""
        circling = _circling(self.rules)
        for rule in self.rules.values():
            document = self.builders[rule.name].document
            for way, name in _named(rule):
                if reference(name) in self.ambiguous:
                    yield document.mistake(way, f"several rules have the id {name}; say a name")
                elif name not in self.rules:
                    if not others_broken:
                        meant = closest(name, self.rules)
                        hint = f"; did you mean {meant!r}?" if meant else ""
                        yield document.mistake(way, f"there is no rule {name!r}{hint}")
                elif {name, rule.name} <= circling:
                    yield document.mistake(way, f"goes in a circle: {name!r} waits for this rule")
                elif isinstance(self.rules[name].pattern, Absence):
                    yield document.mistake(way, f"the rule {name!r} fires when no event comes: nothing can wait for that")
                elif self.rules[name].mode == "off":
                    yield document.mistake(way, f"the rule {name!r} is off and never fires", warning=True)
                elif rule.sources and self.rules[name].heard_only and self.rules[name].respond:
                    said = f"the rule {name!r} is told of through this correlation only; say `generate: true` to tell of both"
                    yield document.mistake(way, said, warning=True)


def _comparable(rule: Rule, held: Rule) -> bool:
    """Whether an incident of a rule and a finding of one that it inhibits can ever be about the same. Where an absent field
    may be missing from a key, what is left of it can be equal."""
    loose = any(isinstance(one.pattern, Each | Hours) and len(one.by) > 1 for one in (rule, held))
    return bool(rule.group) or loose or set(rule.by) in (set(held.by), set(held.group))


def _at(document: Document, key: str, message: str, *, warning: bool = False) -> Mistake:
    place = document.place((key,)) if key in document.value else document.place(())
    return Mistake(document.name, *place, message if key not in ("id",) else f"{key}: {message}", warning)


def _named(rule: Rule) -> Iterator[tuple[Way, str]]:
    """The rules that a rule names, and where."""
    if rule.sources:
        yield from ((("correlation", "rules"), source.rule) for source in rule.sources)
    elif isinstance(rule.pattern, Sequence_):
        steps = enumerate(rule.pattern.steps)
        yield from ((("sequence", "steps", number, "match"), step.rule) for number, step in steps if step.rule is not None)


def _circling(known: Mapping[str, Rule]) -> set[str]:
    """The rules that wait for each other in a circle: what is left when all are taken away that wait for nobody who is left,
    or for whom nobody waits who is left."""
    needs = {name: {one for one in rule.needs if one in known} for name, rule in known.items()}
    waiters: dict[str, set[str]] = {name: set() for name in known}
    for name, needed in needs.items():
        for one in needed:
            waiters[one].add(name)
    return _without_ends(_without_ends(set(known), needs, waiters), waiters, needs)


def _without_ends(left: set[str], towards: Mapping[str, set[str]], back: Mapping[str, set[str]]) -> set[str]:
    open_ends = {name: len(towards[name] & left) for name in left}
    ready = [name for name, number in open_ends.items() if number == 0]
    while ready:
        name = ready.pop()
        left.discard(name)
        for other in back[name] & left:
            open_ends[other] -= 1
            if open_ends[other] == 0:
                ready.append(other)
    return left


def _versioned(known: Mapping[str, Rule]) -> tuple[Rule, ...]:
    """The rules with their versions; one that waits for others has theirs in its own, and a correlation sees their feeds."""
    done: dict[str, Rule] = {}
    waiting = list(known)
    while waiting:
        rule = known[waiting[-1]]
        missing = [name for name in rule.needs if name not in done]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if rule.sources:
            rule = replace(rule, feeds=frozenset().union(*(done[name].feeds for name in rule.needs)))
        version = version_of(rule, {name: done[name].version for name in rule.needs})
        done.setdefault(rule.name, replace(rule, version=version))
    return tuple(done[name] for name in known)
