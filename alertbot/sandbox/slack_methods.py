"""The sandbox Slack's Web API: what each method does, faithful where alertbot could notice.

In come a method's name and its arguments; out goes the answer's JSON, or `Refused` with Slack's code. The quirks are Slack's:
errors come with status 200, methods that read take no JSON, an update forgets what it is not given, metadata is given back
only when asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alertbot.sandbox import slack_limits
from alertbot.sandbox.slack_workspace import BOT, BOT_USER, TEAM, Channel, Posted, Workspace

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


class Refused(Exception):
    """Slack's `ok: false`; `status` is 200 but for `ratelimited`."""

    def __init__(self, code: str, *, status: int = 200, retry_after: int | None = None, **more: object) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.more = more


def call(space: Workspace, method: str, wanted: Arguments) -> Answer:
    """Does what the method does."""
    found = _METHODS.get(method)
    if found is None:
        raise Refused("unknown_method", req_method=method)
    work, scope = found
    if scope and not any(each in space.scopes.split(",") for each in scope.split("|")):
        raise Refused("missing_scope", needed=scope.replace("|", ","), provided=space.scopes)
    return {"ok": True, **work(space, _parsed(wanted))}


def takes_json(method: str) -> bool:
    """Methods that write take JSON; those that read ignore it, as Slack's do."""
    return method.startswith(("chat.", "apps.", "views.")) or method in ("auth.test", "conversations.join")


def shown(message: Posted, *, metadata: bool, space: Workspace | None = None) -> Answer:
    """A message as Slack gives it back."""
    answer: Answer = {"type": "message", "user": BOT_USER, "bot_id": BOT, "text": message.text, "ts": message.ts}
    for name, value in (("blocks", message.blocks), ("attachments", message.attachments), ("thread_ts", message.thread_ts)):
        if value:
            answer[name] = value
    if message.files and space is not None:
        answer["files"] = [{"id": each, "name": space.files[each].name} for each in message.files]
    if message.edits:
        answer["edited"] = {"user": BOT_USER, "ts": message.ts}
    if message.metadata and metadata:
        answer["metadata"] = message.metadata
    return answer


def _auth_test(_space: Workspace, _wanted: Arguments) -> Answer:
    return {
        "url": "https://sandbox.slack.example/",
        "team": "Sandbox",
        "user": "alertbot",
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


def _post(space: Workspace, wanted: Arguments) -> Answer:
    channel = _open_channel(space, wanted)
    _check(wanted)
    if wanted.get("thread_ts") and space.find(channel, wanted["thread_ts"]) is None:
        raise Refused("thread_not_found")
    wait = space.wait_for(channel)
    if wait is not None:
        raise Refused("ratelimited", status=429, retry_after=wait)
    message = space.post(channel, {**wanted, "user": None})
    return {"channel": channel.id, "ts": message.ts, "message": shown(message, metadata=True)}


def _update(space: Workspace, wanted: Arguments) -> Answer:
    channel = _open_channel(space, wanted)
    message = space.find(channel, wanted.get("ts"))
    if message is None:
        raise Refused("message_not_found")
    if message.webhook:
        raise Refused("cant_update_message")
    _check(wanted, update=True)
    space.update(message, wanted)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown(message, metadata=False)}


def _post_ephemeral(space: Workspace, wanted: Arguments) -> Answer:
    channel = _open_channel(space, wanted)
    _check(wanted)
    if not any(person["id"] == wanted.get("user") for person in space.people):
        raise Refused("user_not_in_channel")
    return {"message_ts": space.post(channel, wanted).ts}


def _history(space: Workspace, wanted: Arguments) -> Answer:
    channel = _member_channel(space, wanted)
    messages = [each for each in reversed(space.messages) if each.channel == channel.id and each.thread_ts is None]
    return _paged(space, [each for each in messages if _in_time(each, wanted)], wanted)


def _replies(space: Workspace, wanted: Arguments) -> Answer:
    channel = _member_channel(space, wanted)
    parent = space.find(channel, wanted.get("ts"))
    if parent is None:
        raise Refused("thread_not_found")
    return _paged(space, [parent, *(each for each in space.replies(parent.ts) if _in_time(each, wanted))], wanted)


def _upload_url(space: Workspace, wanted: Arguments) -> Answer:
    if not wanted.get("filename"):
        raise Refused("invalid_arguments")
    number = space.expect_file(str(wanted["filename"]), int(wanted.get("length") or 0))
    return {"upload_url": f"{space.url}/upload/{number}", "file_id": number}


def _complete_upload(space: Workspace, wanted: Arguments) -> Answer:
    try:
        given = json.loads(wanted["files"]) if isinstance(wanted.get("files"), str) else wanted["files"]
        files = [space.files[each["id"]] for each in given]
    except (KeyError, TypeError, ValueError):
        raise Refused("file_not_found") from None
    if any(file.content is None for file in files):
        raise Refused("file_not_found")
    answer = {"files": [{"id": file.id, "title": file.name} for file in files]}
    if not wanted.get("channel_id"):
        return answer
    channel = _open_channel(space, {"channel": wanted["channel_id"]})
    if wanted.get("thread_ts") and space.find(channel, wanted["thread_ts"]) is None:
        raise Refused("thread_not_found")
    shared = {"text": wanted.get("initial_comment"), "thread_ts": wanted.get("thread_ts")}
    space.post(channel, shared).files = [file.id for file in files]
    return answer


