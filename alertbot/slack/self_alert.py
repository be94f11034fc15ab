"""Station 9: what alertbot tells of itself: which portals have a trouble, what to do, and that it is over. Pure.

One message names all portals that a trouble concerns: when everything is down at once, it is one message of each kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from alertbot.outbox import Message, link_to
from alertbot.selfwatch import Concern, Kind
from alertbot.slack import blocks, text, words

SHOWN = 10
"""So many portals are named one by one; of the others the message has the number."""

_UTC = ZoneInfo("UTC")
_KEYS = "Developer Tools > API keys in the portal's settings"

_TITLES = {
    Kind.KEY_REJECTED: "API key rejected",
    Kind.KEY_EXPIRES: "API key ends soon",
    Kind.NO_ADMIN: "API key may not read the login history",
    Kind.PLAN_MISSING: "Plan without the audit service",
    Kind.PORTAL_MOVED: "Portal moved or renamed",
    Kind.TLS: "Certificate not to be trusted",
    Kind.UNREACHABLE: "Portal cannot be read",
    Kind.HISTORY_GAP: "Gap in the login history",
    Kind.AUDIT_UNREAD: "Audit trail cannot be read",
    Kind.AUDIT_GAP: "Gap in the audit trail",
    Kind.CLOCK_SKEW: "Clocks differ",
    Kind.LAG: "Reading lags behind",
}
_TO_DO = {
    Kind.KEY_REJECTED: f"Logins are not watched. A DocSpace admin makes a new key under {_KEYS}, with the scope *:read. Put it "
    "where `api_key` points to: a file (${file:…}) is read again by itself, after anything else alertbot is started again.",
    Kind.KEY_EXPIRES: f"A DocSpace admin makes a new key under {_KEYS}, with the scope *:read, before the old one ends. Put it "
    "where `api_key` points to, and send SIGHUP: a file (${file:…}) is read again without a restart.",
    Kind.NO_ADMIN: "Logins are not watched. The key's owner must be a DocSpace admin, and the key needs the scope *:read "
    f"({_KEYS}).",
    Kind.PLAN_MISSING: "The login history needs a paid plan with the audit service. Without it only the newest 20 events are "
    "shown, and what comes faster is lost.",
    Kind.PORTAL_MOVED: "Logins are not watched. Put the address that the browser shows into `url` or DOCSPACE_URL, and start "
    "alertbot again. The key was not sent on to another address.",
    Kind.TLS: "Logins are not watched. Mend the portal's certificate, or name your own authority's file with `ca`. Nothing is "
    "sent to a portal that cannot prove who it is.",
    Kind.UNREACHABLE: "Logins are not watched meanwhile. Look whether the portal opens in a browser, and whether this machine "
    "reaches it (network, DNS, proxy). What happens now is read later, as far back as the portal keeps it. "
    "`alertbot doctor` tries all of it.",
    Kind.HISTORY_GAP: "Nobody has watched the logins of that time. Look through the portal's own login history for it; "
    "`alertbot status` lists the gaps.",
    Kind.AUDIT_UNREAD: "Logins are watched; rules that look at the audit trail see nothing meanwhile. What happens now is read "
    "later, as far back as the portal keeps it. `alertbot doctor` tries it and says how to mend it.",
    Kind.AUDIT_GAP: "Rules that look at the audit trail have not seen that time. Look through the portal's own audit trail for "
    "it; `alertbot status` lists the gaps.",
    Kind.CLOCK_SKEW: "One of the clocks is wrong: let NTP set them. Until then times in alerts are off, and rules about hours "
    "may judge wrongly. `max_skew` says what counts.",
    Kind.LAG: "Alerts come late. Look at `alertbot status` and the log: the portal or the store is slow, or much is read after "
    "an outage. A longer `poll`, or fewer portals for one machine, may help.",
}
_OVER = {
    **dict.fromkeys((Kind.HISTORY_GAP, Kind.AUDIT_GAP), "no new gap for an hour; what was missed stays missing"),
    Kind.KEY_EXPIRES: "the key does not end soon any more",
}


def self_alert(
    kind: Kind,
    concerned: Sequence[Concern],
    well: Sequence[str],
    zone: ZoneInfo = _UTC,
    *,
    earlier: str | None = None,
    later: str | None = None,
) -> Message:
    """The message of a trouble as it stands. `well` had it, `earlier` and `later` its entries before and after."""
    title, count = _TITLES[kind], len(concerned)
    if not concerned:
        names = _names(well)
        line = f"OVER · {title} · {names}"
        parts = [blocks.header(f"⚪ Over · {title}"), blocks.section(f"*{names}*: {_over(kind)}.")]
        return Message(text=line, blocks=tuple(parts), colour=words.COLOURS["informational"])
    names = _names([one.portal for one in concerned])
    first = text.inline(concerned[0].said, 300)
    line = f"{kind.level.upper()} · {title} · {names} · {first if count == 1 else 'and what to do is in the message'}"
    if count > 1:
        line = f"{kind.level.upper()} · {title} · {words.number(count, 'portal')}: {names}"
    parts = [
        blocks.header(f"{words.SIGNS[kind.level]} {kind.level.upper()} · {title}"),
        *blocks.paragraphs([_line(one, zone) for one in concerned[:SHOWN]]),
    ]
    if count > SHOWN:
        parts.append(blocks.section(f"and {words.number(count - SHOWN, 'more portal')}: {_names_of_rest(concerned)}"))
    parts.append(blocks.plain_section(_TO_DO[kind]))
    small = [f"{kind} · `alertbot doctor` tries all of it"]
    if well:
        small.insert(0, f"well again: {_names(well)}")
    if earlier is not None:
        small.append(link_to(earlier, "the message before this one"))
    if later is not None:
        small.append(link_to(later, "told anew, and kept up to date there"))
    parts.append(blocks.context(" · ".join(small)))
    links = tuple(link for link in (earlier, later) if link is not None)
    return Message(text=line, blocks=tuple(parts), colour=words.COLOURS[kind.level], links=links)


def self_over(kind: Kind, portals: Sequence[str], of: str | None) -> Message:
    """The message that a trouble is over, with the way to the one that told of it."""
    names = _names(portals)
    line = f"Over: {_TITLES[kind]} · {names} · {_over(kind)}"
    shown = f"{words.SIGNS['informational']} *Over: {_TITLES[kind]}* · {names}\n{_over(kind)}."
    if of is not None:
        shown += f" {link_to(of, 'What it was')}"
    return Message(text=line, blocks=(blocks.section(shown),), links=(of,) if of is not None else ())


def _over(kind: Kind) -> str:
    return _OVER.get(kind, "all is well again, and what was missed meanwhile is read")


def _line(one: Concern, zone: ZoneInfo) -> str:
    return f"*{text.inline(one.portal, 64)}*, since {words.moment(one.since_us, zone)}: {text.inline(one.said, 220)}"


def _names(portals: Sequence[str]) -> str:
    return words.listing([text.inline(name, 64) for name in portals], SHOWN)


def _names_of_rest(concerned: Sequence[Concern]) -> str:
    """As many names as fit; who has hundreds of portals reads the rest in `alertbot status`."""
    names = [text.inline(one.portal, 64) for one in concerned[SHOWN:]]
    shown: list[str] = []
    size = 0
    for name in names:
        size += len(name) + 2
        if size > 2_700:
            return f"{', '.join(shown)} …"
        shown.append(name)
    return ", ".join(shown)
