"""Station 9: what happened, in few words: counts, spans, moments, places, people's roles.

In come events and numbers; out go phrases of ours. Text of the portal's passes through unchanged: `text` makes it harmless
where it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alertbot.event import Event
from alertbot.moments import EPOCH, from_us, to_us
from alertbot.places import distance_km, place_of
from alertbot.rules.model import Level

COLOURS: dict[Level, str] = {
    "critical": "#b3001b",
    "high": "#e8590c",
    "medium": "#f2b233",
    "low": "#2f7fd1",
    "informational": "#8a8f98",
}
SIGNS: dict[Level, str] = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", "informational": "⚪"}
"""The level's colour for where there is no bar; the word stands beside it always."""

_REASONS = {
    "bad_credentials": "wrong login or password",
    "unknown_social_account": "unknown social account",
    "disabled_profile": "disabled profile",
    "sms_code": "wrong SMS code",
    "totp_code": "wrong app code",
    "ip_not_allowed": "address not allowed",
    "sso": "single sign-on failed",
    "brute_force_lock": "locked by the portal",
    "captcha": "captcha not solved",
}
_ROLES = {"owner": "owner", "admin": "administrator", "room_admin": "room administrator", "user": "user", "guest": "guest"}
_NOUNS = {"failure": "failure", "success": "login", "audit": "action"}
_FIRST_US = to_us(EPOCH.replace(year=2))
_LAST_US = to_us(EPOCH.replace(year=9998))


def number(count: int, one: str, many: str | None = None) -> str:
    """`1 failure`, `1,200 failures`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(first_us: int, last_us: int) -> str:
    """`40 s`, `4 min`, `2 h 5 min`, `3 days 4 h`: the two largest units, as far as they say something."""
    seconds = max(0, last_us - first_us) // 1_000_000
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return number(days, "day") + (f" {hours} h" if hours else "")


def local(moment_us: int, zone: ZoneInfo) -> datetime:
    """The moment in a zone; what no calendar can hold becomes its first or last year."""
    return from_us(min(max(moment_us, _FIRST_US), _LAST_US), zone)


def zone_name(moment: datetime) -> str:
    """`CET`; where the zone has no letters, `UTC-03:00`."""
    name = moment.strftime("%Z")
    return name if name.isalpha() else f"UTC{moment.isoformat()[-6:]}"


def moment(moment_us: int, zone: ZoneInfo) -> str:
    """`15 Jan 2026 03:04:12 CET`."""
    when = local(moment_us, zone)
    return f"{day(when)} {when.year} {when:%H:%M:%S} {zone_name(when)}"


def day(when: datetime) -> str:
    """`15 Jan`."""
    return f"{when.day} {when:%b}"


def between(first_us: int, last_us: int, zone: ZoneInfo) -> str:
    """`03:00–03:04 CET`, `03:04 CET`, `14 Jan 22:10 – 15 Jan 03:04 CET`."""
    first, last = local(first_us, zone), local(last_us, zone)
    end = f"{last:%H:%M} {zone_name(last)}"
    if first.date() != last.date():
        return f"{day(first)} {first:%H:%M} – {day(last)} {end}"
    return end if f"{first:%H:%M}" == f"{last:%H:%M}" else f"{first:%H:%M}–{end}"


def reader_time(first_us: int, last_us: int, zone: ZoneInfo) -> str:
    """When, by Slack's own dates: each reader sees them in their zone; where they cannot be shown, in the portal's."""
    first = _reader_time(first_us, zone, "{date_short_pretty} {time_secs}")
    if first_us // 1_000_000 == last_us // 1_000_000:
        return first
    near = abs(last_us - first_us) < 12 * 3_600_000_000
    return f"{first} – {_reader_time(last_us, zone, '{time_secs}' if near else '{date_short_pretty} {time_secs}')}"


def _reader_time(moment_us: int, zone: ZoneInfo, form: str) -> str:
    seconds = int(local(moment_us, zone).timestamp())
    fallback = moment(moment_us, zone)
    return f"<!date^{seconds}^{form}|{fallback}>" if seconds > 0 else fallback


def what(count: int, evidence: Sequence[Event], first_us: int, last_us: int) -> str:
    """`5 failures in 4 min`; of mixed outcomes `9 login attempts in 4 min, 8 failed`."""
    outcomes = Counter(event.outcome if event.feed == "login" else "audit" for event in evidence)
    kinds = set(outcomes)
    noun = _NOUNS.get(next(iter(kinds)) or "", "event") if len(kinds) == 1 else "event"
    if kinds == {"failure", "success"}:
        noun = "login attempt"
    counted = number(count, noun) + (f" in {span(first_us, last_us)}" if count > 1 else "")
    exact = kinds == {"failure", "success"} and count == len(evidence)
    return f"{counted}, {outcomes['failure']:,} failed" if exact else counted


def result(event: Event) -> str:
    """What one event was: `wrong login or password`, `logged in`, `logged out`; of the audit trail the server's name of it, for
    the portal's own words may name others.
    """
    if event.feed == "audit":
        return event.event or f"action {event.action_id}"
    if event.outcome == "failure":
        return _REASONS.get(event.reason or "", "failed")
    if event.outcome == "success":
        return "logged in"
    return "logged out" if event.event == "Logout" else event.event or event.action or "event"


def place(event: Event) -> str:
    """`Berlin DE`, `Germany`, or nothing."""
    return " ".join(part for part in (event.city, event.country_code or event.country) if part)


def way(start: Event, end: Event) -> str:
    """From one place to another, and how fast that was: `Berlin DE to Tokyo JP, 8,916 km in 2 h: 4,458 km/h`.

    Where only a country is known, the distance is the least that it can be.
    """
    left, reached = place_of(start), place_of(end)
    if left is None or reached is None:
        return f"{place(start) or 'a place unknown'} to {place(end) or 'a place unknown'}"
    km = distance_km(left, reached)
    least = "" if left.point is not None and reached.point is not None else "at least "
    hours = (end.at_us - start.at_us) / 3_600_000_000
    speed = f" in {span(start.at_us, end.at_us)}: {km / hours:,.0f} km/h" if hours > 0 else " at the same moment"
    return f"{place(start) or 'there'} to {place(end) or 'here'}, {least}{km:,.0f} km{speed}"


def address(event: Event) -> str:
    """The address; one that the portal cut is no address and says so."""
    if not event.ip:
        return "address unknown"
    return f"IPv6 {event.ip}… (cut by the portal)" if event.ip_partial else event.ip


def device(event: Event) -> str:
    """`Chrome 131 · Windows 10`."""
    return " · ".join(part for part in (event.browser, event.platform) if part)


def role(event: Event) -> str:
    """`administrator · no second factor`: what of the directory on-call should know."""
    parts = [_ROLES.get(event.role, event.role)] if event.role else []
    if event.tfa is not None:
        parts.append("second factor on" if event.tfa else "no second factor")
    if event.status and event.status != "active":
        parts.append(event.status)
    return " · ".join(parts)


def distinct(values: Iterable[str | None]) -> list[str]:
    """Different values in order of their first appearance, absent ones left out."""
    return list(dict.fromkeys(value for value in values if value))


def listing(names: Sequence[str], most: int = 5) -> str:
    """`main`, `main and acme`, `a, b, c and 4 more`."""
    shown = list(names[:most])
    rest = len(names) - len(shown)
    if rest:
        shown.append(f"{rest:,} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def days_of(first_us: int, last_us: int) -> str:
    """`30 days` between two moments, at least one."""
    return number(max(1, round(timedelta(microseconds=last_us - first_us) / timedelta(days=1))), "day")
