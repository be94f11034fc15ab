"""The way to a portal for real: certificates, an authority of one's own, proxies as the environment names them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alertbot.errors import PortalTLSError, PortalUnreachable
from alertbot.portal.client import PortalClient, connect
from alertbot.sandbox.clock import SandboxClock
from alertbot.sandbox.portal import SandboxPortal
from alertbot.sandbox.server import Server
from alertbot.settings import PortalSettings

TLS = Path(__file__).parent / "tls"
"""An authority, and the certificate of `portal.test` that it signed, with its key; good for nothing else, until 2124."""

NOWHERE = "http://127.0.0.1:1"
"""A proxy that does not answer."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def portal_with_tls() -> AsyncIterator[tuple[SandboxPortal, int]]:
    """A sandbox portal behind TLS; its port."""
    portal = SandboxPortal(SandboxClock(datetime.now(UTC)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "portal.pem")
    runner = web.AppRunner(portal.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield portal, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(portal: SandboxPortal, url: str, **settings: Any) -> int:
    """The number of rows that the portal gives."""
    one = PortalSettings.model_validate({"url": url, "api_key": portal.key.token, **settings})
    async with connect([one], one.ca) as http:
        return (await PortalClient(one, http, patience=timedelta()).last()).content.rows


async def test_a_certificate_of_ones_own_authority_is_good_where_it_is_named() -> None:
    async with portal_with_tls() as (portal, port):
        portal.add({"login": "anna@example.com", "actionId": 1002})
        assert await ask(portal, f"https://127.0.0.1:{port}", ca=TLS / "ca.pem") == 1
        with pytest.raises(PortalTLSError, match=r"certificate that is not to be trusted.*name your own authority's with `ca`"):
            await ask(portal, f"https://127.0.0.1:{port}")
        with pytest.raises(PortalTLSError, match=r"certificate that is not to be trusted.*not valid for 'localhost'"):
            await ask(portal, f"https://localhost:{port}", ca=TLS / "ca.pem")
        assert portal.asked == 1


async def test_http_where_tls_was_meant_is_named() -> None:
    portal = SandboxPortal(SandboxClock(datetime.now(UTC)))
    async with Server(portal):
        with pytest.raises(PortalTLSError, match=r"does not speak TLS as it should.*check `url`"):
            await ask(portal, portal.url.replace("http:", "https:"))
        assert portal.asked == 0


@dataclass
class Proxy:
    """A forward proxy that takes every name for this machine; all that it could read, and whom it was asked for."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.seen += head
        method, target, _ = head.split(b" ", 2)
        self.asked.append(f"{method.decode()} {target.decode()}")
        if method != b"CONNECT":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there, out = await asyncio.open_connection("127.0.0.1", int(target.rpartition(b":")[2]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(self._pump(reader, out), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65_536):
            self.seen += some
            writer.write(some)
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy that listens."""
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
        server.close()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_a_portal_is_asked_through_the_proxy_which_does_not_see_the_key(
    variable: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    async with portal_with_tls() as (portal, port):
        assert await ask(portal, f"https://portal.test:{port}", ca=TLS / "ca.pem") == 0
        assert portal.asked == 1
    assert proxy.asked == [f"CONNECT portal.test:{port}"]
    assert portal.key.token.encode() not in proxy.seen


async def test_no_proxy_names_what_is_asked_directly(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "other.test,.portal.test")
    portal = SandboxPortal(SandboxClock(datetime.now(UTC)))
    with pytest.raises(PortalUnreachable):
        await ask(portal, "http://eu.portal.test:1", insecure_http=True)
    assert proxy.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost"])
async def test_a_portal_on_this_machine_is_never_asked_through_a_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, NOWHERE)
    portal = SandboxPortal(SandboxClock(datetime.now(UTC)))
    async with Server(portal):
        if host == "127.0.0.9":
            with pytest.raises(PortalUnreachable, match="cannot be reached: check `url`"):
                await ask(portal, f"http://{host}:1")
        else:
            assert await ask(portal, portal.url.replace("127.0.0.1", host)) == 0


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:swordfish@127.0.0.1:{address[1]}")
        portal = SandboxPortal(SandboxClock(datetime.now(UTC)))
        with pytest.raises(PortalUnreachable, match=r"The proxy .* refuses: check HTTPS_PROXY and NO_PROXY") as caught:
            await ask(portal, "https://portal.test")
    assert "swordfish" not in repr(caught.value) + str(caught.value)
