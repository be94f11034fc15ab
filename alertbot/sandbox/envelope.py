"""What the sandbox portal's answers look like on the wire.

In come rows, a dialect (the ways in which versions of the portal differ) and the portal's zone; out go JSON envelopes as
DocSpace-server writes them: null fields left out, dates in the portal's zone with seven digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec
from aiohttp import web

from alertbot.actions import action_of
from alertbot.moments import from_us
from alertbot.sandbox.ledger import Row


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where versions and clients of the portal differ."""

    dates: Literal["text", "object"] = "text"
    """A string with an offset, or `{"utcTime", "timeZoneOffset"}`."""
    ip_field: Literal["ip", "iP"] = "ip"
    actions: Literal["number", "name"] = "number"
    """`actionId` as a number, or as the server's name of it."""
    repeated_hour: Literal["right", "off"] = "right"
    """`off`: in the hour that repeats when summer time ends, the conversion takes the first pass for the second."""


def date_json(at_us: int, zone: tzinfo, dialect: Dialect) -> str | dict[str, str]:
    """A date as the portal writes it."""
    try:
        local = from_us(at_us, zone)
    except OverflowError:  # the first or last day of the calendar
        local = from_us(at_us)
    if dialect.repeated_hour == "off":
        local = local.replace(fold=1)
    offset = local.utcoffset() or timedelta()
    if dialect.dates == "object":
        utc = (local.replace(tzinfo=None) - offset).isoformat(timespec="microseconds")
        sign = "-" if offset < timedelta() else ""
        hours, rest = divmod(abs(offset) // timedelta(minutes=1), 60)
        return {"utcTime": f"{utc}0Z", "timeZoneOffset": f"{sign}{hours:02}:{rest:02}:00"}
    text = local.replace(tzinfo=None).isoformat(timespec="microseconds") + "0"
    return text + ("Z" if not offset else local.strftime("%z")[:3] + ":" + local.strftime("%z")[3:5])


def row_json(row: Row, zone: tzinfo, dialect: Dialect) -> dict[str, Any]:
    """A row as the portal writes it."""
    fields = dict(row.fields)
    if dialect.ip_field != "ip" and "ip" in fields:
        fields[dialect.ip_field] = fields.pop("ip")
    date = date_json(row.at_us, zone, dialect)
    action = action_of(row.action_id).event if dialect.actions == "name" else None
    targets = {"target": [fields["target"]]} if row.feed == "audit" and "target" in fields else {}
    return {"id": row.id, "date": date, "userId": row.user_id, "actionId": action or row.action_id, **fields, **targets}


def _encoded(body: dict[str, Any]) -> bytes:
    """JSON in UTF-8; half a surrogate pair, which UTF-8 cannot hold, becomes a question mark."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def success(request: web.Request, response: object = None, *, total: int | None = None) -> web.Response:
    """The envelope of a call that worked; a call that gives nothing has no `response`."""
    body: dict[str, Any] = {}
    if response is not None:
        body["response"] = response
        body["count"] = len(response) if isinstance(response, list) else 1
    if total is not None:
        body["total"] = total
    body["links"] = [{"href": str(request.url), "action": request.method}]
    body |= {"status": 0, "statusCode": 200}
    return web.Response(body=_encoded(body), content_type="application/json", charset="utf-8")


_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("Invalid argument", "System.ArgumentException"),
    401: ("Unauthorized", "System.Security.Authentication.AuthenticationException"),
    402: ("Your pricing plan does not support this option", "ASC.Core.Billing.BillingException"),
    403: ("Access denied", "System.Security.SecurityException"),
    404: ("The required resource was not found", "ASC.Common.Web.ItemNotFoundException"),
    429: ("Too many requests", "System.Exception"),
}


def failure(status: int, message: str | None = None, *, retry_after_s: int | None = None) -> web.Response:
    """The envelope of a call that failed."""
    usual, kind = _ERRORS.get(status, ("Internal server error", "System.Exception"))
    error = {"message": message or usual, "type": kind, "stack": "", "hresult": -2146233088}
    answer = web.Response(
        status=status,
        body=msgspec.json.encode({"error": error, "status": 1, "statusCode": status}),
        content_type="application/json",
        charset="utf-8",
    )
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def parse_time(text: str) -> datetime:
    """A time in a query. Without a zone it is refused, as current servers do; an offset's `+` may arrive as a blank."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise ValueError("Input data is incorrect") from None
    if moment.tzinfo is None:
        raise ValueError("The date has no time zone")
    return moment.astimezone(UTC)
