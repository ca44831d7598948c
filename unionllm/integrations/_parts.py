"""Content blocks of other frameworks → parts of a message as OpenAI defined them, which every call here takes.

LangChain's standard blocks: https://docs.langchain.com/oss/python/langchain/messages (read 2026-11-29).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Blocks of an assistant's turn that stand elsewhere in a message: its calls of tools, and what it thought.
ELSEWHERE = frozenset(
    {
        *("tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta"),
        *("reasoning", "reasoning_content", "thinking", "redacted_thinking"),
        *("server_tool_call", "server_tool_call_chunk", "server_tool_result"),
    }
)


def to_content(blocks: Any) -> Any:
    """A text, or a list of parts if anything in it is no text; "" for nothing."""
    if isinstance(blocks, str):
        return blocks
    parts = [part for block in blocks or () if (part := _to_part(block)) is not None]
    if all(part.keys() == {"type", "text"} for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _to_part(block: Any) -> dict[str, Any] | None:
    if isinstance(block, str):
        return text_part(block)
    kind = block.get("type")
    if kind in ELSEWHERE:
        return None
    build = _BUILDERS.get(kind)
    return build(block) if build is not None else dict(block)


def text_part(text: str) -> dict[str, Any]:
    """A part that says something."""
    return {"type": "text", "text": text}


def _text(block: Mapping[str, Any]) -> dict[str, Any]:
    # A mark for the vendor's cache says something to it; ids and places of a block do not.
    kept = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return {**text_part(str(block.get("text") or "")), **kept}


def _image(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address_of(block, "image/png"), **_detail(block)}}


def _detail(block: Mapping[str, Any]) -> dict[str, Any]:
    told = block.get("detail") or (block.get("extras") or {}).get("detail")
    return {"detail": told} if told else {}


def _image_url(block: Mapping[str, Any]) -> dict[str, Any]:
    given = block.get("image_url")
    return {"type": "image_url", "image_url": {"url": given} if isinstance(given, str) else given}


def _video(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": address_of(block, "video/mp4")}}


def _audio(block: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(block.get("mime_type") or "audio/wav").partition("/")[2]
    data = block.get("base64") or block.get("data") or address_of(block, "audio/wav")
    return {"type": "input_audio", "input_audio": {"data": data, "format": {"mpeg": "mp3", "x-wav": "wav"}.get(kind, kind)}}


def _file(block: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(block.get("file"), Mapping):
        return dict(block)  # OpenAI's own form
    if (known := block.get("file_id") or _v0_id(block)) is not None:
        return {"type": "file", "file": {"file_id": known}}
    extras = {**(block.get("metadata") or {}), **(block.get("extras") or {})}
    name = block.get("filename") or extras.get("filename") or extras.get("name")
    named = {"filename": name} if name else {}
    return {"type": "file", "file": {"file_data": address_of(block, "application/pdf"), **named}}


def _v0_id(block: Mapping[str, Any]) -> Any:
    return block.get("id") if block.get("source_type") == "id" else None


def address_of(block: Mapping[str, Any], mime_type: str) -> str:
    """Where the content of a block lies: a web address, an id of the vendor's, or a data URL.

    Args:
        block: LangChain's blocks of either version, or Anthropic's with a ``source``.
        mime_type: of data that comes without one.
    """
    source = block.get("source")
    if isinstance(source, Mapping):
        mime_type = source.get("media_type") or mime_type
        block = {**source, "base64": source.get("data")}
    if block.get("url"):
        return str(block["url"])
    data = block.get("base64") or block.get("data")
    if data:
        return f"data:{block.get('mime_type') or mime_type};base64,{data}"
    return str(block.get("file_id") or block.get("id") or "")


def _non_standard(block: Mapping[str, Any]) -> dict[str, Any]:
    return dict(block.get("value") or {})


_BUILDERS = {
    "text": _text,
    "text-plain": _text,
    "image": _image,
    "image_url": _image_url,
    "video": _video,
    "audio": _audio,
    "file": _file,
    "non_standard": _non_standard,
}


def reasoning_of(blocks: Any) -> str:
    """What the blocks of an earlier answer say that it thought; "" for nothing."""
    if isinstance(blocks, str):
        return ""
    return "".join(_thought(block) for block in _mappings(blocks))


def _thought(block: Mapping[str, Any]) -> str:
    name = {"reasoning": "reasoning", "thinking": "thinking"}.get(str(block.get("type")))
    return str(block.get(name) or "") if name else ""


def _mappings(blocks: Any) -> Iterable[Mapping[str, Any]]:
    return (block for block in blocks or () if isinstance(block, Mapping))
