"""What the sandbox portal calls the actions of its login history and audit trail, in English.

The number says what an event is; the text is for people, and nobody may decide by it. `FAILURES` are the actions that
happen before anyone is authenticated.
"""

from __future__ import annotations

import re
from enum import IntEnum

from alertbot.actions import ACTIONS, AUDIT_ACTIONS


class Action(IntEnum):
    """The actions that the sandbox plays."""

    FAIL_PASSWORD = 1002
    FAIL_SOCIAL = 1003
    FAIL_DISABLED = 1004
    LOGOUT = 1006
    FAIL_IP = 1009
    SUCCESS_SSO = 1015
    FAIL_SSO = 1018
    SUCCESS_TFA = 1021
    FAIL_TFA = 1022
    FAIL_LOCKED = 1023
    SUCCESS_PASSWORD = 1029
    FOLDER_DOWNLOADED = 5057


FAILURES = frozenset(action.id for action in ACTIONS.values() if action.outcome == "failure")

_TEXTS = {
    1002: "Login Fail. Invalid login or password",
    1003: "Login Fail. Associated social account not found",
    1004: "Login Fail. Disabled profile",
    1006: "Logout",
    1008: "Login Fail. Invalid SMS code",
    1009: "Login Fail. IP address not allowed",
    1015: "Login Success via SSO",
    1016: "Session Started",
    1017: "Session Completed",
    1018: "Login Fail. SSO error",
    1021: "Login Success via authentication app",
    1022: "Login Fail. Invalid code of the authentication app",
    1023: "Login Fail. Too many attempts",
    1026: "Login Fail. Captcha not passed",
}


def action_text(action_id: int) -> str:
    """The action as the portal words it; an action of which only its kind is known gets that kind's word."""
    if action_id in _TEXTS:
        return _TEXTS[action_id]
    if action_id in AUDIT_ACTIONS:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(AUDIT_ACTIONS[action_id].event)).capitalize()
    return "Login Fail" if action_id in FAILURES else "Login Success"
