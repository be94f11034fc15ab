"""Station 9: what Slack answered, as one of the errors that say what to do next.

In comes an answer's status, headers and body, or the way in which there was none; out goes None where Slack took the call,
else one of `errors.SlackError`'s classes. Slack answers 200 for most of its errors: the body's `ok` and `error` decide. No
error text holds a token, a webhook's address or a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp

from alertbot.errors import (
    SlackCredential,
    SlackError,
    SlackGone,
    SlackNeverLeft,
    SlackNotNow,
    SlackPayload,
    SlackPlace,
    SlackUnknownOutcome,
    SlackWait,
)

_CODES: dict[type[SlackError], str] = {
    SlackWait: "ratelimited rate_limited",
    SlackUnknownOutcome: "fatal_error internal_error rollup_error",
    SlackNotNow: "service_unavailable request_timeout team_added_to_org org_login_required message_limit_exceeded",
    SlackPlace: """channel_not_found not_in_channel is_archived channel_is_archived is_inactive messages_tab_disabled
        action_prohibited posting_to_general_channel_denied user_not_found""",
    SlackCredential: """invalid_auth not_authed token_revoked token_expired account_inactive missing_scope no_permission
        not_allowed_token_type access_denied accesslimited ekm_access_denied two_factor_setup_required
        team_access_not_granted enterprise_is_restricted no_service no_service_id no_active_hooks no_team invalid_token
        team_disabled""",
    SlackGone: "message_not_found cant_update_message edit_window_closed cannot_reply_to_message thread_not_found",
}
_CLASS = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_PLACE_PREFIX = "restricted_action"

_CODE = re.compile(r"[a-z][a-z0-9_]{1,60}\Z")
_ASSUMED_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=1)

_MEND = {
    "channel_not_found": "the channel is not there for the bot: check its name, and invite the bot if it is private",
    "not_in_channel": "invite the bot to the channel",
    "is_archived": "the channel is archived: unarchive it or name another",
    "channel_is_archived": "the channel is archived: unarchive it or name another",
    "invalid_auth": "check the token",
    "not_authed": "set the token",
    "token_revoked": "the token was revoked: install the app again and set the new one",
    "token_expired": "the token has expired: set a new one",
    "account_inactive": "the bot's account was deactivated: install the app again",
    "no_service": "the webhook was removed or disabled: make a new one",
    "no_active_hooks": "the webhook was removed or disabled: make a new one",
    "invalid_token": "check the webhook's address",
}


def of_body(call: str, status: int, headers: Mapping[str, str], body: object) -> SlackError | None:
    """The meaning of an answer of the Web API. `body` is the parsed JSON, or anything else where there was none."""
    if isinstance(body, Mapping) and body.get("ok") is True and status == 200:
        return None
    code = body.get("error") if isinstance(body, Mapping) and body.get("ok") is False else None
    if isinstance(code, str) and code:
        return of_code(call, code, headers, body if isinstance(body, Mapping) else {})
    return _of_status(call, status, headers)


def of_text(call: str, status: int, headers: Mapping[str, str], body: str) -> SlackError | None:
    """The meaning of an incoming webhook's answer: `ok`, or a code as plain text."""
    words = body.strip()
    if status == 200 and words == "ok":
        return None
    if status != 200 and status != 429 and _CODE.match(words):
        return of_code(call, words, headers, {})
    return _of_status(call, status, headers)


def of_code(call: str, code: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> SlackError:
    """The class of one of Slack's codes. One that is not listed refuses this content: plain text, then people look at it."""
    shown = code if _CODE.match(code) else "an unreadable code"
    said = f"Slack refused {call}: {shown}"
    kind = SlackPlace if code.startswith(_PLACE_PREFIX) else _CLASS.get(code, SlackPayload)
    if kind is SlackWait:
        return SlackWait(f"Slack asks to wait before {call}", _retry_after(headers), code)
    if kind is SlackUnknownOutcome:
        return SlackUnknownOutcome(f"Slack failed at {call} ({shown}); it may have been done", code, answered=True)
    if kind is SlackNotNow:
        return SlackNotNow(f"Slack did not take {call} for now: {shown}", code)
    if kind is SlackPlace:
        return SlackPlace(f"{said}; {_MEND.get(code, 'check the channel and who may post there')}", code)
    if kind is SlackCredential:
        return SlackCredential(f"{said}; {_mend_credential(code, body)}", code)
    if kind is SlackGone:
        return SlackGone(f"{said}; the message is gone or closed", code)
    return SlackPayload(said, code)


def of_failure(call: str, failure: Exception) -> SlackError:
    """The meaning of a call that got no whole answer."""
    match failure:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return SlackNeverLeft(f"{call}: the certificate of Slack's host is not to be trusted; nothing was sent")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return SlackNeverLeft(f"{call}: no connection to Slack; nothing was sent")
        case TimeoutError():
            return SlackUnknownOutcome(f"{call}: Slack did not answer in time", "timeout", answered=False)
        case aiohttp.ClientConnectionError() | OSError():
            return SlackUnknownOutcome(f"{call}: the connection to Slack broke", "reset", answered=False)
        case _:
            return SlackUnknownOutcome(f"{call}: Slack's answer cannot be read", "broken_answer", answered=True)


def _of_status(call: str, status: int, headers: Mapping[str, str]) -> SlackError:
    if status == 429:
        return SlackWait(f"Slack asks to wait before {call}", _retry_after(headers))
    if status == 413:
        return SlackPayload(f"Slack finds {call} too large (HTTP 413)", "http_413")
    said = f"{call}: Slack's answer cannot be read (HTTP {status})"
    hint = "; check slack.api_url" if status in (301, 302, 307, 308, 404, 405) else ""
    return SlackUnknownOutcome(said + hint, f"http_{status}", answered=True)


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    told = headers.get("Retry-After", "").strip()
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", told):
        return _ASSUMED_WAIT
    return min(timedelta(seconds=float(told)), _LONGEST_WAIT)


def _mend_credential(code: str, body: Mapping[str, Any]) -> str:
    if code == "missing_scope":
        needed, provided = str(body.get("needed", "?"))[:200], str(body.get("provided", "?"))[:400]
        if all(re.fullmatch(r"[a-z:,._ ?-]*", scopes) for scopes in (needed, provided)):
            return f"the app needs the scope {needed} and has {provided}: add it and install the app again"
    return _MEND.get(code, "check the token and what the workspace allows the app")
