"""Try everything for real, and say how to mend what is wrong.

In come the settings; out go checks, each with what was found and what to do. A portal is asked as `run` asks it, and Slack with
the bot's own token. Nothing is changed anywhere; only `post_test` posts, where somebody wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from alertbot.errors import (
    KeyRejected,
    NotAllowed,
    PlanMissing,
    PortalError,
    PortalTLSError,
    SlackCredential,
    SlackError,
)
from alertbot.lookout import Key, parse_key
from alertbot.moments import from_us, show_duration
from alertbot.outbox import Message, entry_id
from alertbot.portal.client import PortalClient, connect
from alertbot.portal.people import Person, read_people
from alertbot.portal.walk import PAGE
from alertbot.routing import names
from alertbot.selfwatch import KEY_DAYS
from alertbot.settings import PortalSettings, Settings, SlackSettings
from alertbot.slack.client import SlackClient, WebhookClient
from alertbot.slack.message import notice
from alertbot.slack.roster import UnknownNames, resolve
from alertbot.slack.socket import Socket, new_address

State = Literal["ok", "remark", "red", "untried"]

PATIENCE = timedelta(seconds=5)
SOCKET_WITHIN = timedelta(seconds=15)
AT_ONCE = 8
"""So many portals are tried at the same time."""

READS = frozenset({"*", "*:read", "*:write"})
WRITES = frozenset({"*", "*:write"})
ADMINS = ("owner", "admin")

_KEYS = "Developer Tools > API keys in the portal's settings"
_FORGED = (
    "Let the proxy before the portal drop the query parameter request-x-real-ip and set X-Forwarded-For itself: "
    "a portal takes a visitor's address, and with it the country, from them, so anybody can choose what alerts show."
)
_SCOPES = {
    "chat:write": "post and update alerts",
    "channels:history": "look whether an alert stands already before it is sent again",
    "groups:history": "the same in private channels",
    "channels:read": "find a channel by its name",
    "groups:read": "find a private channel by its name",
    "users:read": "call people, and know who presses a button",
    "usergroups:read": "call groups",
    "files:write": "put a long list into a thread",
}
_MUST = frozenset({"chat:write"})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. `red`: alertbot cannot work like that; `remark`: it can, and somebody should know."""

    what: str
    state: State
    said: str
    mend: str = ""


# -- portals -----------------------------------------------------------------------------------------------------------


async def look_at_portals(settings: Settings, now_us: int) -> dict[str, list[Check]]:
    """All portals, several at once."""
    room = asyncio.Semaphore(AT_ONCE)
    ends_sessions = settings.slack is not None and bool(settings.slack.end_sessions)

    async def look(portal: PortalSettings) -> list[Check]:
        async with room, connect([portal], portal.ca) as http:
            return await look_at_portal(PortalClient(portal, http, patience=PATIENCE), now_us, ends_sessions=ends_sessions)

    found = await asyncio.gather(*(look(portal) for portal in settings.portals))
    return {portal.name: checks for portal, checks in zip(settings.portals, found, strict=True)}


async def look_at_portal(client: PortalClient, now_us: int, *, ends_sessions: bool = False) -> list[Check]:
    """One portal: what cannot be tried because of what came before says so. `ends_sessions`: somebody may have it end some."""
    portal = client.portal
    try:
        key = parse_key((await client.key()).content)
    except PortalError as error:
        return _shut_out(portal, error)
    checks = [Check("reach", "ok", "It answers."), _tls(portal), _key(key, now_us)]
    people, directory = await _directory(client)
    owner = next((one for one in people if key.owner_id and one.id == key.owner_id), None)
    readable, plan = await _history(client)
    checks += [_rights(readable, owner, key), _scopes(key, readable=readable is None, ends_sessions=ends_sessions), plan]
    checks.append(await _audit_trail(client, readable=readable is None and plan.state != "red"))
    checks += [await _lifetime(client), directory, _skew(client), Check("addresses", "remark", "They can be forged.", _FORGED)]
    return checks


