"""alertbot: from a portal's login history to a message in Slack.

The way of an event, one station a module:

    portal/        pages of the portal's history           → rows
    event          a row, parsed and checked               → Event
    identity       who: typed login or user id             → account
    places         where: country and city                 → code, coordinates
    store/         every event once, in one transaction with all that follows from it
    rules/         what people wrote in YAML               → Rule
    engine/        a pure fold of events through rules     → Finding
    incidents      findings that go on together            → Incident, and what to tell
    outbox         what is to be told, exactly once
    slack/         an incident as a message, and its delivery

`service` wires the stations and runs their loops; `cli` is the commands; `backtest` runs the same engine over
history; `sandbox/` is a portal and a Slack on this machine.
"""

__version__ = "0.1.0"
