"""iFlytek Spark over WebSocket: the signed URL, a history without roles for tools, and frames read as chunks.

Follows https://www.xfyun.cn/doc/spark/Web.html, X1ws.html and the vendor's page on signed URLs (read 2026-11-23).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..schema import Adaptation, ModelResponseChunk
from .base import JSONObject
from .json_http import parse_json
from .openai_messages import as_call
from .parameters import adaptation
from .spark import SparkParser

#: The status of the last frame.
_LAST = 2
_USUAL_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}
_REASON = "there is no place for calls of tools and their results over WebSocket; they are told in words"
_UNKNOWN = "a message of a frame has a role and a content"
_KNOWN = ("role", "content", "tool_call_id")


def sign_url(url: str, api_key: str, api_secret: str, now: float, method: str = "GET", *, host: str = "") -> str:
    """The URL with a query that proves who is calling, good for 300 s either way.

    Args:
        url: without a query.
        now: Unix time in seconds.
        host: what the header Host will say; "" for the URL's own.
    """
    parts = urlsplit(url)
    host = host or _host_header(url)
    date = formatdate(now, usegmt=True)
    signed = f"host: {host}\ndate: {date}\n{method} {parts.path or '/'} HTTP/1.1"
    digest = hmac.new(api_secret.encode(), signed.encode(), hashlib.sha256).digest()
    told = (
        f'api_key="{api_key}", algorithm="hmac-sha256", headers="host date request-line", '
        f'signature="{base64.b64encode(digest).decode()}"'
    )
    authorization = base64.b64encode(told.encode()).decode()
    return f"{url}?{urlencode({'authorization': authorization, 'date': date, 'host': host})}"


def _host_header(url: str) -> str:
    """Host and port of a URL as the header Host has them."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    is_usual = parts.port == _USUAL_PORTS.get(parts.scheme, 0)
    return host.rpartition(":")[0] if is_usual else host


def calls_as_text(messages: list[JSONObject]) -> list[Adaptation]:
    """Calls of tools, and their results, as words: frames know no role for them. Changes ``messages`` in place."""
    changes: list[Adaptation] = []
    names: dict[str, str] = {}
    made: list[JSONObject] = []
    was_result = False
    for position, message in enumerate(messages):
        where, is_result = f"messages[{position}]", message.get("role") in ("tool", "function")
        content = message.get("content")
        told, calls = _calls_of(message)
        if calls:
            content = "\n".join([*([_plain(content)] if content else []), *_called(calls, names)])
            changes.append(adaptation(f"{where}.{told}", "replaced", told, "text", _REASON))
        elif is_result:
            name = names.get(str(message.get("tool_call_id"))) or message.get("name") or "a function"
            content = f"[result of {name}] {_plain(content)}"
            changes.append(adaptation(f"{where}.role", "replaced", message["role"], "user", _REASON))
        if is_result and was_result:
            made[-1]["content"] += f"\n{content}"
        else:
            role = "user" if is_result else message["role"]
            made.append({"role": role, "content": "" if content is None else content})
        known = (*_KNOWN, told, "name" if is_result else "")
        unknown = [name for name in message if name not in known]
        changes += [adaptation(f"{where}.{name}", "dropped", message[name], None, _UNKNOWN) for name in unknown]
        was_result = is_result
    messages[:] = made
    return changes


def _calls_of(message: JSONObject) -> tuple[str, list[JSONObject]]:
    """The calls that a message holds, and where; as OpenAI had them once, there is one, without an id."""
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and not message.get("tool_calls"):
        return "function_call", [as_call({"function": legacy})]
    return "tool_calls", message.get("tool_calls") or []


def _called(calls: Iterable[JSONObject], names: dict[str, str]) -> Iterable[str]:
    for call in calls:
        function = call["function"]
        name = function.get("name") or "a function"
        if call.get("id"):
            names[str(call["id"])] = name
        yield f"[call of {name}] {function['arguments']}"


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts)


class FrameParser(SparkParser):
    """Frames → chunks: each is put into OpenAI's shape first."""

    framing = "messages"
    usage_ends = False

    def _chunk(self, frame: JSONObject) -> Iterable[ModelResponseChunk]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # The last frame may hold nothing but the end.
        header = frame["header"]
        payload = frame.get("payload", {}) if header["status"] == _LAST else frame["payload"]
        event: JSONObject = {"id": header.get("sid"), "request_id": header.get("sid")}
        event["choices"] = [
            {"index": text.get("index", 0), "delta": _delta(text)}
            for text in (payload.get("choices") or {}).get("text") or ()
        ]
        counts = (payload.get("usage") or {}).get("text")
        if counts:
            # The last question's alone; prompt_tokens has it all.
            event["usage"] = {name: count for name, count in counts.items() if name != "question_tokens"}
        for plugin in (payload.get("plugins") or {}).get("text") or ():
            event["search_results"] = [*event.get("search_results", []), *_found(plugin)]
        chunks = super()._chunk(event)
        if header["status"] == _LAST:
            self._conclude()
            self.is_done = True  # the vendor leaves the closing to us
        return chunks


def _delta(text: JSONObject) -> JSONObject:
    delta: JSONObject = {name: text[name] for name in ("role", "content", "reasoning_content") if name in text}
    if text.get("function_call"):
        delta["tool_calls"] = [{"type": "function", "function": text["function_call"]}]
    return delta


def _found(plugin: Mapping[str, Any]) -> list[Any]:
    """What a plugin found; text that is no list of results stays a text."""
    results = parse_json(str(plugin.get("content", "")).encode())
    return results if isinstance(results, list) else [plugin]
