"""The configuration: file and environment together, every mistake at its place, no secret anywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alertbot.config import Secret, Settings, configuration_schema, load
from alertbot.errors import ConfigError
from alertbot.rules.model import Window

ENV = {"DOCSPACE_URL": "https://acme.onlyoffice.com", "DOCSPACE_API_KEY": "sk-docspace"}
BOT = {"SLACK_BOT_TOKEN": "xoxb-token", "SLACK_CHANNEL": "#security"}

WHOLE = """\
portals:
  - name: main
    url: https://acme.onlyoffice.com
    api_key: ${DOCSPACE_API_KEY}
    zone: Europe/Berlin
    poll: 10s
    history: 30d
    lateness: 5m
    max_skew: 60s
    ca: null
slack:
  token: ${SLACK_BOT_TOKEN}
  app_token: ${SLACK_APP_TOKEN}
  api_url: null
  channel: "#security"
  fallback: "#security-ops"
  responders: [U024BE7LH, S0614TZR7]
  end_sessions: [U024BE7LH]
routes:
  - match: {level: [critical, high]}
    channel: "#oncall"
    mention: "@oncall"
    escalate: {after: 15m, channel: "#oncall-leads"}
rules: [rules]
store: sqlite:////var/lib/alertbot/alertbot.db
old_news: 1h
retention: {events: 180d, incidents: 400d}
health: {listen: 127.0.0.1:9477, heartbeat: null}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules, on a machine without a configuration of its own."""
    monkeypatch.setattr("alertbot.config.SEARCH", (Path("alertbot.yaml"),))
    (tmp_path / "rules").mkdir()
    return tmp_path


def settings(here: Path, text: str | None = None, env: dict[str, str] | None = None) -> Settings:
    if text is not None:
        (here / "alertbot.yaml").write_text(text)
    return load(None, ENV if env is None else env, cwd=here)


def mistakes(here: Path, text: str | None = None, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings(here, text, env)
    return str(caught.value).splitlines()


def test_every_documented_key_is_taken(here: Path) -> None:
    found = settings(here, WHOLE, {"DOCSPACE_API_KEY": "sk-1", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"})
    (portal,) = found.portals
    assert portal.api_key == Secret("sk-1")
    assert portal.zone == ZoneInfo("Europe/Berlin")
    assert (portal.poll, portal.history, portal.lateness) == (
        timedelta(seconds=10),
        timedelta(days=30),
        timedelta(minutes=5),
    )
    assert found.need_slack().channel == "#security"
    assert found.need_slack().api_url == "https://slack.com/api/"
    assert found.routes[0].match.level == ("critical", "high")
    assert found.rules == (here / "rules",)
    assert found.store == "sqlite:////var/lib/alertbot/alertbot.db"
    assert found.path == here / "alertbot.yaml"


def test_keys_without_effect_yet_are_named_in_warnings(here: Path) -> None:
    found = settings(here, WHOLE, {"DOCSPACE_API_KEY": "sk-1", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"})
    assert "alertbot.yaml:28:10: warning: health.listen: has no effect yet" in map(str, found.warnings)
    assert all(warning.warning for warning in found.warnings)
    assert settings(here, "slack: {token: xoxb-1, channel: C1}").warnings == ()


def test_the_environment_alone_is_enough(here: Path) -> None:
    found = settings(here, env=ENV | BOT)
    assert found.portals[0].url == "https://acme.onlyoffice.com"
    assert found.portals[0].name == "main"
    assert found.need_slack().token == Secret("xoxb-token")
    assert found.need_slack().channel == "#security"
    assert found.rules == (here / "rules",)
    assert found.store == f"sqlite:///{here}/alertbot.db"
    assert found.path is None


def test_every_variable_is_taken(here: Path) -> None:
    (here / "more.yml").touch()
    found = settings(
        here,
        env=ENV
        | BOT
        | {
            "SLACK_API_URL": "http://127.0.0.1:8080/api",
            "SLACK_APP_TOKEN": "xapp-1",
            "ALERTBOT_RULES": "rules:more.yml",
            "ALERTBOT_STORE": "sqlite:///state/bot.db",
            "ALERTBOT_HEALTH": "127.0.0.1:0",
        },
    )
    assert found.need_slack().api_url == "http://127.0.0.1:8080/api/"
    assert found.need_slack().app_token == Secret("xapp-1")
    assert found.rules == (here / "rules", here / "more.yml")
    assert found.store == f"sqlite:///{here}/state/bot.db"
    assert found.health.listen == "127.0.0.1:0"


def test_a_webhook_takes_the_place_of_a_token(here: Path) -> None:
    found = settings(here, env=ENV | {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x"})
    assert found.need_slack().webhook == Secret("https://hooks.slack.com/services/T/B/x")
    assert found.need_slack().token is None


def test_a_token_goes_before_a_webhook_where_both_would_do(here: Path) -> None:
    both = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x"}
    assert settings(here, env=ENV | BOT | both).need_slack().webhook is None
    assert settings(here, env=ENV | both | {"SLACK_BOT_TOKEN": "xoxb-1"}).need_slack().token is None


def test_the_environment_fills_in_only_what_the_file_leaves_out(here: Path) -> None:
    found = settings(here, "portals: [{name: acme, api_key: sk-mine}]\nslack: {channel: C1}", ENV | BOT)
    assert found.portals[0].name == "acme"
    assert found.portals[0].api_key == Secret("sk-mine")
    assert found.portals[0].url == "https://acme.onlyoffice.com"
    assert found.need_slack().channel == "C1"
    assert found.need_slack().token == Secret("xoxb-token")


def test_the_environments_key_goes_to_no_portal_where_there_are_several(here: Path) -> None:
    text = "portals:\n  - {name: a, url: 'https://a.example'}\n  - {name: b, url: 'https://b.example'}\n"
    assert mistakes(here, text) == [
        "alertbot.yaml:2:5: portals[0].api_key: is missing",
        "alertbot.yaml:3:5: portals[1].api_key: is missing",
    ]


def test_an_empty_file_and_an_empty_variable_leave_all_out(here: Path) -> None:
    assert settings(here, "# nothing\n").portals[0].url == ENV["DOCSPACE_URL"]
    assert settings(here, "slack:\nrules:\n", ENV | {"SLACK_WEBHOOK_URL": ""}).slack is None


def test_reading_the_portal_needs_no_slack_but_alerting_does(here: Path) -> None:
    with pytest.raises(ConfigError, match="slack: is missing; set SLACK_BOT_TOKEN"):
        settings(here).need_slack()


def test_the_named_file_goes_before_the_one_in_the_folder(here: Path) -> None:
    other = here / "etc" / "bot.yaml"
    other.parent.mkdir()
    other.write_text("rules: [mine.yml]\nstore: sqlite:///state.db")
    (other.parent / "mine.yml").touch()
    (here / "alertbot.yaml").write_text("nonsense: 1")
    found = load(other, ENV, cwd=here)
    assert found.rules == (other.parent / "mine.yml",)
    assert found.store == f"sqlite:///{other.parent}/state.db"


def test_a_named_file_that_is_not_there_is_a_mistake(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load(here / "none.yaml", ENV, cwd=here)


def test_a_postgres_store_is_taken_with_the_driver_that_we_use(here: Path) -> None:
    found = settings(here, "store: postgres://bot:pg-secret@db/alerts")
    assert found.store == "postgresql+psycopg://bot:pg-secret@db/alerts"
    assert "pg-secret" not in repr(found)
    assert Secret("pg-secret") in set(found.secrets())


def test_nothing_at_all_is_one_sentence(here: Path) -> None:
    (said,) = mistakes(here, env={})
    assert "there is no configuration" in said
    assert "alertbot init" in said


def test_what_the_environment_says_wrong_is_told_by_its_variables(here: Path) -> None:
    env = {
        "DOCSPACE_URL": "http://acme.example",
        "SLACK_BOT_TOKEN": "xapp-1",
        "ALERTBOT_RULES": "none",
        "ALERTBOT_STORE": "mysql://x",
        "ALERTBOT_HEALTH": "9477",
    }
    assert mistakes(here, env=env) == [
        "ALERTBOT_HEALTH: must be an address and a port, like 127.0.0.1:9477",
        f"ALERTBOT_RULES: there is no {here}/none",
        "ALERTBOT_STORE: must begin with sqlite:/// or postgresql://",
        "DOCSPACE_API_KEY: is not set",
        "DOCSPACE_URL: must begin with https://; http would show the key to everybody on the way"
        " (insecure_http: true allows it)",
        "SLACK_BOT_TOKEN: is an app token; the bot token begins with xoxb-",
        "SLACK_CHANNEL: is not set; SLACK_BOT_TOKEN needs a channel to post to",
    ]


def test_all_mistakes_are_told_at_once_each_at_its_place(here: Path) -> None:
    text = """\
