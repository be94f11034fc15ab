"""The configuration as types: every key, its default and what it must be.

`config.load` fills them from a file and the environment. All are frozen, refuse unknown keys, and hold secrets only as
`Secret`. Relative paths count from `folder` of the validation context.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from alertbot.documents import Duration, json_schema, unknown
from alertbot.errors import ConfigError, Mistake
from alertbot.rules.hours import PATTERN, parse_window
from alertbot.rules.model import Level, Window
from alertbot.secret import Secret

SLACK_API_URL = "https://slack.com/api/"


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    if not isinstance(value, str):
        raise ValueError("must be the name of a time zone, like Europe/Berlin")  # noqa: TRY004 - a mistake of people
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        known = available_timezones()
        by_city = [zone for zone in known if zone.rpartition("/")[2].lower() == value.lower().replace(" ", "_")]
        hint = f"did you mean `{min(by_city)}`?" if by_city else unknown(value, known, "time zone").partition("; ")[2]
        raise ValueError(f"unknown time zone; {hint or 'it is a name like Europe/Berlin'}") from None


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError("must be a path")
    folder = (info.context or {}).get("folder", Path())
    return Path(folder) / Path(value).expanduser()


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"there is no {path}")
    return path


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _window(value: object) -> Window:
    if isinstance(value, Window):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a text, like 22:00-07:00")  # noqa: TRY004 - a mistake of people
    return parse_window(value)


def _some_hours_left(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    """Quiet hours that never end would never be told of."""
    week = 7 * 1440
    quiet: set[int] = set()
    for window in windows:
        length = (window.end_minute - window.start_minute - 1) % 1440 + 1
        for day in window.days:
            begin = day * 1440 + window.start_minute
            quiet.update(minute % week for minute in range(begin, begin + length))
    if len(quiet) == week:
        raise ValueError("leave no hour of the week to tell anything in; quiet hours must end")
    return windows


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, insecure_http: bool = False, allow: str = "") -> str:
    """An address that a secret may be sent to, without a slash at its end. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not an address; it looks like https://acme.onlyoffice.com") from None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("must be an address that begins with https://, like https://acme.onlyoffice.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a ? or #")
    if parts.scheme == "http" and not insecure_http and not is_loopback(host):
        raise ValueError(f"must begin with https://; http would show the key to everybody on the way{allow}")
    return url.rstrip("/")


def _secret_url(value: object) -> Secret:
    secret = Secret.parse(value)
    check_url(secret.get_secret_value().partition("?")[0])
    return secret


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError("must be an address and a port, like 127.0.0.1:9477")
    return value


def _not_of(prefix: str, sentence: str) -> AfterValidator:
    def check(secret: Secret) -> Secret:
        if secret.get_secret_value().startswith(prefix):
            raise ValueError(sentence)
        return secret

    return AfterValidator(check)


Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]}),
]
Several = Annotated[
    tuple[str, ...], BeforeValidator(_several), WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})
]
QuietHours = Annotated[
    tuple[Annotated[Window, BeforeValidator(_window)], ...],
    BeforeValidator(_several),
    Field(min_length=1),
    AfterValidator(_some_hours_left),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PATTERN, "examples": ["22:00-07:00"]},
                {"type": "array", "items": {"type": "string", "pattern": PATTERN}, "minItems": 1},
            ]
        }
    ),
]
File = Annotated[Path, BeforeValidator(_path)]
ExistingFile = Annotated[File, AfterValidator(_existing)]
SecretUrl = Annotated[Secret, BeforeValidator(_secret_url)]
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[Duration, Field(gt=timedelta(0))]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


