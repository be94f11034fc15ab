"""The configuration: from a YAML file and the environment to `Settings`, with every mistake at its place.

The environment fills in what the file leaves out, and with no file it is enough. `${NAME}` and `${file:/path}` are put into
parsed values, never into the text. What comes from the environment is told by its variable's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alertbot.documents import Document, read_yaml, validate
from alertbot.errors import ConfigError, Mistake, Mistakes
from alertbot.secret import Secret, fill
from alertbot.settings import Configuration, PortalSettings, Settings, SlackSettings, configuration_schema
from alertbot.yaml12 import Way

__all__ = ["PortalSettings", "Secret", "Settings", "SlackSettings", "configuration_schema", "load"]

SEARCH = (Path("alertbot.yaml"), Path("/etc/alertbot/alertbot.yaml"))
"""Where the file is looked for when nobody names one; relative to the working directory."""

ENVIRONMENT = "the environment"

NOT_YET: tuple[Way, ...] = (
    ("retention",),
    ("health", "listen"),
    ("health", "heartbeat"),
)
"""Keys that are accepted and have no effect yet; a configuration that sets one is told so."""


def load(path: Path | None, environ: Mapping[str, str], *, cwd: Path | None = None) -> Settings:
    """The settings of the file `path`, else of the first of `SEARCH` that exists, else of the environment alone.

    Raises `ConfigError` with all that is wrong.
    """
    cwd = cwd or Path.cwd()
    file = path or next((cwd / one for one in SEARCH if (cwd / one).is_file()), None)
    folder = (file.parent if file.is_absolute() else cwd / file.parent) if file else cwd
    try:
        document = _document(file, path or (file and _shown(file, cwd)))
    except Mistakes as exc:
        raise ConfigError(exc.mistakes) from exc
    draft = _Draft(document, environ, folder, cwd)
    draft.fill_in()
    context = {"folder": folder}
    checked = validate(Configuration, draft.document, value=draft.value, context=context)
    mistakes = draft.all_mistakes(checked if isinstance(checked, list) else [])
    if mistakes or isinstance(checked, list):
        raise ConfigError(mistakes)
    values = {name: getattr(checked, name) for name in Configuration.model_fields}
    return Settings.model_construct(**values, path=file, warnings=tuple(draft.warnings()))


def _shown(file: Path, cwd: Path) -> Path:
    return file.relative_to(cwd) if file.is_relative_to(cwd) else file


def _document(file: Path | None, name: Path | None) -> Document:
    if file is None:
        return Document(ENVIRONMENT, {}, {})
    documents = read_yaml(file, str(name))
    if len(documents) > 1:
        raise Mistakes([documents[1].mistake((), "must hold one document; leave out the --- line")])
    if not documents or documents[0].value is None:
        return Document(str(name), {}, {})
    if not isinstance(documents[0].value, dict):
        raise Mistakes([documents[0].mistake((), "must be `key: value` lines; `alertbot init` writes an example")])
    return documents[0]


@dataclass
class _Draft:
    """A configuration that is being put together: the file's values, and the environment's where the file has none."""

    document: Document
    environ: Mapping[str, str]
    folder: Path
    cwd: Path

    def __post_init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.origins: dict[Way, str] = {}
        whole = self._filled(self.document.value, ())
        self.value: dict[str, Any] = {key: value for key, value in whole.items() if value is not None}

    def _filled(self, value: Any, way: Way) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item, (*way, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, (*way, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            return fill(value, self.environ, self.folder)
        except ValueError as exc:
            self.mistakes.append(self.document.mistake(way, str(exc)))
            return value

    def fill_in(self) -> None:
        """Take from the environment what the file leaves out, and look at what no key can see alone."""
        self._portals()
        self._slack()
        if "rules" not in self.value:
            self._rules()
        if "store" not in self.value:
            self._store()
        health = self.value.get("health", {})
        if isinstance(health, dict) and "listen" not in health:
            self._take(("health", "listen"), "ALERTBOT_HEALTH")
        self.document = replace(self.document, origins=self.origins)
        self.mistakes += [*self._equal_names(), *self._slack_mistakes()]

    def _take(self, way: Way, variable: str, change: Any = None) -> bool:
        """Put a variable at `way` of the value, and tell whether there is one."""
        text = self.environ.get(variable)
        if not text:
            return False
        target: Any = self.value
        for depth, part in enumerate(way[:-1], start=1):
            if isinstance(target, dict) and part not in target:
                target[part] = {}
                self.origins[way[:depth]] = ENVIRONMENT
            target = target[part]
        target[way[-1]] = change(text) if change else text
        self.origins[way] = variable
        return True

    def _portals(self) -> None:
        portals = self.value.get("portals")
        alone = "portals" not in self.value
        if alone:
            if not self.environ.get("DOCSPACE_URL") and not self.environ.get("DOCSPACE_API_KEY"):
                self._nothing()
                return
            portals = self.value["portals"] = [{}]
            self.origins |= {("portals",): ENVIRONMENT, ("portals", 0): ENVIRONMENT}
        # A key goes to the portal that it belongs to: with several of them nobody can tell which that is.
        if not isinstance(portals, list) or len(portals) != 1 or not isinstance(portals[0], dict):
            return
        for key, variable in (("url", "DOCSPACE_URL"), ("api_key", "DOCSPACE_API_KEY")):
            way = ("portals", 0, key)
            if portals[0].get(key) is None and not self._take(way, variable):
                portals[0].pop(key, None)
                if alone:
                    self.origins[way] = variable
                    self.mistakes.append(Mistake(variable, 0, 0, "is not set"))

    def _nothing(self) -> None:
        if self.document.name != ENVIRONMENT:
            self.mistakes.append(self.document.missing(("portals",), "or set DOCSPACE_URL and DOCSPACE_API_KEY"))
            return
        looked = " nor ".join(str(one) for one in SEARCH)
        sentence = f"there is no configuration: neither {looked} is there, and DOCSPACE_URL and DOCSPACE_API_KEY are not set"
        raise ConfigError([Mistake("alertbot", 0, 0, f"{sentence}; `alertbot init` writes one to start from")])

    def _slack(self) -> None:
        slack = self.value.get("slack", {})
        if not isinstance(slack, dict):
            return
        channel = slack.get("channel") or self.environ.get("SLACK_CHANNEL")
        if not slack.get("token") and not slack.get("webhook"):
            token, webhook = (("slack", "token"), "SLACK_BOT_TOKEN"), (("slack", "webhook"), "SLACK_WEBHOOK_URL")
            first, second = (token, webhook) if channel else (webhook, token)
            if not self._take(*first) and not self._take(*second):
                return
        if self.value["slack"].get("token"):
            for key, variable in (("channel", "SLACK_CHANNEL"), ("app_token", "SLACK_APP_TOKEN"), ("api_url", "SLACK_API_URL")):
                if self.value["slack"].get(key) is None:
                    self._take(("slack", key), variable)

    def _slack_mistakes(self) -> Iterator[Mistake]:
        slack = self.value.get("slack")
        if not isinstance(slack, dict):
            return
        if slack.get("token") and slack.get("webhook"):
            yield self.document.mistake(("slack", "webhook"), "stands beside a token; keep one of the two", at_key=True)
        elif not slack.get("token") and not slack.get("webhook"):
            yield self.document.missing(("slack", "token"), "or set SLACK_BOT_TOKEN, or give a webhook")
        elif slack.get("token") and not slack.get("channel"):
            yield self._no_channel()

    def _no_channel(self) -> Mistake:
        if ("slack", "channel") in self.document.places:
            sentence = 'is empty; # begins a comment, so put quotes around it: channel: "#security"'
            return self.document.mistake(("slack", "channel"), sentence, at_key=True)
        if ("slack", "token") in self.origins and ("slack",) in self.origins:
            return Mistake("SLACK_CHANNEL", 0, 0, "is not set; SLACK_BOT_TOKEN needs a channel to post to")
        return self.document.missing(("slack", "channel"), "or set SLACK_CHANNEL")

    def _equal_names(self) -> Iterator[Mistake]:
        portals = self.value.get("portals")
        seen: dict[str, int] = {}
        for index, portal in enumerate(portals if isinstance(portals, list) else []):
            name = portal.get("name", "main") if isinstance(portal, dict) else None
            if isinstance(name, str) and name in seen:
                sentence = f"is the name of portals[{seen[name]}] already; each portal needs its own"
                yield self.document.mistake(("portals", index, "name"), sentence)
            elif isinstance(name, str):
                seen[name] = index

    def _rules(self) -> None:
        def split(text: str) -> list[str]:
            return [str(self.cwd / part) for part in text.split(os.pathsep) if part]

        if self._take(("rules",), "ALERTBOT_RULES", split):
            self.origins |= {("rules", index): "ALERTBOT_RULES" for index in range(len(self.value["rules"]))}
        elif (self.folder / "rules").is_dir():
            self.value["rules"] = [str(self.folder / "rules")]
        else:
            from alertbot.rules.load import shipped_rules

            self.value["rules"] = [str(shipped_rules())]

    def _store(self) -> None:
        def absolute(text: str) -> str:
            scheme, separator, file = text.partition(":///")
            return f"{scheme}:///{self.cwd / file}" if separator and scheme.startswith("sqlite") and file else text

        if not self._take(("store",), "ALERTBOT_STORE", absolute):
            self.value["store"] = f"sqlite:///{self.folder / 'alertbot.db'}"

    def all_mistakes(self, found: list[Mistake]) -> list[Mistake]:
        """Ours and the models', where theirs does not only follow from one of ours; in the order of the file."""
        known = {_subject(mistake) for mistake in self.mistakes}
        return sorted({*self.mistakes, *(one for one in found if _subject(one) not in known)})

    def warnings(self) -> Iterator[Mistake]:
        """What is set and has no effect yet."""
        for way in NOT_YET:
            value: Any = self.value
            for part in way:
                value = value.get(part) if isinstance(value, dict) else None
            if value not in (None, {}, []):
                yield self.document.mistake(way, "has no effect yet", at_key=True, warning=True)


def _subject(mistake: Mistake) -> tuple[str, int, int, str]:
    """What a mistake is about: two about one thing are one too many."""
    return (mistake.path, mistake.line, mistake.col, mistake.message.partition(":")[0] if mistake.line else "")
