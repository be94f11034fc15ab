"""One question to a portal, one answer: every way in which that can go wrong becomes an error of `errors` with a sentence.

In come a portal's settings and a call; out comes an `Answer`: the body, and what time it is over there. What may be better in
a moment (time-out, reset, 429, 5xx) is asked again, with growing pauses and as the portal's `Retry-After` says, as long as
`patience` lasts. Requests are spread so that the portal's own limit is never reached.

The key goes to the configured host and to no other: redirects are not followed. It is in no error, `repr` or log.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random
from tenacity.wait import wait_base

from alertbot.errors import (
    BadRequest,
    ConfigError,
    KeyRejected,
    Mistake,
    NotAllowed,
    PlanMissing,
    PortalBusy,
    PortalError,
    PortalMoved,
    PortalTLSError,
    PortalTransient,
    PortalUnreachable,
)
from alertbot.event import Feed
from alertbot.moments import from_us
from alertbot.portal.cursor import LAST
from alertbot.portal.doubt import doubted
from alertbot.portal.people import PeoplePage, parse_people
from alertbot.portal.walk import PAGE
from alertbot.rows import Page, parse_answer, parse_page
from alertbot.settings import PortalSettings, check_url, is_loopback

PATIENCE = timedelta(seconds=30)
"""How long one call is tried again before it counts as failed; the next poll tries anew."""

NOBODY_THERE = timedelta(seconds=10)
"""How long a portal that has never answered is tried: the address may be wrong, and somebody waits to be told."""

WHOLE_ANSWER_S = 30.0
CONNECT_S = 5.0
SILENCE_S = 15.0
MOST_CONNECTIONS = 64
"""At once, for all portals. Who finds none free waits; more at a time only make each answer slower."""

LARGEST_BODY = 64 * 2**20
MOST_PER_MINUTE = 1_200
"""Of the 1,500 requests a minute that a portal allows a user."""

_API = "/api/2.0"
_FEED_PATHS: Mapping[Feed, str] = {"login": "login", "audit": "events"}
_LIFETIMES: Mapping[Feed, str] = {"login": "loginHistoryLifeTime", "audit": "auditTrailLifeTime"}
_KEYS_PAGE = "Developer Tools > API keys in the portal's settings"

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was asked for, the portal's clock when it answered (`Date`; absent if it does not tell), and ours at that moment."""

    content: T
    portal_now: datetime | None
    answered_at: datetime

    @property
    def skew(self) -> timedelta | None:
        """How far the portal's clock is before ours; the header has whole seconds, so up to a second is nothing."""
        if self.portal_now is None:
            return None
        ahead = self.portal_now - self.answered_at
        return timedelta() if -timedelta(seconds=1) <= ahead <= timedelta() else ahead


