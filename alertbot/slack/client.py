"""Station 9: one call to Slack; done, or one of the errors that say what to do next.

In go messages; out come places in Slack. A call is made once: whether and when again is the business of delivery, which knows
what was promised. `SlackClient` speaks the Web API with a bot token, `WebhookClient` posts through an incoming webhook, where
nobody can look, reply or update. Tokens and webhook addresses appear in no error and no repr.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from alertbot.errors import SlackCredential, SlackError, SlackPayload, SlackPlace, SlackUnknownOutcome
from alertbot.outbox import File, Message, Place
from alertbot.settings import is_loopback
from alertbot.slack import answers

EVENT_TYPE = "alertbot_message"
TIMEOUT = timedelta(seconds=15)
"""Slack may take long and still post: a time-out under 10 s would make too many outcomes unknown."""

SLACK = "https://slack.com/api/"
REPEAT = "This may be a repeat: whether it was posted before could not be found out."

_CONNECT = timedelta(seconds=10)
_CLOCKS_DIFFER = timedelta(minutes=10)
_PAGE = 200
_MOST_PAGES = 50
_quiet = logging.getLogger("alertbot.slack.sdk")
_quiet.setLevel(logging.WARNING)  # at its most talkative the SDK logs what is posted


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is, and what its token may do."""

    team: str
    team_id: str
    user: str
    user_id: str
    bot_id: str
    url: str
    scopes: frozenset[str]


def payload(message: Message) -> dict[str, Any]:
    """Text, blocks and the coloured bar as Slack takes them.

    Blocks up to a header stand above the bar: where there are blocks beside `text`, Slack shows `text` in notifications
    only. Nothing is parsed: no link, no name and no picture appears that the blocks do not say.
    """
    parts: dict[str, Any] = {"text": message.text, "parse": "none", "link_names": False}
    if message.colour is None or not message.blocks:
        return {**parts, "blocks": list(message.blocks), "attachments": []}
    heads = [number for number, block in enumerate(message.blocks) if block.get("type") == "header"]
    above = heads[0] + 1 if heads else 0
    bar = {"color": message.colour, "fallback": message.text, "blocks": list(message.blocks[above:])}
    return {**parts, "blocks": list(message.blocks[:above]), "attachments": [bar] if bar["blocks"] else []}


