"""Which files hold rules, lists and calendars, and what is in them.

In come the paths that a configuration or a command names; out go documents. The lists and calendars of a folder stand in it as
`lists/NAME.yml` and `calendars.yml`; those of a single file stand beside it, or beside a folder that it is in. A link is what
it leads to: Kubernetes shows the folders of a ConfigMap as links.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from alertbot.documents import MAX_BYTES, Document, read_yaml
from alertbot.errors import Mistake, Mistakes
from alertbot.rules.calendars import read_calendars
from alertbot.rules.filters import reference
from alertbot.rules.lists import Listed, read_list
from alertbot.rules.model import Calendar, Expiry
from alertbot.rules.spelling import misread_in_list

SUFFIXES = (".yml", ".yaml")
LISTS = "lists"
CALENDARS = "calendars"
UPWARDS = 3
"""How many folders above a single file are looked at for lists and calendars."""


def shipped_rules() -> Path:
    """The folder of the rules that come with alertbot: in the package, or in a checkout beside it."""
    package = Path(__file__).parent.parent
    inside = package / "shipped_rules"
    return inside if inside.is_dir() else package.parent / "rules"


def rule_files(path: Path) -> list[Path]:
    """The rule files of a folder, sorted; lists, calendars and what begins with a dot are none."""
    relative = {file: file.relative_to(path) for file in _yaml_files(path)}
    return [file for file, way in relative.items() if not _is_list(way) and not _is_calendars(way)]


def files_read(paths: Iterable[Path]) -> list[Path]:
    """Every rule file, list and calendar that these paths name or have beside them, each once. Raises OSError."""
    files: dict[Path, None] = {}
    for path in paths:
        found = _yaml_files(path) if path.is_dir() else [path, *_beside([path], _is_list), *_beside([path], _is_calendars)]
        files |= dict.fromkeys(found)
    return list(files)


def digest_of(paths: Iterable[Path]) -> str:
    """A digest of the names and content of all these files. One that cannot be read counts with the reason."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for file in files_read(paths):
            digest.update(f"\x00{file}\x00".encode("utf-8", "surrogateescape"))
            digest.update(_content(file))
    except OSError as exc:
        digest.update(f"\x00{exc}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def files_of(paths: Sequence[Path], mistakes: list[Mistake]) -> list[Path]:
    """The rule files of all paths, each once. A list or calendars named by themselves are read as what they are."""
    files: dict[Path, None] = {}
    for path in paths:
        found = rule_files(path) if path.is_dir() else [path]
        if path.is_file() and (path.parent.name == LISTS or path.stem == CALENDARS):
            continue
        if not found:
            mistakes.append(Mistake(str(path), 0, 0, "holds no rule file (*.yml)"))
        files |= dict.fromkeys(found)
    return list(files)


def documents_of(file: Path, mistakes: list[Mistake]) -> Iterator[tuple[Document, str | None]]:
    """Every document of a file, and the name of its rule where it has none of its own."""
    documents = _read(file, mistakes)
    if documents is not None and not documents:
        mistakes.append(Mistake(str(file), 0, 0, "holds no rule", warning=True))
    rules = sum(not is_filter(document) for document in documents or ())
    for document in documents or ():
        yield document, file.stem if rules == 1 else None


def rules_beside(paths: Sequence[Path]) -> dict[str, tuple[Document, str | None]]:
    """The rules in the folders of the single files among the paths, those of the paths aside: by name and by id, each with
    the name that it has by its file. What is wrong in these files is not told: nobody asked for them."""
    own = {file.resolve() for file in files_of(paths, [])}
    found: dict[str, tuple[Document, str | None]] = {}
    for folder in dict.fromkeys(path.parent for path in paths if not path.is_dir()):
        for file in rule_files(folder):
            if file.resolve() in own:
                continue
            for document, default_name in documents_of(file, []):
                if isinstance(document.value, dict) and not is_filter(document):
                    for name in (document.value.get("name") or default_name, document.value.get("id")):
                        if isinstance(name, str):
                            found.setdefault(reference(name), (document, default_name))
    return found


def is_filter(document: Document) -> bool:
    """Whether a document is a filter over rules, and no rule itself."""
    return isinstance(document.value, dict) and "filter" in document.value


def lists_of(paths: Sequence[Path], mistakes: list[Mistake]) -> tuple[dict[str, list[Listed]], list[Expiry]]:
    """The lists beside the rules of all paths by name, and what in them comes to an end."""
    lists: dict[str, list[Listed]] = {}
    expiries: list[Expiry] = []
    first: dict[str, Path] = {}
    for file in _beside(paths, _is_list):
        if file.stem in first:
            mistakes.append(Mistake(str(file), 0, 0, f"the list {file.stem!r} is {first[file.stem]} already"))
            continue
        first[file.stem] = file
        lists[file.stem] = []
        for document in _read(file, mistakes) or ():
            listed, ending, said = read_list(document, file.stem)
            lists[file.stem] += listed
            expiries += ending
            mistakes += [*said, *misread_in_list(document)]
    return lists, expiries


def calendars_of(paths: Sequence[Path], mistakes: list[Mistake]) -> dict[str, Calendar]:
    """The calendars beside the rules of all paths by name."""
    calendars: dict[str, Calendar] = {}
    for file in _beside(paths, _is_calendars):
        for document in _read(file, mistakes) or ():
            found, said = read_calendars(document)
            mistakes += said
            mistakes += [
                document.mistake((name,), "another calendars.yml has a calendar of this name", at_key=True)
                for name in found.keys() & calendars.keys()
            ]
            calendars |= found
    return calendars


def _beside(paths: Sequence[Path], belongs: Callable[[Path], bool]) -> list[Path]:
    """The files that belong, by their way from the folder: in the folders among the paths, and in the nearest folder that has
    some above each single file."""
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            near = [file for file in _yaml_files(path) if belongs(file.relative_to(path))]
        else:
            near = next((files for folder in _above(path) if (files := _nearby(folder, belongs))), [])
        for file in near:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _above(file: Path) -> list[Path]:
    folder = file.absolute().parent
    here = Path.cwd()
    near = [folder, *folder.parents][:UPWARDS]
    return [one.relative_to(here) if one.is_relative_to(here) else one for one in near]


def _nearby(folder: Path, belongs: Callable[[Path], bool]) -> list[Path]:
    lists = folder / LISTS
    files = [*folder.glob("*.y*ml"), *(_yaml_files(lists) if lists.is_dir() else ())]
    return sorted(file for file in files if file.suffix in SUFFIXES and file.is_file() and belongs(file.relative_to(folder)))


def _yaml_files(folder: Path) -> list[Path]:
    """The YAML files in a folder and all folders below that no dot hides, sorted; a link that leads nowhere is among them, to
    be told of. Raises OSError."""
    found: list[Path] = []
    been: set[tuple[int, int]] = set()
    for way, below, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        here = Path(way)
        state = here.stat()
        if (state.st_dev, state.st_ino) in been:  # a link that leads here again
            below.clear()
            continue
        been.add((state.st_dev, state.st_ino))
        seen = (name for name in sorted(below) if not name.startswith("."))
        below[:] = sorted(seen, key=lambda name: (here / name).is_symlink())
        files = (here / name for name in names if not name.startswith("."))
        found += [file for file in files if file.suffix in SUFFIXES and (file.is_file() or not file.exists())]
    return sorted(found)


def _unreadable(error: OSError) -> NoReturn:
    raise error


def _content(file: Path) -> bytes:
    """What stands in a file, as far as it is read; nothing of a pipe, which gives what it has only once."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as exc:
        return str(exc.errno).encode()


def _is_list(relative: Path) -> bool:
    return LISTS in relative.parts[:-1]


def _is_calendars(relative: Path) -> bool:
    return relative.stem == CALENDARS and not _is_list(relative)


def _read(file: Path, mistakes: list[Mistake]) -> list[Document] | None:
    """The documents of a file that say something; None where it cannot be read."""
    try:
        return [document for document in read_yaml(file) if document.value is not None]
    except Mistakes as exc:
        mistakes += exc.mistakes
        return None
