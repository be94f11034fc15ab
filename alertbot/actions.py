"""What an action means: the portal's number or its name → event name; of a login also outcome, method, reason.

The tables are the server's `MessageAction`: the login part here, the audit trail's in `audit_actions.tsv`. They decide by the
number alone, for the text of an action is in the portal's language. What they do not know keeps its number and means nothing.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import resources
from typing import Literal, NamedTuple

from alertbot.errors import UsageError

Outcome = Literal["success", "failure", "session"]

UNKNOWN_ACTION = -1
"""The number of an action that the portal named in words that are not in the table (the server's own `None`)."""


class Action(NamedTuple):
    """One kind of event. `event` is the server's name of it; an absent field means nothing."""

    id: int
    event: str | None = None
    outcome: Outcome | None = None
    method: str | None = None
    reason: str | None = None


_TABLE = (
    Action(1000, "LoginSuccess", "success"),
    Action(1001, "LoginSuccessViaSocialAccount", "success", "social"),
    Action(1002, "LoginFailInvalidCombination", "failure", "password", "bad_credentials"),
    Action(1003, "LoginFailSocialAccountNotFound", "failure", "social", "unknown_social_account"),
    Action(1004, "LoginFailDisabledProfile", "failure", None, "disabled_profile"),
    Action(1005, "LoginFail", "failure", None, "other"),
    Action(1006, "Logout", "session"),
    Action(1007, "LoginSuccessViaSms", "success", "sms"),
    Action(1008, "LoginFailViaSms", "failure", "sms", "sms_code"),
    Action(1009, "LoginFailIpSecurity", "failure", None, "ip_not_allowed"),
    Action(1010, "LoginSuccessViaApi", "success", "api"),
    Action(1011, "LoginSuccessViaSocialApp", "success", "social"),
    Action(1012, "LoginSuccessViaApiSms", "success", "sms"),
    Action(1013, "LoginFailViaApi", "failure", "api", "other"),
    Action(1014, "LoginFailViaApiSms", "failure", "sms", "sms_code"),
    Action(1015, "LoginSuccessViaSSO", "success", "sso"),
    Action(1016, "SessionStarted", "session"),
    Action(1017, "SessionCompleted", "session"),
    Action(1018, "LoginFailViaSSO", "failure", "sso", "sso"),
    Action(1019, "LoginSuccessViaApiSocialAccount", "success", "social"),
    Action(1020, "LoginFailViaApiSocialAccount", "failure", "social", "other"),
    Action(1021, "LoginSuccesViaTfaApp", "success", "totp"),  # the server spells it with one s
    Action(1022, "LoginFailViaTfaApp", "failure", "totp", "totp_code"),
    Action(1023, "LoginFailBruteForce", "failure", "password", "brute_force_lock"),
    Action(1024, "LoginSuccessViaApiTfa", "success", "totp"),
    Action(1025, "LoginFailViaApiTfa", "failure", "totp", "totp_code"),
    Action(1026, "LoginFailRecaptcha", "failure", "password", "captcha"),
    Action(1027, "AuthLinkActivated", "success", "link"),
    Action(1028, "LoginSuccessViaOAuth", "success", "oauth"),
    Action(1029, "LoginSuccessViaPassword", "success", "password"),
)

ACTIONS: dict[int, Action] = {action.id: action for action in _TABLE}
"""Every login action by its number."""

BY_NAME: dict[str, Action] = {str(action.event).lower(): action for action in _TABLE}
"""Every login action by its name in lower case."""

_GROUPS = {"login": ("success", "failure"), "success": ("success",), "failure": ("failure",), "session": ("session",)}
_KINDS = "it is login, logout, success, failure, an event's name like LoginFailBruteForce, or its number"


def _audit_actions() -> dict[int, Action]:
    table = resources.files("alertbot").joinpath("audit_actions.tsv").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in table.splitlines())
    return {int(number): Action(int(number), name) for number, name in pairs}


AUDIT_ACTIONS: dict[int, Action] = _audit_actions()
"""Every action of the audit trail by its number."""

AUDIT_BY_NAME: dict[str, Action] = {str(action.event).lower(): action for action in AUDIT_ACTIONS.values()}
"""Every action of the audit trail by its name in lower case."""

_BY_ANY_NAME = AUDIT_BY_NAME | BY_NAME | {"loginsuccessviatfaapp": ACTIONS[1021]}


def action_of(number: int) -> Action:
    """The action of a number; one that the table does not know keeps its number.

    >>> action_of(1023).reason
    'brute_force_lock'
    >>> action_of(77)
    Action(id=77, event=None, outcome=None, method=None, reason=None)
    >>> action_of(5074).event
    'RoomDeleted'
    """
    return ACTIONS.get(number) or AUDIT_ACTIONS.get(number) or Action(number)


def action_named(name: str) -> Action | None:
    """The action of a name such as `LoginSuccess`, in any letter case; the one that the server misspells has both spellings."""
    return _BY_ANY_NAME.get(name.strip().lower())


def choose(text: str) -> frozenset[int]:
    """The numbers of the actions that a person means. Raises UsageError with what there is.

    `login` is success and failure; `logout`, `success`, `failure`, `session`, a name like `LoginFailBruteForce`, or a number.
    """
    wanted = text.strip().lower()
    if wanted in _GROUPS:
        return frozenset(action.id for action in _TABLE if action.outcome in _GROUPS[wanted])
    if wanted == "logout":
        return frozenset((1006,))
    if wanted.isdecimal() and len(wanted) < 10:
        return frozenset((_chosen_number(int(wanted)),))
    named = action_named(wanted)
    if named is None or named.outcome is None:
        near = get_close_matches(wanted, (*_GROUPS, "logout", *BY_NAME), 1)
        hint = f"did you mean {BY_NAME[near[0]].event if near[0] in BY_NAME else near[0]}?" if near else _KINDS
        raise UsageError(f"there is no action {text!r}; {hint}")
    return frozenset((named.id,))


def _chosen_number(number: int) -> int:
    if number == 0:
        raise UsageError("action 0 means no filter to the portal, not logins as its how-to page says; write login")
    if number < 1000:
        meant = "logouts, as the portal's how-to page says; write logout" if number == 1 else f"anything; {_KINDS}"
        raise UsageError(f"action {number} does not mean {meant}")
    return number
