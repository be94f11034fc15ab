"""Runs the sandbox: a portal and a Slack, each on a port of loopback.

In come what they hold; out go two addresses that answer until the block is left. A server that was stopped starts again on
its old port, as a portal that comes back does.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from aiohttp import web

from alertbot.errors import UsageError

if TYPE_CHECKING:
    from alertbot.sandbox.portal import SandboxPortal
    from alertbot.sandbox.slack import SandboxSlack

LOOPBACK = "127.0.0.1"


class Served(Protocol):
    """What a server can run."""

    url: str

    def app(self) -> web.Application:
        """A new application over the same state."""


class Server:
    """One application on one port of loopback; port 0 takes any free one and keeps it."""

    def __init__(self, served: Served, port: int = 0) -> None:
        self._served = served
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listens, and gives the address."""
        runner = web.AppRunner(self._served.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, LOOPBACK, self._port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise UsageError(
                f"port {self._port} of {LOOPBACK} cannot be listened on ({error.strerror}): name another, or none"
            ) from None
        self._port = runner.addresses[0][1]
        self._runner = runner
        self._served.url = f"http://{LOOPBACK}:{self._port}"
        return self._served.url

    async def stop(self) -> None:
        """Stops to listen and drops what is open; stopping twice is no mistake."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class Sandbox:
    """A portal and a Slack, side by side."""

    def __init__(
        self,
        portal: SandboxPortal,
        slack: SandboxSlack | None = None,
        *,
        portal_port: int = 0,
        slack_port: int = 0,
    ) -> None:
        self.portal = portal
        self.slack = slack if slack is not None else _new_slack()
        self.portal_server = Server(self.portal, portal_port)
        self.slack_server = Server(self.slack, slack_port)

    async def __aenter__(self) -> Self:
        await self.portal_server.start()
        try:
            await self.slack_server.start()
        except BaseException:
            await self.portal_server.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.slack_server.stop()
        await self.portal_server.stop()

    def environment(self) -> dict[str, str]:
        """The variables with which `alertbot run` watches this portal and posts to this Slack."""
        return {
            "DOCSPACE_URL": self.portal.url,
            "DOCSPACE_API_KEY": self.portal.key.token,
            "SLACK_BOT_TOKEN": self.slack.token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_CHANNEL": self.slack.channel,
            "SLACK_API_URL": self.slack.api_url,
        }


def _new_slack() -> SandboxSlack:
    from alertbot.sandbox.slack import SandboxSlack

    return SandboxSlack()
