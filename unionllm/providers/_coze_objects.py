"""Objects in what Coze says → ours, one by one."""

from __future__ import annotations

import json
from typing import Any

from .._protocols.agent_parsing import as_object, decoded, usage_of
from .._protocols.base import JSONObject
from .._protocols.tidy import text_or_none
from ..schema import Context, Function, ToolCall, Usage


def failure_in(data: JSONObject) -> JSONObject:
    """Code and text of a failure, whichever of its shapes it has."""
    told = as_object(data.get("last_error")) or data
    text = told.get("msg") or f"the chat {data.get('status') or 'failed'}, and the platform does not say why"
    found = {"code": told.get("code") or data.get("status"), "msg": text}
    return {**found, **({"detail": data["detail"]} if data.get("detail") else {})}


def usage_in(told: Any) -> Usage | None:
    """The counts; a page of the vendor's writes them in another way."""
    told = as_object(told)
    prompt, completion = (told.get(f"{half}_count", told.get(f"{half}_tokens")) for half in ("input", "output"))
    return usage_of(prompt, completion, told.get("token_count", told.get("total_tokens")))


def tool_call(number: int, call: JSONObject) -> ToolCall:
    function = as_object(call.get("function"))
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    called = Function(name=text_or_none(function.get("name")), arguments=text)
    return ToolCall(id=text_or_none(call.get("id")), type="function", index=number, function=called)


def text_of_answer(message: JSONObject) -> str:
    """The text of an answer; an image as Markdown."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        return json.dumps(content, ensure_ascii=False)
    shown = decoded(content) if message.get("content_type") == "image" else None
    url = as_object(as_object(shown).get("image_ori")).get("url")
    return f"![image]({url})" if url else content


def context_of(number: int, chunk: JSONObject) -> Context:
    meta = as_object(chunk.get("meta"))
    dataset, document, link = (as_object(meta.get(name)) for name in ("dataset", "document", "link"))
    known = {
        "id": number,
        "content": chunk.get("slice"),
        "score": chunk.get("score"),
        "document_id": document.get("id"),
        "document_name": document.get("name"),
        "dataset_id": dataset.get("id"),
        "dataset_name": dataset.get("name"),
        "url": link.get("url"),
    }
    extra = {"title": link.get("title"), "card": meta.get("card")}
    extra |= {name: document.get(name) for name in ("format_type", "source_type")}
    return Context.build(
        {name: None if value == "" else value for name, value in known.items()},
        {name: value for name, value in extra.items() if value not in (None, "", {})},
    )