portals:
  - name: a
    url: http://acme.example
    zone: Berlin
    poll: 10
    api_kye: x
  - name: a
    url: https://x:y@acme.example
    api_key: ${file:none}
    zone: Europe/Berln
slack:
  token: ${SLACK}
  webhook: foo
rulez: [x]
routes:
  - match: {level: hihg}
    continue: maybe
retention: {events: 180}
health: {listen: 9477}
"""
    assert mistakes(here, text) == [
        "alertbot.yaml:2:5: portals[0].api_key: is missing",
        "alertbot.yaml:3:10: portals[0].url: must begin with https://; http would show the key to everybody on the way"
        " (insecure_http: true allows it)",
        "alertbot.yaml:4:11: portals[0].zone: unknown time zone; did you mean `Europe/Berlin`?",
        "alertbot.yaml:5:11: portals[0].poll: needs a unit: 10s, 10m, 10h or 10d",
        "alertbot.yaml:6:5: portals[0].api_kye: unknown key; did you mean `api_key`?",
        "alertbot.yaml:7:11: portals[1].name: is the name of portals[0] already; each portal needs its own",
        "alertbot.yaml:8:10: portals[1].url: must not hold a user or password",
        f"alertbot.yaml:9:14: portals[1].api_key: {here}/none cannot be read: No such file or directory",
        "alertbot.yaml:10:11: portals[1].zone: unknown time zone; did you mean `Europe/Berlin`?",
        "alertbot.yaml:12:10: slack.token: the variable SLACK is not set",
        "alertbot.yaml:13:3: slack.webhook: stands beside a token; keep one of the two",
        "alertbot.yaml:13:12: slack.webhook: must be an address that begins with https://, like https://acme.onlyoffice.com",
        "alertbot.yaml:14:1: rulez: unknown key; did you mean `rules`?",
        "alertbot.yaml:16:20: routes[0].match.level: must be informational, low, medium, high or critical;"
        " did you mean `high`?",
        "alertbot.yaml:17:15: routes[0].continue: must be true or false",
        "alertbot.yaml:18:21: retention.events: needs a unit: 180s, 180m, 180h or 180d",
        "alertbot.yaml:19:18: health.listen: must be a text",
    ]


def test_quiet_hours_are_a_window_or_several(here: Path) -> None:
    night = Window(frozenset(range(7)), 22 * 60, 7 * 60)
    found = settings(
        here, 'routes:\n  - quiet_hours: "22:00-07:00"\n  - quiet_hours: ["22:00-07:00", "Sat 00:00-24:00"]\n  - {}\n'
    )
    assert [route.quiet_hours for route in found.routes] == [
        (night,),
        (night, Window(frozenset({5}), 0, 1440)),
        (),
    ]
    shown = configuration_schema()["$defs"]["Route"]["properties"]["quiet_hours"]
    assert [kind["type"] for kind in shown["anyOf"]] == ["string", "array"]


def test_quiet_hours_that_are_none_or_never_end_are_refused_at_their_place(here: Path) -> None:
    text = """\