def _shut_out(portal: PortalSettings, error: PortalError) -> list[Check]:
    """Where not even the key can be asked about."""
    rest = ["rights", "scopes", "plan", "audit trail", "lifetime", "directory", "clock"]
    if isinstance(error, PortalTLSError):
        first = [Check("reach", "ok", "Something answers."), Check("tls", "red", *_parted(error))]
        rest.insert(0, "key")
    elif isinstance(error, KeyRejected | NotAllowed):
        first = [Check("reach", "ok", "It answers."), _tls(portal), Check("key", "red", *_parted(error))]
    else:
        first = [Check("reach", "red", *_parted(error))]
        rest = ["tls", "key", *rest]
    return [*first, *(Check(what, "untried", "What came before keeps it from being tried.") for what in rest)]


def _parted(error: Exception) -> tuple[str, str]:
    """What is wrong, and what to do: our sentences have a colon or a full stop between them."""
    said = str(error)
    for separator in (": ", ". "):
        head, _, tail = said.partition(separator)
        if tail:
            return f"{head}.", tail[0].upper() + tail[1:]
    return said, "Look whether the portal opens in a browser on this machine."


def _tls(portal: PortalSettings) -> Check:
    if portal.url.startswith("https://"):
        return Check("tls", "ok", "The certificate is good." if portal.ca is None else "Your own authority's is good.")
    return Check("tls", "remark", "http: the key is not hidden from who is on the way.", "Use https:// but on one machine.")


def _key(key: Key, now_us: int) -> Check:
    named = f"{key.name or 'The key'}{f', made by {key.owner}' if key.owner else ''}"
    if key.end_us is None:
        return Check("key", "ok", f"{named}; it does not end.")
    ends = f"{from_us(key.end_us):%Y-%m-%d}"
    if key.end_us - now_us <= max(KEY_DAYS) * 86_400_000_000:
        return Check("key", "remark", f"{named}; it ends on {ends}.", f"Make a new one in time under {_KEYS}.")
    return Check("key", "ok", f"{named}; it ends on {ends}.")


async def _directory(client: PortalClient) -> tuple[list[Person], Check]:
    try:
        people = await read_people(client)
    except PortalError as error:
        return [], Check("directory", "red", *_parted(error))
    if not people:
        said = "It is empty: failures cannot be joined with people."
        return people, Check("directory", "remark", said, "Look whether the key's owner sees the portal's people.")
    active = sum(one.status == "active" for one in people)
    return people, Check("directory", "ok", f"{len(people):,} people, {active:,} of them active.")


async def _history(client: PortalClient) -> tuple[PortalError | None, Check]:
    """Why the history cannot be read, if so; and the plan."""
    try:
        page = (await client.page("login", 0, PAGE)).content
        if await client.shows_newest_only("login", page):
            said = "The plan has no audit service: only the newest 20 events are shown, and what comes faster is lost."
            return None, Check("plan", "red", said, "Take a paid plan with the audit service.")
    except PlanMissing as error:
        return None, Check("plan", "red", str(error), "Take a paid plan with the audit service.")
    except PortalError as error:
        return error, Check("plan", "untried", "The history cannot be read.")
    return None, Check("plan", "ok", "The whole login history can be read.")


async def _audit_trail(client: PortalClient, *, readable: bool) -> Check:
    """Whether rules that look at the audit trail see anything."""
    if not readable:
        return Check("audit trail", "untried", "What came before keeps it from being tried.")
    try:
        await client.page("audit", 0, 1)
        keeps = (await client.lifetime("audit")).content
    except PortalError as error:
        said, mend = _parted(error)
        return Check("audit trail", "remark", said, f"{mend} Until then rules that look at it see nothing; logins are watched.")
    kept = f", and the portal keeps it {show_duration(keeps)}" if keeps is not None else ""
    return Check("audit trail", "ok", f"It can be read{kept}.")


def _rights(unreadable: PortalError | None, owner: Person | None, key: Key) -> Check:
    who = key.owner or "the key's owner"
    if unreadable is not None:
        said, mend = _parted(unreadable)
        if isinstance(unreadable, NotAllowed):
            mend = f"Let a DocSpace admin make the key ({_KEYS}), or make {who} one; the key needs the scope *:read."
        return Check("rights", "red", said, mend)
    if owner is not None and owner.role is not None and owner.role not in ADMINS:
        said = f"{who} is no DocSpace admin ({owner.role}), though the history can be read now."
        return Check("rights", "remark", said, f"Let a DocSpace admin make the key ({_KEYS}).")
    return Check("rights", "ok", f"{who} may read the login history.")