class SlackClient:
    """Slack's Web API with a bot token. Use it as an async context manager, or `close` it."""

    def __init__(self, token: str, *, api_url: str | None = None, timeout: timedelta = TIMEOUT) -> None:
        self._timeout = timeout
        self._url = api_url or SLACK
        self._token = token
        self._web: AsyncWebClient | None = None
        self._ids: dict[str, str] = {}
        self._workspace: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections to Slack."""
        if self._web is not None and self._web.session is not None:
            await self._web.session.close()
        self._web = None

    async def post(self, channel: str, message: Message, *, outbox_id: str, thread_ts: str | None = None) -> Place:
        """Posts a message, or a reply in a thread; `outbox_id` travels with it and finds it again."""
        answer = await self._call(
            "chat.postMessage",
            channel=channel,
            thread_ts=thread_ts,
            metadata=_metadata(outbox_id),
            mrkdwn=False,  # of `text` only: a value in it formats nothing
            unfurl_links=False,
            unfurl_media=False,
            **_without_empty(payload(message)),
        )
        place = _place(answer)
        if channel != place.channel:
            self._ids[_bare(channel)] = place.channel
        return place

    async def update(self, channel: str, ts: str, message: Message, *, outbox_id: str | None = None) -> None:
        """Changes a message that stands. Slack forgets what an update leaves out, so all of it is sent."""
        metadata = _metadata(outbox_id) if outbox_id else None
        await self._call("chat.update", channel=await self.channel_id(channel), ts=ts, metadata=metadata, **payload(message))

    async def upload(self, place: Place, file: File, message: Message, *, outbox_id: str) -> None:
        """Puts a file into the thread of a message. Its name on Slack begins with `outbox_id`, which finds it again."""
        content = file.content.encode("utf-8", "replace")
        name = f"{outbox_id}-{file.name}"
        ticket = await self._files("files.getUploadURLExternal", filename=name, length=len(content))
        address, number = ticket.get("upload_url"), ticket.get("file_id")
        if not isinstance(address, str) or not isinstance(number, str):
            raise SlackUnknownOutcome("Slack's answer does not say where a file goes", "broken_answer", answered=True)
        await self._put(address, content)
        await self._files(
            "files.completeUploadExternal",
            files=json.dumps([{"id": number, "title": file.name}]),
            channel_id=place.channel,
            thread_ts=place.ts,
            initial_comment=message.text,
        )

    async def _files(self, method: str, **wanted: Any) -> Mapping[str, Any]:
        """A call about files. Where the bot may not send any, the words must do."""
        try:
            return await self._call(method, **wanted)
        except SlackCredential as error:
            if error.code in ("missing_scope", "no_permission", "not_allowed_token_type", "access_denied"):
                raise SlackPayload(f"{method}: the bot may send no files (scope files:write)", error.code) from None
            raise

    async def _put(self, address: str, content: bytes) -> None:
        """Brings the content. Nothing is shown by this yet, and what fails concerns this file only."""
        session = self._connected().session
        assert session is not None
        failed = False
        try:
            async with session.post(address, data=content, allow_redirects=False) as answer:
                failed = answer.status != 200
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            failed = True
        if failed:
            raise SlackUnknownOutcome("Slack did not take the file", "upload_failed", answered=True)

    async def call(self, method: str, **wanted: Any) -> Mapping[str, Any]:
        """Any other method; what is None is left out."""
        return await self._call(method, **wanted)

    async def whisper(self, place: Place, user: str, words: str) -> None:
        """Says something that one person alone sees, at the end of the channel that a message stands in."""
        await self._call("chat.postEphemeral", channel=place.channel, user=user, **_without_empty(payload(Message(text=words))))

    async def listed(self, method: str, name: str, **wanted: Any) -> list[Mapping[str, Any]]:
        """Everything that a method lists under a name, all its pages."""
        return [each async for page in self._pages(method, **wanted) for each in _list(page, name)]

    async def permalink(self, place: Place) -> str:
        """The address of a message for people."""
        if self._workspace is None:
            self._workspace = (await self.identity()).url.rstrip("/")
        return f"{self._workspace}/archives/{place.channel}/p{place.ts.replace('.', '')}"

    async def find(self, channel: str, outbox_id: str, *, since: datetime, thread_ts: str | None = None) -> Place | None:
        """Where the message with this id stands, if it does. Looks at all that was posted since; clocks may differ."""
        place_id = await self.channel_id(channel)
        oldest = f"{(since - _CLOCKS_DIFFER).timestamp():.6f}"
        wanted = {"channel": place_id, "oldest": oldest, "limit": _PAGE, "inclusive": True, "include_all_metadata": True}
        method = "conversations.replies" if thread_ts else "conversations.history"
        async for page in self._pages(method, ts=thread_ts, **wanted):
            for found in _list(page, "messages"):
                if outbox_id in (_id_of(found), *_files_of(found)) and isinstance(found.get("ts"), str):
                    return Place(place_id, found["ts"])
        return None

    async def channel_id(self, channel: str) -> str:
        """The id of a channel given by `#name` or id. Names are looked up once."""
        name = _bare(channel)
        if not channel.startswith("#") and name[:1] in ("C", "G", "D") and name.isalnum() and name.isupper():
            return channel
        for method in ("users.conversations", "conversations.list"):  # the bot's own channels are the shorter list
            if name not in self._ids:
                await self._learn_channels(method, name)
        if name not in self._ids:
            raise SlackPlace(f"Slack shows the bot no channel #{name}: check its name, and invite the bot", "channel_not_found")
        return self._ids[name]

    async def _learn_channels(self, method: str, wanted: str) -> None:
        kinds = "public_channel,private_channel"
        async for page in self._pages(method, types=kinds, exclude_archived=True, limit=_PAGE):
            for found in _list(page, "channels"):
                self._ids.setdefault(str(found.get("name")), str(found.get("id")))
            if wanted in self._ids:
                return

    async def identity(self) -> Identity:
        """Who the token belongs to."""
        web = self._connected()
        body, headers = await self._ask(web, "auth.test", {})
        names = {key: str(body.get(key, "")) for key in ("team", "team_id", "user", "user_id", "bot_id", "url")}
        scopes = headers.get("x-oauth-scopes", "")
        return Identity(**names, scopes=frozenset(part.strip() for part in scopes.split(",") if part.strip()))

    async def _pages(self, method: str, **wanted: Any) -> AsyncIterator[Mapping[str, Any]]:
        cursor = ""
        for _ in range(_MOST_PAGES):
            page = await self._call(method, cursor=cursor or None, **wanted)
            yield page
            more = page.get("response_metadata")
            following = more.get("next_cursor") if isinstance(more, Mapping) else None
            if not isinstance(following, str) or following in ("", cursor):
                return
            cursor = following
        raise SlackUnknownOutcome(f"{method}: Slack's pages do not end", "too_many_pages", answered=True)

    async def _call(self, method: str, **wanted: Any) -> Mapping[str, Any]:
        body, _ = await self._ask(self._connected(), method, {key: value for key, value in wanted.items() if value is not None})
        return body

    async def _ask(
        self, web: AsyncWebClient, method: str, wanted: dict[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        error: SlackError | None = None
        body: Any = None
        headers: Mapping[str, str] = {}
        try:
            # Reading methods take a form or a query only, writing ones JSON.
            if method.startswith(("chat.", "views.")):
                answer = await web.api_call(method, json=wanted)
            else:
                answer = await web.api_call(method, params=wanted)
            body, headers = answer.data, answer.headers
            error = answers.of_body(method, answer.status_code, headers, body)
        except SlackApiError as failure:
            error = _refusal(method, failure)
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            error = answers.of_failure(method, failure)
        except (ValueError, AttributeError, TypeError) as failure:  # the SDK trips over JSON that is no object
            error = answers.of_failure(method, failure)
        if error is not None:
            raise error  # out here, or the SDK's error, which holds the token, would hang on to it
        return body, headers

    def _connected(self) -> AsyncWebClient:
        if self._web is None:
            self._web = AsyncWebClient(
                token=self._token,
                base_url=self._url,
                session=_session(self._url, self._timeout),
                retry_handlers=[],
                logger=_quiet,
            )
            self._web.proxy = None  # the session reads the proxy from the environment, and NO_PROXY with it
        return self._web

    def __repr__(self) -> str:
        return f"SlackClient({self._url!r})"


class WebhookClient:
    """An incoming webhook: it posts to one channel, and says nothing of where."""

    def __init__(self, url: str, *, timeout: timedelta = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections to Slack."""
        if self._http is not None:
            await self._http.close()
        self._http = None

    async def post(self, message: Message, *, maybe_repeat: bool = False) -> None:
        """Posts a message; one that may stand already says so."""
        body = _without_empty(payload(marked_as_repeat(message) if maybe_repeat else message))
        body |= {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        if self._http is None:
            self._http = _session(self._url, self._timeout)
        error: SlackError | None = None
        try:
            async with self._http.post(self._url, json=body, allow_redirects=False) as answer:
                said = (await answer.content.read(10_000)).decode("utf-8", "replace")
                error = answers.of_text("the webhook", answer.status, answer.headers, said)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            error = answers.of_failure("the webhook", failure)
        if error is not None:
            raise error  # out here: what aiohttp raised names the address, and the address is the secret

    def __repr__(self) -> str:
        return "WebhookClient()"


def marked_as_repeat(message: Message) -> Message:
    """The message with the remark that it may stand already."""
    text = f"{REPEAT}\n{message.text}"
    if not message.blocks:
        return Message(text=text, colour=message.colour)
    remark = {"type": "context", "elements": [{"type": "plain_text", "text": REPEAT, "emoji": False}]}
    return Message(text=text, blocks=(remark, *message.blocks[:49]), colour=message.colour)


def _session(url: str, timeout: timedelta) -> aiohttp.ClientSession:
    """Connections to Slack, through the environment's proxy unless it is a Slack on this machine."""
    limits = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=min(timeout, _CONNECT).total_seconds())
    return aiohttp.ClientSession(timeout=limits, trust_env=not is_loopback(urlsplit(url).hostname or ""))