routes:
  - quiet_hours: 22-7
  - quiet_hours: ["22:00-07:00", "Mno 10:00-12:00"]
  - quiet_hours: [7]
  - quiet_hours: ["22:00-07:00", "7:00-22:00"]
  - quiet_hours: "08:00-08:00"
"""
    assert mistakes(here, text) == [
        "alertbot.yaml:2:18: routes[0].quiet_hours: must be days and hours, like Mon-Fri 07:00-20:00,"
        " Sat,Sun 00:00-24:00 or 22:00-06:00",
        "alertbot.yaml:3:34: routes[1].quiet_hours[1]: unknown day 'Mno'; did you mean Mon?",
        "alertbot.yaml:4:19: routes[2].quiet_hours[0]: must be a text, like 22:00-07:00",
        "alertbot.yaml:5:18: routes[3].quiet_hours: leave no hour of the week to tell anything in; quiet hours must end",
        "alertbot.yaml:6:18: routes[4].quiet_hours: starts and ends at the same minute; a whole day is 00:00-24:00",
    ]


def test_a_channel_that_became_a_comment_is_explained(here: Path) -> None:
    assert mistakes(here, "slack:\n  token: xoxb-1\n  channel: #security\n") == [
        'alertbot.yaml:3:3: slack.channel: is empty; # begins a comment, so put quotes around it: channel: "#security"'
    ]


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example", "https://", "a.example", "https://a.example/?x=1", "https://a b.example", "https://a.example:x"],
)
def test_an_address_that_cannot_be_a_portals_is_refused(here: Path, url: str) -> None:
    assert len(mistakes(here, env=ENV | {"DOCSPACE_URL": url})) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80/", "https://a.example/"])
def test_http_is_for_this_machine_only(here: Path, url: str) -> None:
    assert settings(here, env=ENV | {"DOCSPACE_URL": url}).portals[0].url == url.rstrip("/")


def test_http_to_another_machine_can_be_insisted_on(here: Path) -> None:
    text = "portals: [{url: 'http://portal.lan', insecure_http: true, api_key: abc}]"
    assert settings(here, text).portals[0].url == "http://portal.lan"


def test_no_error_and_no_repr_shows_a_secret(here: Path) -> None:
    env = ENV | BOT | {"SLACK_APP_TOKEN": "xapp-app-secret", "HEART": "https://beat.example/heart-secret"}
    found = settings(here, "health: {heartbeat: '${HEART}'}", env)
    secrets = {secret.get_secret_value() for secret in found.secrets()}
    assert secrets == {"sk-docspace", "xoxb-token", "xapp-app-secret", "https://beat.example/heart-secret"}
    key = "'${DOCSPACE_API_KEY} '"
    wrong = f"portals: [{{url: {key}, zone: {key}, name: {key}, poll: {key}}}]"
    said = "\n".join(mistakes(here, wrong, env))
    assert said.count("portals[0]") == 4
    assert not [secret for secret in secrets if secret in said or secret in repr(found)]


def test_what_stands_in_a_variable_is_never_yaml(here: Path) -> None:
    found = settings(here, "slack: {token: xoxb-1, channel: '${CHANNEL}'}", ENV | {"CHANNEL": "x\nrules: [none]"})
    assert found.need_slack().channel == "x\nrules: [none]"


def test_settings_cannot_be_changed(here: Path) -> None:
    found = settings(here)
    with pytest.raises(ValueError, match="frozen"):
        found.portals[0].url = "https://evil.example"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "alertbot.yaml:1:1: must be `key: value` lines; `alertbot init` writes an example"),
        ("a: 1\n---\nb: 2", "alertbot.yaml:3:1: must hold one document; leave out the --- line"),
        ("portals: {name: a}", "alertbot.yaml:1:10: portals: must be a list"),
        ("portals: []", "alertbot.yaml:1:10: portals: needs at least 1 of them"),
        ("slack: nonsense", "alertbot.yaml:1:8: slack: must be a mapping"),
        ("store: alertbot.db", "alertbot.yaml:1:8: store: must be an address like sqlite:////var/lib/alertbot/alertbot.db"),
        ("store: 'sqlite://'", "alertbot.yaml:1:8: store: must name a file"),
        ("rules: none", "alertbot.yaml:1:8: rules: there is no"),
        ("slack: {channel: C1}", "alertbot.yaml:1:1: slack.token: is missing; or set SLACK_BOT_TOKEN, or give a webhook"),
    ],
)
def test_a_file_of_the_wrong_shape_is_told_in_one_mistake(here: Path, text: str, sentence: str) -> None:
    (said,) = mistakes(here, text)
    assert said.startswith(sentence)


def test_a_file_without_portals_says_how_to_name_one(here: Path) -> None:
    assert mistakes(here, "a: 1", {}) == [
        "alertbot.yaml:1:1: a: unknown key; known are health, old_news, portals, retention, routes, rules, slack, store",
        "alertbot.yaml:1:1: portals: is missing; or set DOCSPACE_URL and DOCSPACE_API_KEY",
    ]


def test_the_only_portal_needs_no_name_and_one_of_several_does(here: Path) -> None:
    assert settings(here).portal().name == "main"
    text = "portals:\n  - {name: a, url: 'https://a.example', api_key: x}\n  - {name: b, url: 'https://b.example', api_key: x}"
    found = settings(here, text)
    assert found.portal("b").url == "https://b.example"
    with pytest.raises(ConfigError, match="name one of a, b"):
        found.portal()
    with pytest.raises(ConfigError, match="unknown portal"):
        found.portal("c")


def test_the_schema_knows_every_key_and_requires_none() -> None:
    schema = configuration_schema()
    assert set(schema["properties"]) >= {"portals", "slack", "routes", "rules", "store", "old_news", "retention", "health"}
    assert schema["additionalProperties"] is False
    assert "required" not in schema