def _scopes(key: Key, *, readable: bool, ends_sessions: bool) -> Check:
    has = ", ".join(key.permissions) or "none told"
    if READS.isdisjoint(key.permissions):
        state: State = "remark" if readable else "red"
        return Check("scopes", state, f"It has {has}.", f"Give the key the scope *:read ({_KEYS}).")
    if ends_sessions and WRITES.isdisjoint(key.permissions):
        said = f"It has {has}: nobody can end sessions, though `end_sessions` says who may."
        return Check("scopes", "remark", said, f"Give the key the scope *:write ({_KEYS}), or leave `end_sessions` out.")
    ends = "it may end sessions" if not WRITES.isdisjoint(key.permissions) else "it reads only, and ends no sessions"
    return Check("scopes", "ok", f"It has {has}: {ends}.")


async def _lifetime(client: PortalClient) -> Check:
    try:
        keeps = (await client.lifetime()).content
    except PortalError as error:
        return Check("lifetime", "remark", *_parted(error))
    if keeps is None:
        said = "The portal does not say how long it keeps its history: 180 days at most."
        return Check("lifetime", "remark", said, "Look into the portal's security settings.")
    if keeps < client.portal.history:
        said = f"It keeps its history {show_duration(keeps)}, and {show_duration(client.portal.history)} are wanted."
        return Check("lifetime", "remark", said, "Lengthen it in the portal's security settings, or shorten `history`.")
    return Check("lifetime", "ok", f"It keeps its history {show_duration(keeps)}.")


def _skew(client: PortalClient) -> Check:
    skew, most = client.skew, client.portal.max_skew
    if skew is None:
        said = "The portal does not tell its time: alertbot goes by its own."
        return Check("clock", "remark", said, "Let the proxy before the portal leave the header Date in its answers.")
    said = f"Its clock is {abs(skew).total_seconds():.0f} s {'ahead of' if skew > timedelta() else 'behind'} ours."
    if most is not None and abs(skew) > most:
        return Check("clock", "red", said, "One of them is wrong: let NTP set both, or say what is too much with `max_skew`.")
    return Check("clock", "ok", said)


# -- Slack -------------------------------------------------------------------------------------------------------------


async def look_at_slack(settings: Settings) -> list[Check]:
    """The token, what it may do, every channel of the configuration, everybody whom it calls, and the socket."""
    slack = settings.need_slack()
    if slack.webhook is not None:
        said = "A webhook can only be tried by a post."
        return [Check("webhook", "untried", said, "alertbot doctor --post posts a test alert.")]
    assert slack.token is not None, "a token or a webhook"
    async with SlackClient(slack.token.get_secret_value(), api_url=slack.api_url) as bot:
        try:
            who = await bot.identity()
        except SlackError as error:
            mend = "Take the bot token (xoxb-…) from the Slack app, OAuth & Permissions, and put it into `slack.token`."
            unreached = "Look whether this machine reaches Slack (network, proxy, `slack.api_url`)."
            return [Check("token", "red", str(error), mend if isinstance(error, SlackCredential) else unreached)]
        checks = [Check("token", "ok", f"{who.user} in {who.team}."), *_slack_scopes(who.scopes)]
        for channel in channels(settings):
            checks += [check async for check in _channel(bot, channel)]
        checks.append(await _people(bot, settings, slack))
    checks.append(await _socket(slack))
    return checks


def channels(settings: Settings) -> list[str]:
    """Every channel that the configuration names, once."""
    slack = settings.need_slack()
    routed = [place for route in settings.routes for place in (route.channel, route.escalate and route.escalate.channel)]
    return list(dict.fromkeys(name for name in (slack.channel, slack.fallback, *routed) if name))


def _slack_scopes(has: frozenset[str]) -> Iterable[Check]:
    if not has:
        yield Check("scopes", "remark", "Slack does not say what the token may do.")
        return
    missing = [scope for scope in _SCOPES if scope not in has]
    if not missing:
        yield Check("scopes", "ok", "The token has all that alertbot uses.")
        return
    wants = "; ".join(f"{scope} ({_SCOPES[scope]})" for scope in missing)
    mend = "Add them under OAuth & Permissions, or paste the app's manifest anew, and install the app again."
    yield Check("scopes", "remark" if _MUST.isdisjoint(missing) else "red", f"Missing: {wants}.", mend)


