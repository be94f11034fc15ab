"""One question to a portal: what each way of going wrong becomes, and that the key stays where it belongs."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from alertbot.errors import (
    AlertbotError,
    BadRequest,
    ConfigError,
    KeyRejected,
    NotAllowed,
    PlanMissing,
    PortalBusy,
    PortalMoved,
    PortalTLSError,
    PortalTransient,
    PortalUnreachable,
)
from alertbot.moments import to_us
from alertbot.portal.client import PortalClient, connect, parse_http_date, parse_retry_after
from alertbot.settings import PortalSettings

KEY = "sk-very-secret"
URL = "https://portal.example"
LAST = f"{URL}/api/2.0/security/audit/login/last"
NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
LIFETIMES = {"response": {"loginHistoryLifeTime": 7, "auditTrailLifeTime": 90}, "status": 0}
EMPTY = {"response": [], "count": 0, "status": 0, "statusCode": 200}


class Asked:
    """A client whose pauses are written down instead of waited for."""

    def __init__(self, http: httpx.AsyncClient, **portal: Any) -> None:
        self.pauses: list[float] = []
        settings = PortalSettings(**{"name": "main", "url": URL, "api_key": KEY, **portal})
        self.client = PortalClient(settings, http, sleep=self._sleep, clock=lambda: NOW)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """A client of the portal at URL."""
    async with connect([]) as http:
        yield Asked(http)


@respx.mock
async def test_the_key_goes_with_every_call(asked: Asked) -> None:
    """Each call carries the key and asks for what it says."""
    route = respx.get(f"{URL}/api/2.0/security/audit/login/filter").respond(json=EMPTY)
    await asked.client.page("login", 200, 100, to_us(NOW) + 999_999)
    request = route.calls.last.request
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert dict(request.url.params) == {"count": "100", "startIndex": "200", "from": "2026-01-15T10:00:00Z"}


@respx.mock
async def test_the_audit_feed_has_its_own_address(asked: Asked) -> None:
    """Feed, directory, key and lifetime are asked where the portal has them."""
    api = f"{URL}/api/2.0"
    respx.get(f"{api}/security/audit/events/filter").respond(json=EMPTY)
    respx.get(f"{api}/security/audit/events/last").respond(json=EMPTY)
    respx.get(f"{api}/people", params={"count": "100", "startIndex": "0"}).respond(json=EMPTY | {"total": 0})
    respx.get(f"{api}/keys/@self").respond(json={"response": {"name": "k"}, "status": 0})
    respx.get(f"{api}/security/audit/settings/lifetime").respond(json=LIFETIMES)
    assert (await asked.client.page("audit", 0, 100)).content.rows == 0
    assert (await asked.client.last("audit")).content.rows == 0
    assert (await asked.client.people(0, 100)).content.total == 0
    assert (await asked.client.key()).content == {"name": "k"}
    assert (await asked.client.lifetime()).content == timedelta(days=7)
    assert (await asked.client.lifetime("audit")).content == timedelta(days=90)


@respx.mock
async def test_the_portals_clock_is_told(asked: Asked) -> None:
    """The `Date` header is the portal's now; up to a second behind is no difference."""
    dates = ["Thu, 15 Jan 2026 09:59:59 GMT", "Thu, 15 Jan 2026 11:00:00 GMT", "Thu, 15 Jan 2026 09:00:00 GMT", "soon", None]
    respx.get(LAST).mock(
        side_effect=[httpx.Response(200, json=EMPTY, headers={"Date": date} if date else {}) for date in dates],
    )
    answers = [await asked.client.last() for _ in dates]
    assert answers[0].portal_now == NOW - timedelta(seconds=1)
    hour = timedelta(hours=1)
    assert [answer.skew for answer in answers] == [timedelta(), hour, -hour, None, None]


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, BadRequest, "is it a DocSpace portal"),
        (401, KeyRejected, "Developer Tools > API keys"),
        (402, PlanMissing, "paid plan"),
        (403, NotAllowed, "`*:read`"),
        (404, PortalMoved, "DOCSPACE_URL"),
        (301, PortalMoved, "the key was not sent on"),
        (308, PortalMoved, "the key was not sent on"),
        (405, BadRequest, "is it a DocSpace portal"),
    ],
)
async def test_a_refusal_says_what_to_do(asked: Asked, status: int, error: type[AlertbotError], advice: str) -> None:
    """What people must change is said at once, with what to do, and is not tried again."""
    with respx.mock:
        respx.get(LAST).respond(status, headers={"Location": "https://elsewhere.example/"})
        with pytest.raises(error) as caught:
            await asked.client.last()
    assert advice in str(caught.value)
    assert "main (portal.example)" in str(caught.value)
    assert asked.pauses == []
    assert caught.value.exit_code == 3