def _members(space: Workspace, wanted: Arguments) -> Answer:
    found = next((group for group in space.groups if group["id"] == wanted.get("usergroup")), None)
    if found is None:
        raise Refused("no_such_subteam")
    return {"users": found.get("users", [])}


def _user(space: Workspace, wanted: Arguments) -> Answer:
    found = next((person for person in space.people if person["id"] == wanted.get("user")), None)
    if found is None:
        raise Refused("user_not_found")
    return {"user": found}


def _list(space: Workspace, wanted: Arguments) -> Answer:
    return _channels([each for each in space.channels.values() if not each.private or each.member], wanted)


def _own_list(space: Workspace, wanted: Arguments) -> Answer:
    return _channels([each for each in space.channels.values() if each.member], wanted)


def _info(space: Workspace, wanted: Arguments) -> Answer:
    return {"channel": _described(_channel(space, wanted))}


def _join(space: Workspace, wanted: Arguments) -> Answer:
    channel = _channel(space, wanted)
    if channel.private:
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    channel.member = True
    return {"channel": _described(channel)}


def _channels(channels: Sequence[Channel], wanted: Arguments) -> Answer:
    kinds = str(wanted.get("types") or "public_channel").split(",")
    hide = _truth(wanted.get("exclude_archived"))
    kept = [
        _described(each)
        for each in channels
        if ("private_channel" if each.private else "public_channel") in kinds and not (hide and each.archived)
    ]
    page, cursor = _page(kept, wanted)
    return {"channels": page, "response_metadata": {"next_cursor": cursor}}


def _described(channel: Channel) -> Answer:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.private,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_member": channel.member,
    }


def _paged(space: Workspace, messages: Sequence[Posted], wanted: Arguments) -> Answer:
    page, cursor = _page(messages, wanted)
    metadata = _truth(wanted.get("include_all_metadata"))
    return {
        "messages": [shown(each, metadata=metadata, space=space) for each in page],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def _page(items: Sequence[Any], wanted: Arguments) -> tuple[Sequence[Any], str]:
    try:
        start, limit = int(wanted.get("cursor") or 0), int(wanted.get("limit") or 100)
    except ValueError:
        raise Refused("invalid_cursor") from None
    if not 1 <= limit <= 1_000:
        raise Refused("invalid_limit")
    return items[start : start + limit], str(start + limit) if start + limit < len(items) else ""


def _in_time(message: Posted, wanted: Arguments) -> bool:
    at = float(message.ts)
    oldest, latest = float(wanted.get("oldest") or 0), float(wanted.get("latest") or "inf")
    return oldest <= at <= latest if _truth(wanted.get("inclusive")) else oldest < at < latest


def _channel(space: Workspace, wanted: Arguments) -> Channel:
    given = wanted.get("channel")
    channel = space.channels.get(given) if isinstance(given, str) else None
    if channel is None or (channel.private and not channel.member):
        raise Refused("channel_not_found")
    return channel


def _member_channel(space: Workspace, wanted: Arguments) -> Channel:
    channel = _channel(space, wanted)
    if not channel.member:
        raise Refused("not_in_channel")
    return channel


def _open_channel(space: Workspace, wanted: Arguments) -> Channel:
    channel = space.channel(wanted.get("channel"))
    if channel is None or (channel.private and not channel.member):
        raise Refused("channel_not_found")
    if channel.archived:
        raise Refused("is_archived")
    if not channel.member:
        raise Refused("not_in_channel")
    return channel


def _check(wanted: Arguments, *, update: bool = False) -> None:
    wrong = slack_limits.refusal(wanted, update=update)
    if wrong:
        raise Refused(wrong)


def _parsed(wanted: Arguments) -> Arguments:
    """Forms carry structures as JSON text."""
    parsed = dict(wanted)
    for name in ("blocks", "attachments", "metadata"):
        if isinstance(parsed.get(name), str):
            try:
                parsed[name] = json.loads(parsed[name])
            except ValueError:
                raise Refused("invalid_metadata_format" if name == "metadata" else f"invalid_{name}_format") from None
    return parsed


def _truth(value: object) -> bool:
    return value is True or str(value).lower() in ("1", "true")


_READ = "channels:read|groups:read"
_HISTORY = "channels:history|groups:history"
_METHODS: dict[str, tuple[Callable[[Workspace, Arguments], Answer], str]] = {
    "auth.test": (_auth_test, ""),
    "chat.postMessage": (_post, "chat:write"),
    "chat.update": (_update, "chat:write"),
    "chat.postEphemeral": (_post_ephemeral, "chat:write"),
    "conversations.history": (_history, _HISTORY),
    "conversations.replies": (_replies, _HISTORY),
    "conversations.list": (_list, _READ),
    "conversations.info": (_info, _READ),
    "conversations.join": (_join, "channels:join"),
    "files.getUploadURLExternal": (_upload_url, "files:write"),
    "files.completeUploadExternal": (_complete_upload, "files:write"),
    "users.conversations": (_own_list, _READ),
    "users.list": (lambda space, _: {"members": space.people, "response_metadata": {"next_cursor": ""}}, "users:read"),
    "users.info": (_user, "users:read"),
    "usergroups.list": (lambda space, _: {"usergroups": space.groups}, "usergroups:read"),
    "usergroups.users.list": (_members, "usergroups:read"),
}
