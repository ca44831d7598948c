"""Coze's own SDK."""

from __future__ import annotations

import base64
from typing import Any

from cozepy import (
    ChatEventType,
    ChatStatus,
    Coze,
    Message,
    MessageObjectString,
    MessageType,
    TokenAuth,
)


class ChatFailedError(Exception):
    """A chat whose status says that it failed: this SDK gives it out, and raises nothing."""


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One chat with a bot, whole (create, poll, list) or streamed."""
    client = Coze(auth=TokenAuth(target["credentials"]["api_key"]), base_url=target["base_url"])
    messages = [read_message(message, client) for message in request["messages"]]
    order = {"bot_id": target["model"], "user_id": "user-1", "additional_messages": messages}
    if request.get("stream"):
        return read_stream(client.chat.stream(**order))
    done = client.chat.create_and_poll(**order, poll_timeout=20)
    check(done.chat)
    texts = [message.content for message in done.messages or () if message.type is MessageType.ANSWER]
    return {"text": "".join(texts), **usage_of(done.chat)}


def read_message(message: dict[str, Any], client: Coze) -> Message:
    """A message in Coze's words; images are uploaded first."""
    content = message["content"]
    if isinstance(content, str):
        build = Message.build_user_question_text if message["role"] == "user" else Message.build_assistant_answer
        return build(content)
    parts = []
    for part in content:
        if part["type"] == "text":
            parts.append(MessageObjectString.build_text(part["text"]))
            continue
        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        parts.append(MessageObjectString.build_image(file_id=client.files.upload(file=("image.png", data)).id))
    return Message.build_user_question_objects(parts)


def read_stream(events: Any) -> dict[str, Any]:
    """A stream: deltas joined, usage from the chat's end."""
    found: dict[str, Any] = {"text": "", "reasoning": ""}
    for event in events:
        if event.event is ChatEventType.CONVERSATION_MESSAGE_DELTA:
            found["text"] += event.message.content or ""
            found["reasoning"] += event.message.reasoning_content or ""
        elif event.chat is not None:
            check(event.chat)
            found |= usage_of(event.chat)
    return found


def check(chat: Any) -> None:
    """Raises ChatFailedError for a chat that failed."""
    if chat.status is ChatStatus.FAILED:
        raise ChatFailedError(str(chat.last_error))


def usage_of(chat: Any) -> dict[str, Any]:
    """The two counts."""
    usage = chat.usage
    return {"prompt_tokens": usage.input_count, "completion_tokens": usage.output_count} if usage else {}
