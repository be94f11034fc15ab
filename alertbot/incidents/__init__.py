"""Station 7: findings that go on together become an incident: what people are told of.

`decide` takes the findings that changed and the incidents that they may belong to, and gives incidents as they are to be, a log
entry with a named reason for each step, and the occasions to tell people of; `close` says which are over; `storm` sums up what
comes too thick to be told one by one. All of it is pure: incidents are stored and not worked out anew, because people and the
order of arrival shape them.
"""

from alertbot.incidents.desk import Holding, close, decide, holding_keys, incident_key, level_of
from alertbot.incidents.incident import (
    BOT,
    About,
    Decision,
    Incident,
    LogEntry,
    Occasion,
    Phase,
    Reason,
    Telling,
    Untold,
    Watch,
    Work,
    folded,
)

__all__ = [
    "BOT",
    "About",
    "Decision",
    "Holding",
    "Incident",
    "LogEntry",
    "Occasion",
    "Phase",
    "Reason",
    "Telling",
    "Untold",
    "Watch",
    "Work",
    "close",
    "decide",
    "folded",
    "holding_keys",
    "incident_key",
    "level_of",
]