class PortalClient:
    """Asks one portal. `http` is made by `connect`, and may be shared by portals that have no `ca` of their own."""

    def __init__(
        self,
        portal: PortalSettings,
        http: httpx.AsyncClient,
        *,
        patience: timedelta = PATIENCE,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _check(portal)
        self.portal = portal
        self._http = http
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._pace = _Pace(MOST_PER_MINUTE, monotonic)
        self._has_answered = False
        self.skew: timedelta | None = None
        """How far the portal's clock was before ours at its last answer; absent where it does not tell."""
        self._where = f"The portal {portal.name} ({urlsplit(portal.url).netloc})"

    def __repr__(self) -> str:
        return f"PortalClient({self.portal.name!r}, {self.portal.url!r})"

    async def last(self, feed: Feed = "login") -> Answer[Page]:
        """The newest 20 events."""
        return self._doubted(await self._get(f"/security/audit/{_FEED_PATHS[feed]}/last", {}, self._reader_of(feed)))

    async def page(self, feed: Feed, start_index: int, count: int, since_us: int | None = None) -> Answer[Page]:
        """Events, newest first; `since_us` leaves out the older ones of this page (it is sent in whole seconds)."""
        query = {"count": str(count), "startIndex": str(start_index)}
        if since_us is not None:
            query["from"] = from_us(since_us - since_us % 1_000_000).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._doubted(await self._get(f"/security/audit/{_FEED_PATHS[feed]}/filter", query, self._reader_of(feed)))

    async def shows_newest_only(self, feed: Feed, first: Page, since_us: int | None = None) -> bool:
        """Whether `/filter`, which gave `first` at its beginning, serves `/last` in disguise: there is no audit service.

        The signs are exactly 20 rows, and 20 again where its second page would be.
        """
        return first.rows == LAST and (await self.page(feed, PAGE, PAGE, since_us)).content.rows == LAST

    def _doubted(self, answer: Answer[Page]) -> Answer[Page]:
        """With its dates that may be an hour off marked."""
        now = answer.portal_now or answer.answered_at
        return replace(answer, content=doubted(answer.content, now, self.portal.zone))

    async def people(self, start_index: int, count: int) -> Answer[PeoplePage]:
        """A page of the directory."""
        return await self._get("/people", {"count": str(count), "startIndex": str(start_index)}, parse_people)

    async def key(self) -> Answer[Mapping[str, Any]]:
        """What the portal says of the key in use: its name, `permissions`, `isActive`, `expiresAt`, `createBy`."""
        return await self._get("/keys/@self", {}, _parse_object)

    async def lifetime(self, feed: Feed = "login") -> Answer[timedelta | None]:
        """How long the portal keeps a feed's history; absent where it does not say."""
        return await self._get("/security/audit/settings/lifetime", {}, partial(_parse_lifetime, _LIFETIMES[feed]))

    async def end_sessions(self, account: str) -> str:
        """End every session of an account; what the portal said. The one call that writes: the key needs `*:write`."""
        path = f"/security/activeconnections/logoutall/{quote(account, safe='')}"
        try:
            await self._get(path, {}, parse_answer, method="PUT")
        except PortalMoved as exc:
            raise PortalMoved(f"{self._where} does not know this account, or not this call (404).") from exc
        except NotAllowed as exc:
            raise NotAllowed(f"{self._where} does not allow this (403): the API key needs the scope `*:write`.") from exc
        return "done (200)"

    def _reader_of(self, feed: Feed) -> Callable[[bytes], Page]:
        return lambda body: parse_page(body, self.portal.name, feed)

    async def _get(self, path: str, query: Mapping[str, str], read: Callable[[bytes], T], *, method: str = "GET") -> Answer[T]:
        """Ask, and ask again while it may help and `patience` lasts. A body that cannot be read is asked for again too."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(PortalTransient),
            wait=WaitAsTold(),
            stop=self._has_had_enough,
            sleep=self._sleep,
            reraise=True,
        ):
            with attempt:
                return await self._ask(path, query, read, method)
        raise AssertionError("tenacity gives an answer or raises")

    def _has_had_enough(self, state: RetryCallState) -> bool:
        """Whether the next pause would end after patience does."""
        spent = max(state.idle_for, state.seconds_since_start or 0.0)
        failed = state.outcome.exception() if state.outcome else None
        nobody_there = isinstance(failed, PortalUnreachable) and not self._has_answered
        patience = min(self._patience, NOBODY_THERE) if nobody_there else self._patience
        return spent + state.upcoming_sleep >= patience.total_seconds()

    async def _ask(self, path: str, query: Mapping[str, str], read: Callable[[bytes], T], method: str) -> Answer[T]:
        """One request."""
        await self._pace.wait(self._sleep)
        url = f"{self.portal.url}{_API}{quote(path, safe='/@%')}"
        headers = {"Authorization": f"Bearer {self.portal.api_key.get_secret_value()}", "Accept": "application/json"}
        try:
            async with (
                asyncio.timeout(WHOLE_ANSWER_S),
                self._http.stream(method, url, params=dict(query), headers=headers, follow_redirects=False) as response,
            ):
                body = await _body(response)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, TimeoutError) as exc:
            raise self._unreachable(exc) from None
        self._has_answered = True
        if response.status_code != 200:
            raise self._refused(response)
        try:
            content = read(body)
        except PortalTransient as exc:
            raise PortalTransient(f"{self._where} gave no answer that can be used: {exc}.") from None
        answer = Answer(content, parse_http_date(response.headers.get("date")), self._clock())
        self.skew = answer.skew
        return answer

    def _unreachable(self, exc: Exception) -> PortalError:
        """What httpx says, most specific first. Its own text stays out: it may hold anything."""
        where = self._where
        tls = _tls_cause(exc)
        if isinstance(tls, ssl.SSLCertVerificationError):
            return PortalTLSError(
                f"{where} shows a certificate that is not to be trusted ({tls.verify_message.rstrip('.')}): "
                "mend the certificate, or name your own authority's with `ca`."
            )
        if isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return PortalUnreachable(f"{where} broke the connection off.")
        if tls is not None:
            reason = str(getattr(tls, "reason", None) or "").replace("_", " ").lower()
            return PortalTLSError(f"{where} does not speak TLS as it should{f' ({reason})' if reason else ''}: check `url`.")
        if isinstance(exc, httpx.ProxyError):
            return PortalUnreachable(
                f"The proxy on the way to the portal {self.portal.name} refuses: check HTTPS_PROXY and NO_PROXY."
            )
        if isinstance(exc, httpx.TimeoutException | TimeoutError):
            return PortalUnreachable(f"{where} did not answer in time.")
        if isinstance(exc, httpx.ConnectError):
            return PortalUnreachable(f"{where} cannot be reached: check `url`, the network and the name's address.")
        if isinstance(exc, httpx.DecodingError):
            return PortalTransient(f"{where} answered with a body that cannot be unpacked.")
        return PortalUnreachable(f"{where} broke the connection off.")

    def _refused(self, response: httpx.Response) -> PortalError:
        """What a status means for who reads."""
        where, status = self._where, response.status_code
        if status == 400:
            return BadRequest(
                f"{where} does not understand the question for {response.url.path} (400): is it a DocSpace portal?"
            )
        if status == 401:
            return KeyRejected(
                f"{where} rejects the API key (401): it is wrong, expired or revoked. A DocSpace admin makes a new one under "
                f"{_KEYS_PAGE}, with the scope `*:read`; put it into `api_key` or DOCSPACE_API_KEY."
            )
        if status == 402:
            return PlanMissing(f"{where} has a plan without the audit service (402): its login history needs a paid plan.")
        if status == 403:
            return NotAllowed(
                f"{where} does not allow this (403): the API key's owner must be a DocSpace admin, and the key needs the scope "
                f"`*:read` ({_KEYS_PAGE})."
            )
        if status == 404 or 300 <= status < 400:
            told = "sends to another address" if status != 404 else "has no such page"
            return PortalMoved(
                f"{where} {told} ({status}): the address is wrong, or the portal was renamed or moved. Put the address that "
                "the browser shows into `url` or DOCSPACE_URL; the key was not sent on."
            )
        if status == 429:
            now = parse_http_date(response.headers.get("date")) or self._clock()
            wait = parse_retry_after(response.headers.get("retry-after"), now)
            return PortalBusy(f"{where} has had too many requests (429); it wants {wait.total_seconds():.0f} s of quiet.", wait)
        if status >= 500 or status in (408, 425):
            return PortalTransient(f"{where} has trouble of its own ({status}).")
        if status < 300:
            return PortalTransient(f"{where} answered without an answer ({status}).")
        return BadRequest(f"{where} refuses the question for {response.url.path} ({status}): is it a DocSpace portal?")


def connect(portals: Iterable[PortalSettings], ca: Path | None = None) -> httpx.AsyncClient:
    """A pool of connections for portals, which trusts a private authority too (`ca`). Close it with `async with`.

    The usual variables name a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY). What is on this machine is never asked
    through one: the proxy would see the key, and could not find the portal.
    """
    hosts = {urlsplit(portal.url).hostname or "" for portal in portals}
    here = {f"[{host}]" if ":" in host else host for host in hosts if is_loopback(host)}
    return httpx.AsyncClient(
        verify=_trust(ca),
        follow_redirects=False,
        timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S, pool=WHOLE_ANSWER_S),
        limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=32, keepalive_expiry=60),
        headers={"User-Agent": "alertbot"},
        trust_env=True,
        mounts={f"all://{host}": None for host in here},
    )


class WaitAsTold(wait_base):
    """As long as `Retry-After` says; else longer from try to try, never the same for two bots."""

    def __init__(self) -> None:
        self._growing = wait_exponential(multiplier=0.5, max=8) + wait_random(0, 0.5)

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds until the next try."""
        failed = retry_state.outcome.exception() if retry_state.outcome else None
        growing = self._growing(retry_state)
        return max(failed.retry_after.total_seconds(), 0.1) if isinstance(failed, PortalBusy) else growing