async def _channel(bot: SlackClient, channel: str) -> AsyncIterator[Check]:
    try:
        found = (await bot.call("conversations.info", channel=await bot.channel_id(channel))).get("channel")
    except SlackError as error:
        mend = "Check the name, and invite the bot into it: /invite @alertbot."
        yield Check(f"channel {channel}", "red", str(error), mend)
        return
    about = found if isinstance(found, dict) else {}
    if about.get("is_archived"):
        yield Check(f"channel {channel}", "red", "It is archived.", "Open it again, or name another one.")
        return
    if about.get("is_member") is False:
        yield Check(f"channel {channel}", "red", "The bot is no member of it.", "Invite it there: /invite @alertbot.")
        return
    yield Check(f"channel {channel}", "ok", "The bot is a member of it.")
    try:
        await bot.call("conversations.history", channel=about.get("id"), limit=1, include_all_metadata=True)
    except SlackError as error:
        mend = "Give the app channels:history and groups:history; without them an alert may come twice after a failure."
        yield Check(f"history {channel}", "red", str(error), mend)
    else:
        yield Check(f"history {channel}", "ok", "The bot can look whether an alert stands already.")


async def _people(bot: SlackClient, settings: Settings, slack: SlackSettings) -> Check:
    wanted = names(settings.routes) | {*(slack.responders or ()), *slack.end_sessions}
    if not wanted:
        return Check("people", "ok", "The configuration names nobody.")
    try:
        await resolve(bot, wanted)
    except UnknownNames as unknown:
        said = f"Slack knows neither a person nor a group of these names: {', '.join(unknown.names)}."
        return Check("people", "red", said, "Write a handle like @oncall, or an id like U024BE7LH or S0614TZR7.")
    except SlackError as error:
        return Check("people", "red", str(error), "Give the app users:read and usergroups:read.")
    return Check("people", "ok", f"Slack knows all {len(wanted):,} that the configuration names.")


async def _socket(slack: SlackSettings) -> Check:
    if slack.app_token is None:
        return Check("buttons", "remark", "There is no app token: alerts have no buttons.", "Set `slack.app_token` (xapp-…).")
    said: asyncio.Queue[tuple[bool, str]] = asyncio.Queue()
    async with SlackClient(slack.app_token.get_secret_value(), api_url=slack.api_url) as app:
        socket = Socket(lambda: new_address(app), lambda _payload, _app: None, on_change=lambda *now: said.put_nowait(now))
        running = asyncio.create_task(socket.run())
        try:
            connected, why = await asyncio.wait_for(said.get(), SOCKET_WITHIN.total_seconds())
        except TimeoutError:
            connected, why = False, "Slack did not open a connection in time."
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    if connected:
        return Check("buttons", "ok", "Slack opens a connection for them.")
    mend = "Make an app-level token with the scope connections:write, and turn Socket Mode on in the app's settings."
    return Check("buttons", "red", why, mend)


async def post_test(settings: Settings, now_us: int) -> list[Check]:
    """Post a test alert to every channel of the configuration."""
    slack = settings.need_slack()
    message = _test_alert(settings.portals)
    if slack.webhook is not None:
        async with WebhookClient(slack.webhook.get_secret_value()) as webhook:
            try:
                await webhook.post(message)
            except SlackError as error:
                return [Check("post", "red", str(error), "Make a new webhook, and put its address into `slack.webhook`.")]
        return [Check("post", "ok", "A test alert was posted through the webhook.")]
    assert slack.token is not None, "a token or a webhook"
    checks = []
    async with SlackClient(slack.token.get_secret_value(), api_url=slack.api_url) as bot:
        for channel in channels(settings):
            try:
                await bot.post(channel, message, outbox_id=entry_id("doctor", channel, str(now_us)))
            except SlackError as error:
                checks.append(Check(f"post {channel}", "red", str(error), "See what the checks before say of the channel."))
            else:
                checks.append(Check(f"post {channel}", "ok", "A test alert was posted."))
    return checks


def _test_alert(portals: Sequence[PortalSettings]) -> Message:
    named = ", ".join(portal.name for portal in portals[:5]) + (" …" if len(portals) > 5 else "")
    return notice(f"This is a test alert of alertbot for {named}. Alerts will come to this channel.", level="informational")


def is_red(checks: Iterable[Check]) -> bool:
    """Whether anything keeps alertbot from working."""
    return any(check.state == "red" for check in checks)
