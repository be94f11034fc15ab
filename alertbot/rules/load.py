"""Rule files → the rules of this bot, or everything that is wrong with them.

In come paths of files and folders; out goes a `RuleBook`. Mistakes are never told one by one: `RulesError` holds them all, each
as `path:line:col: message`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from alertbot.documents import Document, read_yaml
from alertbot.errors import Mistake, Mistakes, RulesError
from alertbot.rules.build import build
from alertbot.rules.fields import closest
from alertbot.rules.model import Rule, RuleBook, Sequence_
from alertbot.rules.version import version_of

SUFFIXES = (".yml", ".yaml")
LISTS = "lists"
CALENDARS = "calendars"


def load_rules(paths: Sequence[Path]) -> RuleBook:
    """All rules of these files and folders, in the order of the paths and of the files' names. Raises RulesError."""
    mistakes: list[Mistake] = []
    files = dict.fromkeys(file for path in paths for file in _files(path, mistakes))
    documents = [document for file in files for document in _documents(file, mistakes)]
    rules: list[Rule] = []
    places: dict[str, Document] = {}
    for document, default_name in documents:
        rule, said = build(document, default_name, {})
        mistakes += said
        if rule is None:
            continue
        if rule.name in places:
            first = next(other for other in rules if other.name == rule.name)
            taken = f"{first.path}:{first.line}"
            mistakes.append(_at_name(document, f"the name {rule.name!r} is taken by {taken}; names are unique"))
            continue
        places[rule.name] = document
        rules.append(rule)
    complete = not any(not mistake.warning for mistake in mistakes)
    mistakes += _steps_over_rules(rules, places, others_broken=not complete)
    if any(not mistake.warning for mistake in mistakes):
        raise RulesError(sorted(mistakes))
    return RuleBook(_versioned(rules), tuple(sorted(mistakes)))


def shipped_rules() -> Path:
    """The folder of the rules that come with alertbot: in the package, or in a checkout beside it."""
    package = Path(__file__).parent.parent
    inside = package / "shipped_rules"
    return inside if inside.is_dir() else package.parent / "rules"


def rule_files(path: Path) -> list[Path]:
    """The rule files of a folder, sorted; lists, calendars and what begins with a dot are none."""
    return sorted(
        file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file() and _holds_rules(file.relative_to(path))
    )


def _holds_rules(relative: Path) -> bool:
    hidden = any(part.startswith(".") for part in relative.parts)
    return not hidden and LISTS not in relative.parts[:-1] and relative.stem != CALENDARS


def _files(path: Path, mistakes: list[Mistake]) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = rule_files(path)
    if not files:
        mistakes.append(Mistake(str(path), 0, 0, "holds no rule file (*.yml)"))
    return files


def _documents(file: Path, mistakes: list[Mistake]) -> Iterator[tuple[Document, str | None]]:
    """Every document of a file, and the name of its rule where it has none of its own."""
    try:
        documents = [document for document in read_yaml(file) if document.value is not None]
    except Mistakes as exc:
        mistakes += exc.mistakes
        return
    if not documents:
        mistakes.append(Mistake(str(file), 0, 0, "holds no rule", warning=True))
    for document in documents:
        yield document, file.stem if len(documents) == 1 else None


def _at_name(document: Document, message: str) -> Mistake:
    place = document.place(("name",)) if "name" in document.value else document.place(())
    return Mistake(document.name, *place, message)


def _named_rules(rule: Rule) -> Iterator[tuple[int, str]]:
    if isinstance(rule.pattern, Sequence_):
        yield from ((number, step.rule) for number, step in enumerate(rule.pattern.steps) if step.rule is not None)


def _steps_over_rules(rules: Iterable[Rule], places: Mapping[str, Document], *, others_broken: bool) -> Iterator[Mistake]:
    """What is wrong with steps that are firings of other rules: no such rule, one that is off, a circle."""
    known = {rule.name: rule for rule in rules}
    for rule in known.values():
        for number, name in _named_rules(rule):
            document, way = places[rule.name], ("sequence", "steps", number, "match")
            if name not in known:
                if others_broken:
                    continue
                meant = closest(name, known)
                yield document.mistake(way, f"there is no rule {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
            elif known[name].mode == "off":
                yield document.mistake(way, f"the rule {name!r} is off and never fires", warning=True)
            elif rule.name in _all_named(known, name):
                yield document.mistake(way, f"goes in a circle: {name!r} waits for this rule")


def _all_named(known: Mapping[str, Rule], name: str) -> set[str]:
    """The rules that a rule needs, itself among them."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in known and one not in reached:
            reached.add(one)
            waiting += [named for _, named in _named_rules(known[one])]
    return reached


def _versioned(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules with their versions; one that waits for others has theirs in its own."""
    known = {rule.name: rule for rule in rules}
    versions: dict[str, str] = {}
    waiting = list(known)
    while waiting:
        rule = known[waiting[-1]]
        missing = [name for _, name in _named_rules(rule) if name not in versions]
        if missing:
            waiting += missing
        else:
            versions.setdefault(waiting.pop(), version_of(rule, versions))
    return tuple(replace(rule, version=versions[rule.name]) for rule in rules)
