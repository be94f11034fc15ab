"""The table of login actions: complete, and as people name its rows."""

from __future__ import annotations

import pytest

from alertbot.actions import ACTIONS, AUDIT_ACTIONS, Action, action_named, action_of, choose
from alertbot.errors import UsageError

SUCCESS = {1000, 1001, 1007, 1010, 1011, 1012, 1015, 1019, 1021, 1024, 1027, 1028, 1029}
FAILURE = {1002, 1003, 1004, 1005, 1008, 1009, 1013, 1014, 1018, 1020, 1022, 1023, 1025, 1026}
SESSION = {1006, 1016, 1017}


def test_the_table_holds_every_action_of_the_server() -> None:
    """Each number means success, failure or session, and every failure has a reason."""
    for outcome, numbers in (("success", SUCCESS), ("failure", FAILURE), ("session", SESSION)):
        assert {action.id for action in ACTIONS.values() if action.outcome == outcome} == numbers
    assert all((action.reason is not None) == (action.outcome == "failure") for action in ACTIONS.values())
    assert len(ACTIONS) == 30


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (4019, "UsersUpdatedType"),
        (5009, "FileDownloaded"),
        (5057, "FolderDownloaded"),
        (5074, "RoomDeleted"),
        (5106, "RoomIndexExportSaved"),
        (6028, "AuditTrailReportDownloaded"),
        (6058, "ApiKeyCreated"),
        (9909, "GeneratePersonalAccessToken"),
    ],
)
def test_the_audit_trails_actions_have_the_servers_names(number: int, name: str) -> None:
    """Numbers and names of both feeds are one table, and no name stands for two."""
    assert action_of(number) == action_named(name.upper()) == Action(number, name)
    assert len({action.event for action in AUDIT_ACTIONS.values()}) == len(AUDIT_ACTIONS) == 300
    assert not AUDIT_ACTIONS.keys() & ACTIONS.keys()


def test_an_unknown_number_means_nothing() -> None:
    """What the table does not know keeps its number."""
    assert action_of(77) == Action(77)
    assert action_named("LoginByMagic") is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("login", SUCCESS | FAILURE),
        ("Success", SUCCESS),
        (" failure ", FAILURE),
        ("session", SESSION),
        ("logout", {1006}),
        ("Logout", {1006}),
        ("LoginFailBruteForce", {1023}),
        ("loginfailbruteforce", {1023}),
        ("LoginSuccessViaTfaApp", {1021}),
        ("1029", {1029}),
        ("7000", {7000}),
    ],
)
def test_people_name_actions_in_many_ways(text: str, numbers: set[int]) -> None:
    """A group, a name in any letter case, a number."""
    assert choose(text) == numbers


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "means no filter to the portal"),
        ("00", "means no filter to the portal"),
        ("1", "write logout"),
        ("17", "does not mean anything"),
        ("", "it is login, logout"),
        ("-1", "it is login, logout"),
        ("LoginFailBrutForce", "did you mean LoginFailBruteForce"),
        ("sucess", "did you mean success"),
    ],
)
def test_what_is_no_action_is_said_with_the_reason(text: str, sentence: str) -> None:
    """Nothing that means something else to the portal is passed on in silence."""
    with pytest.raises(UsageError, match=sentence):
        choose(text)
