"""Station 5: rules folded over events. Pure: no clock, no I/O, no random number; findings depend on events and rules alone."""

from alertbot.engine.engine import Difference, Engine

__all__ = ["Difference", "Engine"]