def parse_http_date(text: str | None) -> datetime | None:
    """A `Date` header; absent where it is none.

    >>> parse_http_date("Thu, 15 Jan 2026 10:30:00 GMT")
    datetime.datetime(2026, 1, 15, 10, 30, tzinfo=datetime.timezone.utc)
    """
    try:
        moment = parsedate_to_datetime(text) if text else None
        return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def parse_retry_after(text: str | None, now: datetime) -> timedelta:
    """How long to wait: seconds or a date, at least 1 s and at most an hour; where it is neither, 5 s."""
    seconds = 5.0
    if text is not None and text.strip().isdecimal():
        seconds = float(text.strip()[:6])
    elif (moment := parse_http_date(text)) is not None:
        seconds = (moment - now).total_seconds()
    return timedelta(seconds=min(max(seconds, 1.0), 3600.0))


class _Pace:
    """Keeps requests under a number a minute: the next one waits until the oldest is a minute old."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._sent: deque[float] = deque(maxlen=most)
        self._monotonic = monotonic

    async def wait(self, sleep: Sleep) -> None:
        """Wait for room, and take it."""
        if len(self._sent) == self._sent.maxlen:
            until = self._sent[0] + 60 - self._monotonic()
            if until > 0:
                await sleep(until)
        self._sent.append(self._monotonic())


def _check(portal: PortalSettings) -> None:
    """The last look before a key leaves: settings that were made by hand are checked too."""
    try:
        check_url(portal.url, insecure_http=portal.insecure_http)
    except ValueError as exc:
        raise ConfigError([Mistake(f"portal {portal.name}", 0, 0, f"url: {exc}")]) from None


def _trust(ca: Path | None) -> ssl.SSLContext:
    """Which certificates count: those of the public authorities, and of one's own."""
    context = httpx.create_ssl_context()
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError):
            raise ConfigError(
                [Mistake(str(ca), 0, 0, "is no file of certificates (PEM) that can be read: mend `ca`")]
            ) from None
    return context


def _tls_cause(exc: BaseException | None) -> ssl.SSLError | None:
    """The TLS error behind an error of httpx."""
    seen = 0
    while exc is not None and seen < 10:
        if isinstance(exc, ssl.SSLError):
            return exc
        exc, seen = exc.__cause__ or exc.__context__, seen + 1
    return None


def _parse_object(body: bytes) -> Mapping[str, Any]:
    response = parse_answer(body).get("response")
    if not isinstance(response, Mapping):
        raise PortalTransient("it holds no object")
    return response


def _parse_lifetime(name: str, body: bytes) -> timedelta | None:
    days = _parse_object(body).get(name)
    return timedelta(days=days) if type(days) is int and 0 < days <= 3_650 else None


async def _body(response: httpx.Response) -> bytes:
    """The whole body, unless it is larger than any answer could be."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > LARGEST_BODY:
            raise httpx.DecodingError("too large")
        parts.append(part)
    return b"".join(parts)