def _without_empty(parts: dict[str, Any]) -> dict[str, Any]:
    """Without lists that are empty: an update clears what was there by them, a post does not need them."""
    return {name: value for name, value in parts.items() if value != []}


def _metadata(outbox_id: str) -> dict[str, Any]:
    """Everybody in the workspace can read it: an opaque id and nothing else."""
    return {"event_type": EVENT_TYPE, "event_payload": {"id": outbox_id}}


def _id_of(found: Mapping[str, Any]) -> str | None:
    metadata = found.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    content = metadata.get("event_payload")
    return content.get("id") if isinstance(content, Mapping) else None


def _files_of(found: Mapping[str, Any]) -> list[str]:
    """The ids that the names of its files begin with."""
    files = found.get("files")
    names = [each.get("name") for each in files if isinstance(each, Mapping)] if isinstance(files, list) else []
    return [name.partition("-")[0] for name in names if isinstance(name, str)]


def _place(answer: Mapping[str, Any]) -> Place:
    channel, ts = answer.get("channel"), answer.get("ts")
    if not isinstance(channel, str) or not isinstance(ts, str):
        raise SlackUnknownOutcome("chat.postMessage: Slack's answer does not say where", "broken_answer", answered=True)
    return Place(channel, ts)


def _list(page: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = page.get(name)
    if not isinstance(found, list):
        raise SlackUnknownOutcome(f"Slack's answer lacks {name}", "broken_answer", answered=True)
    return [each for each in found if isinstance(each, Mapping)]


def _bare(channel: str) -> str:
    return channel.removeprefix("#")


def _refusal(method: str, failure: SlackApiError) -> SlackError:
    answer = failure.response
    status: int = getattr(answer, "status_code", 0) or getattr(answer, "status", 0)
    error = answers.of_body(method, status, answer.headers, getattr(answer, "data", None))
    return error or SlackUnknownOutcome(f"{method}: Slack's answer cannot be read", "broken_answer", answered=True)
