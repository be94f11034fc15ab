"""The ten rules of `rules/ten.yml` by hand, with plain dicts, lists and deques: how fast Python goes without an engine.

In comes an event after another, in order; out come the firings, as (rule, event's id). It knows these ten rules, in order, and
nothing else: no late events, no versions, no findings with their evidence, no forgetting of keys, no text in any letter case.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

from alertbot.event import Event
from alertbot.places import distance_km, place_of

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
_LISTED = frozenset(("RU", "IR", "KP", "CN"))


def by_hand(fired: list[tuple[str, int]]) -> Callable[[Event], None]:
    """The function that takes the next event and appends what fires."""
    of_account: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=5))
    of_address: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=20))
    sprayed: defaultdict[str, dict[str, int]] = defaultdict(dict)
    addresses: defaultdict[str, dict[str, int]] = defaultdict(dict)
    guessed: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=5))
    countries: dict[tuple[str, str], int] = {}
    devices: dict[tuple[str, str, str], int] = {}
    began: dict[str, int] = {}
    device_began: dict[str, int] = {}
    places: dict[str, tuple[int, object]] = {}
    on_account: set[str] = set()
    on_address: set[str] = set()
    on_spray: set[str] = set()
    on_addresses: set[str] = set()

    def failed(event: Event, at: int, account: str | None) -> None:
        ip = event.ip
        if account:
            times = of_account[account]
            times.append(at)
            if len(times) == 5 and times[0] >= at - 10 * _MINUTE_US:
                if account not in on_account:
                    on_account.add(account)
                    fired.append(("account-failures", event.id))
            else:
                on_account.discard(account)
            guessed[account].append(at)
        if ip:
            times = of_address[ip]
            times.append(at)
            if len(times) == 20 and times[0] >= at - 10 * _MINUTE_US:
                if ip not in on_address:
                    on_address.add(ip)
                    fired.append(("address-failures", event.id))
            else:
                on_address.discard(ip)
            if account:
                distinct(sprayed[ip], account, at, 10, 10 * _MINUTE_US, on_spray, ip, "spray", event.id)

    def distinct(
        seen: dict[str, int], value: str, at: int, count: int, within: int, on: set[str], key: str, rule: str, event_id: int
    ) -> None:
        seen.pop(value, None)
        seen[value] = at
        if len(seen) > count:
            del seen[next(iter(seen))]
        if len(seen) == count and seen[next(iter(seen))] >= at - within:
            if key not in on:
                on.add(key)
                fired.append((rule, event_id))
        else:
            on.discard(key)

    def entered(event: Event, at: int, account: str | None) -> None:
        if not 5 <= at % _DAY_US // _HOUR_US < 23:
            fired.append(("night", event.id))
        country = event.country_code
        if country in _LISTED:
            fired.append(("country-list", event.id))
        if not account:
            return
        if event.ip:
            distinct(addresses[account], event.ip, at, 5, _HOUR_US, on_addresses, account, "many-addresses", event.id)
        times = guessed.get(account)
        if times is not None and len(times) == 5 and times[0] >= at - 30 * _MINUTE_US:
            fired.append(("guessed", event.id))
            times.clear()
        if country:
            first = began.setdefault(account, at)
            last = countries.get((account, country), -_DAY_US * 100_000)
            countries[account, country] = at
            if last < at - 90 * _DAY_US and at - first >= 7 * _DAY_US:
                fired.append(("new-country", event.id))
        if event.browser and event.platform:
            first = device_began.setdefault(account, at)
            device = (account, event.browser, event.platform)
            last = devices.get(device, -_DAY_US * 100_000)
            devices[device] = at
            if last < at - 90 * _DAY_US and at - first >= 7 * _DAY_US:
                fired.append(("new-device", event.id))
        place = place_of(event)
        if place is not None:
            before = places.get(account)
            places[account] = (at, place)
            if before is not None and before[1] is not place:
                km = distance_km(before[1], place)  # type: ignore[arg-type]
                if km > 500 and km * _HOUR_US > 900 * (at - before[0]):
                    fired.append(("travel", event.id))

    def step(event: Event) -> None:
        if event.outcome == "failure":
            failed(event, event.at_us, event.account)
        elif event.outcome == "success":
            entered(event, event.at_us, event.account)

    return step
