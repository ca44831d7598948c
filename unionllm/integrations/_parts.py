"""What the frameworks share: content blocks → parts of a message as OpenAI defined them; tokens that are told apart.

LangChain's standard blocks: https://docs.langchain.com/oss/python/langchain/messages (read 2026-11-29).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..schema import Usage

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
    return media_part("image_url", address_of(block, "image/png"), **_detail(block))


def _detail(block: Mapping[str, Any]) -> dict[str, Any]:
    told = block.get("detail") or (block.get("extras") or {}).get("detail")
    return {"detail": told} if told else {}


def _image_url(block: Mapping[str, Any]) -> dict[str, Any]:
    given = block.get("image_url")
    return {"type": "image_url", "image_url": {"url": given} if isinstance(given, str) else given}


def _video(block: Mapping[str, Any]) -> dict[str, Any]:
    return media_part("video_url", address_of(block, "video/mp4"))


def _audio(block: Mapping[str, Any]) -> dict[str, Any]:
    data = block.get("base64") or block.get("data") or address_of(block, "audio/wav")
    kind = str(block.get("mime_type") or "audio/wav").partition("/")[2]
    return audio_part(data, {"mpeg": "mp3", "x-wav": "wav"}.get(kind, kind))


def audio_part(data: str, kind: str) -> dict[str, Any]:
    """A part that is heard: base64 or an address, and ``wav`` or ``mp3``."""
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def media_part(kind: str, url: str, **more: Any) -> dict[str, Any]:
    """A part that is seen: an ``image_url`` or a ``video_url``."""
    return {"type": kind, kind: {"url": url, **more}}


def file_part(data: str, name: str | None) -> dict[str, Any]:
    """A part that is read: its address, and what it is called."""
    return {"type": "file", "file": {"file_data": data, **({"filename": name} if name else {})}}


def _file(block: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(block.get("file"), Mapping):
        return dict(block)  # OpenAI's own form
    if (known := block.get("file_id") or _v0_id(block)) is not None:
        return {"type": "file", "file": {"file_id": known}}
    extras = {**(block.get("metadata") or {}), **(block.get("extras") or {})}
    name = block.get("filename") or extras.get("filename") or extras.get("name")
    return file_part(address_of(block, "application/pdf"), name)


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


def details_of(usage: Usage) -> tuple[int | None, int | None]:
    """The cached tokens of the prompt, and those of the answer that were thoughts; None where the vendor is silent."""
    prompt, answer = usage.prompt_tokens_details, usage.completion_tokens_details
    return (None if prompt is None else prompt.cached_tokens, None if answer is None else answer.reasoning_tokens)
