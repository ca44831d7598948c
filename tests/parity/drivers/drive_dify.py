"""The maintained Dify client (dify-client-python)."""

from __future__ import annotations

from typing import Any

from dify_client import Client, models


def ask(target: dict[str, Any], request: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """One call to a chat app: the last message is the query."""
    client = Client(api_key=target["credentials"]["api_key"], api_base=target["base_url"])
    is_stream = bool(request.get("stream"))
    query, files = read_message(request["messages"][-1]["content"], client)
    order = models.ChatRequest(
        query=query,
        files=files,
        user="user-1",
        response_mode=models.ResponseMode.STREAMING if is_stream else models.ResponseMode.BLOCKING,
    )
    reply = client.chat_messages(order, timeout=10.0)
    return read_stream(reply) if is_stream else read_whole(reply)


def read_message(content: Any, client: Client) -> tuple[str, list[Any]]:
    """The text of a message, and its images, uploaded first."""
    if isinstance(content, str):
        return content, []
    query, files = "", []
    for part in content:
        if part["type"] == "text":
            query += part["text"]
            continue
        import base64

        data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
        stored = client.upload_files(("image.png", data, "image/png"), models.UploadFileRequest(user="user-1"))
        files.append(
            models.File(
                type=models.FileType.IMAGE,
                transfer_method=models.TransferMethod.LOCAL_FILE,
                upload_file_id=stored.id,
            )
        )
    return query, files


def read_whole(reply: Any) -> dict[str, Any]:
    """A blocking answer."""
    return {"text": reply.answer, **usage_of(reply.metadata)}


def read_stream(events: Any) -> dict[str, Any]:
    """A stream: answers joined, usage from the end."""
    found: dict[str, Any] = {"text": ""}
    for event in events:
        kind = str(getattr(event.event, "value", event.event))
        if kind in ("message", "agent_message"):
            found["text"] += event.answer
        elif kind == "message_end":
            found |= usage_of(event.metadata)
    return found


def usage_of(metadata: Any) -> dict[str, Any]:
    """The two counts."""
    usage = getattr(metadata, "usage", None)
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else {}