@respx.mock
async def test_a_redirect_is_not_followed(asked: Asked) -> None:
    """The key never goes to another host."""
    respx.get(LAST).respond(302, headers={"Location": "https://elsewhere.example/"})
    elsewhere = respx.get(host="elsewhere.example").respond(json=EMPTY)
    with pytest.raises(PortalMoved):
        await asked.client.last()
    assert not elsewhere.called


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(500),
        httpx.Response(502, html="<html>Bad Gateway</html>"),
        httpx.Response(503),
        httpx.Response(204),
        httpx.Response(200, html="<html>login</html>"),
        httpx.Response(200),
        httpx.Response(200, content=b'{"response": [{"id": 1'),
        httpx.Response(200, json={"status": 1, "statusCode": 500, "error": {"message": "x"}}),
        httpx.DecodingError("no gzip"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
        httpx.ProxyError("no"),
    ],
)
async def test_what_may_pass_is_tried_again(asked: Asked, fault: httpx.Response | Exception) -> None:
    """Time-outs, resets, 5xx and broken bodies are tried again with growing pauses, and the next good answer counts."""
    with respx.mock:
        respx.get(LAST).mock(side_effect=[fault, fault, httpx.Response(200, json=EMPTY)])
        assert (await asked.client.last()).content.rows == 0
    assert len(asked.pauses) == 2
    assert 0.5 <= asked.pauses[0] <= 1 <= asked.pauses[1] <= 1.5


@respx.mock
async def test_patience_ends(asked: Asked) -> None:
    """A portal that waits longer than patience lasts is left to the next poll, with its own word."""
    respx.get(LAST).respond(429, headers={"Retry-After": "31"})
    with pytest.raises(PortalBusy) as caught:
        await asked.client.last()
    assert caught.value.retry_after == timedelta(seconds=31)
    assert asked.pauses == []


@pytest.mark.parametrize("told", ["7", "Thu, 15 Jan 2026 10:00:07 GMT"])
async def test_the_portals_word_on_waiting_counts(asked: Asked, told: str) -> None:
    """Retry-After in seconds or as a date is how long the next try waits."""
    with respx.mock:
        busy = httpx.Response(429, headers={"Retry-After": told})
        respx.get(LAST).mock(side_effect=[busy, httpx.Response(200, json=EMPTY)])
        await asked.client.last()
    assert asked.pauses == [7.0]


@respx.mock
async def test_a_date_to_wait_for_is_the_portals(asked: Asked) -> None:
    """Retry-After as a date goes by the portal's clock, not ours."""
    headers = {"Retry-After": "Sat, 15 Mar 2025 10:00:09 GMT", "Date": "Sat, 15 Mar 2025 10:00:00 GMT"}
    respx.get(LAST).mock(side_effect=[httpx.Response(429, headers=headers), httpx.Response(200, json=EMPTY)])
    await asked.client.last()
    assert asked.pauses == [9.0]


@pytest.mark.parametrize(
    ("told", "seconds"), [(None, 5), ("", 5), ("soon", 5), ("0", 1), ("-3", 5), ("60", 60), ("9" * 400, 3600), ("1.5", 5)]
)
def test_nonsense_to_wait_is_bounded(told: str | None, seconds: float) -> None:
    """However a Retry-After is written, the wait is between a second and an hour."""
    assert parse_retry_after(told, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [None, "", "x", "Thu, 99 Jan 2026 10:30:00 GMT", "Thu, 15 Jan 99999 10:30:00 GMT"])