class PortalSettings(_Model):
    """A portal and how it is read."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "main"
    insecure_http: bool = False
    url: str
    api_key: Secret
    zone: Zone = ZoneInfo("UTC")
    poll: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=10)
    history: Duration = timedelta(days=30)
    lateness: Duration = timedelta(minutes=5)
    max_skew: Positive | None = timedelta(seconds=60)
    ca: ExistingFile | None = None

    @field_validator("url")
    @classmethod
    def _url(cls, url: str, info: ValidationInfo) -> str:
        allow = " (insecure_http: true allows it)"
        return check_url(url, insecure_http=bool(info.data.get("insecure_http")), allow=allow)


class SlackSettings(_Model):
    """Where alerts go: a bot token and a channel, or an incoming webhook."""

    token: Annotated[Secret, _not_of("xapp-", "is an app token; the bot token begins with xoxb-")] | None = None
    webhook: SecretUrl | None = None
    app_token: Annotated[Secret, _not_of("xoxb-", "is a bot token; the app token begins with xapp-")] | None = None
    api_url: str = SLACK_API_URL
    channel: Text | None = None
    fallback: Text | None = None
    responders: tuple[Text, ...] | None = None
    end_sessions: tuple[Text, ...] = ()

    @field_validator("api_url", mode="before")
    @classmethod
    def _api_url(cls, url: object) -> object:
        if url is None:
            return SLACK_API_URL
        return check_url(url) + "/" if isinstance(url, str) else url


class Escalation(_Model):
    """Who is told when nobody acknowledges."""

    after: Positive
    channel: Text | None = None
    mention: Text | None = None


class RouteMatch(_Model):
    """Which incidents a route takes; a list means any of its values."""

    level: Annotated[tuple[Level, ...], BeforeValidator(_several)] = ()
    rule: Several = ()
    tag: Several = ()
    portal: Several = ()
    role: Several = ()
    route: Several = ()


class Route(_Model):
    """One of the ways to people; the first that matches is taken, and after one with `continue` the next too."""

    match: RouteMatch = RouteMatch()
    channel: Text | None = None
    mention: Text | None = None
    escalate: Escalation | None = None
    quiet_hours: QuietHours = ()
    goes_on: Annotated[bool, Field(alias="continue")] = False


class Retention(_Model):
    """How long the store keeps what it has."""

    events: Positive = timedelta(days=180)
    incidents: Positive = timedelta(days=400)


class HealthSettings(_Model):
    """A page that tells how it stands (`listen`), and an address that is called as long as all is well (`heartbeat`)."""

    listen: Annotated[str, AfterValidator(_listen)] | None = None
    heartbeat: SecretUrl | None = None


def _store(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be an address like sqlite:////var/lib/alertbot/alertbot.db")
    scheme, separator, rest = value.partition("://")
    if not separator:
        raise ValueError("must be an address like sqlite:////var/lib/alertbot/alertbot.db or postgresql://user@host/name")
    if scheme in ("sqlite", "sqlite+pysqlite"):
        if not rest.startswith("/") or rest == "/" or ":memory:" in rest:
            raise ValueError("must name a file, like sqlite:////var/lib/alertbot/alertbot.db")
        return f"sqlite:///{_path(rest[1:], info).absolute()}"
    if scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    raise ValueError("must begin with sqlite:/// or postgresql://")


class Configuration(_Model):
    """All keys of `alertbot.yaml`."""

    portals: Annotated[tuple[PortalSettings, ...], Field(min_length=1)]
    slack: SlackSettings | None = None
    routes: tuple[Route, ...] = ()
    rules: Annotated[tuple[ExistingFile, ...], BeforeValidator(_several), Field(min_length=1)]
    store: Annotated[str, BeforeValidator(_store), Field(repr=False)]
    old_news: Positive = timedelta(hours=1)
    retention: Retention = Retention()
    health: HealthSettings = HealthSettings()


class Settings(Configuration):
    """The configuration as the rest of alertbot takes it."""

    path: Path | None = None
    warnings: tuple[Mistake, ...] = ()

    def need_slack(self) -> SlackSettings:
        """Where alerts go. Raises `ConfigError` where no Slack is configured."""
        if self.slack is None:
            where = str(self.path) if self.path else "the environment"
            sentence = (
                "slack: is missing; set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL, or write it into the file"
            )
            raise ConfigError([Mistake(where, 0, 0, sentence)])
        return self.slack

    def portal(self, name: str | None = None) -> PortalSettings:
        """The portal of that name; without one, the only portal there is. Raises `ConfigError`."""
        names = [portal.name for portal in self.portals]
        if name is None and len(names) == 1:
            return self.portals[0]
        if name in names:
            return self.portals[names.index(name)]
        where = str(self.path) if self.path else "the environment"
        sentence = unknown(name, names, "portal") if name else f"there are several portals; name one of {', '.join(names)}"
        raise ConfigError([Mistake(where, 0, 0, sentence)])

    def secrets(self) -> Iterator[Secret]:
        """Every secret of the configuration, for who has to keep them out of something."""
        yield from _secrets(self)
        if password := urlsplit(self.store).password:
            yield Secret(password)


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
        yield from value.former
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)


def configuration_schema() -> dict[str, Any]:
    """The JSON Schema of `alertbot.yaml`. Nothing is required there: the environment may hold it."""
    schema = json_schema(Configuration, "alertbot.yaml")
    for model in (schema, schema["$defs"]["PortalSettings"]):
        model.pop("required", None)
    return schema