def test_a_date_that_is_none_is_absent(text: str | None) -> None:
    """A header that is no date tells no time."""
    assert parse_http_date(text) is None


def _untrusted() -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


async def _ask_with(error: ssl.SSLError, pauses: list[float]) -> None:
    """Ask a portal whose first handshake fails."""
    errors = [error]

    def answer(request: httpx.Request) -> httpx.Response:
        if errors:
            raise httpx.ConnectError("handshake") from errors.pop()
        return httpx.Response(200, json=EMPTY)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        asked = Asked(http)
        asked.pauses = pauses
        await asked.client.last()


async def test_an_untrusted_certificate_is_named() -> None:
    """A certificate that nobody vouches for is said as such, with where to name an authority, and not tried again."""
    pauses: list[float] = []
    with pytest.raises(PortalTLSError, match=r"not to be trusted \(self-signed certificate\).*`ca`"):
        await _ask_with(_untrusted(), pauses)
    assert pauses == []


async def test_a_connection_cut_in_the_handshake_is_no_fault_of_the_certificate() -> None:
    """A handshake that breaks off may work in a moment."""
    pauses: list[float] = []
    await _ask_with(ssl.SSLEOFError(8, "eof"), pauses)
    assert len(pauses) == 1


async def test_http_on_a_tls_port_is_named() -> None:
    """What is no TLS at all is a matter of the address."""
    with pytest.raises(PortalTLSError, match="check `url`"):
        await _ask_with(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), [])


async def test_a_key_does_not_leave_over_plain_http() -> None:
    """http is for loopback, or where the configuration insists."""
    settings = PortalSettings.model_construct(name="main", url="http://portal.example", api_key=KEY, insecure_http=False)
    async with connect([]) as http:
        with pytest.raises(ConfigError, match="https://"):
            PortalClient(settings, http)
        PortalClient(PortalSettings(url="http://127.0.0.1:8080", api_key=KEY), http)
        PortalClient(PortalSettings(url="http://portal.example", insecure_http=True, api_key=KEY), http)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
async def test_the_key_is_in_no_error(asked: Asked, status: int) -> None:
    """Nothing that is said or shown holds the key, even if the portal repeats it."""
    with respx.mock:
        respx.get(LAST).respond(status, text=f"Bearer {KEY}", headers={"Retry-After": "99", "X-Echo": KEY})
        with pytest.raises(AlertbotError) as caught:
            await asked.client.last()
    shown = "".join(map(repr, (caught.value, caught.value.args, caught.value.__cause__, asked.client, asked.client.portal)))
    assert KEY not in shown + str(caught.value)


@respx.mock
async def test_requests_are_spread(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request after the 1,200th of a minute waits until the first is a minute old."""
    respx.get(LAST).respond(json=EMPTY)
    monkeypatch.setattr("alertbot.portal.client.MOST_PER_MINUTE", 3)
    client = Asked(asked.client._http).client
    client._sleep = asked._sleep
    for _ in range(4):
        await client.last()
    assert len(asked.pauses) == 1
    assert 50 < asked.pauses[0] <= 60


def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A file that holds no certificates is a mistake of the configuration."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.pem: is no file of certificates"):
        connect([], path)


async def test_a_body_larger_than_any_answer_is_not_kept(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading stops where no answer could be that large."""
    monkeypatch.setattr("alertbot.portal.client.LARGEST_BODY", 10)
    client = PortalClient(asked.client.portal, asked.client._http, patience=timedelta(), sleep=asked._sleep)
    with respx.mock:
        respx.get(LAST).respond(json=EMPTY)
        with pytest.raises(PortalTransient):
            await client.last()


async def test_nobody_there_is_unreachable() -> None:
    """A port where nobody listens is said as such."""
    settings = PortalSettings(url="http://127.0.0.1:9", api_key=KEY)
    async with connect([]) as http:
        client = PortalClient(settings, http, patience=timedelta())
        with pytest.raises(PortalUnreachable, match="cannot be reached"):
            await client.last()
