"""DashScope's native protocol: ``input`` and ``parameters``, two endpoints by model, ``:HTTP_STATUS`` lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from .._checks import Check, Flag, Integer, OneOf, text_of, tool_calls_fault, tool_id_fault
from .._exchange import Incoming, Problem, Whole, as_json, encode_json
from .._openai import Model
from .._script import Answer, Asked, Tokens
from ._qwen_facts import FIELDS, MULTIMODAL

TEXT_PATH = "/services/aigc/text-generation/generation"
MEDIA_PATH = "/services/aigc/multimodal-generation/generation"
#: Families that send increments unless they are told not to.
INCREMENTAL = r"qwen3-max.*|qwen3-vl.*|qwen3-\d+b.*|qwq.*|qvq.*"
#: Names of the parts of a message, which have no ``type``.
_PARTS = frozenset({"text", "image", "audio", "video"})
_BESIDE = frozenset({"fps", "min_pixels", "max_pixels", "cache_control"})
#: Delta or message of a choice.
Message: TypeAlias = dict[str, Any]

PARAMETERS: Mapping[str, Check] = {
    **FIELDS,
    "seed": Integer(0, 2**63 - 1),
    "result_format": OneOf("message", "text"),
    "incremental_output": Flag(),
}


def route_fault(path: str, model: str) -> str:
    """What is wrong with asking that model there; each is served at one endpoint only."""
    wants_media = re.fullmatch(MULTIMODAL, model) is not None
    return "" if path.endswith(MEDIA_PATH) == wants_media else "url error, please check url！"


def message_fault(message: Any, place: str, is_media: bool, model: Model) -> str:
    """What is wrong with a message: strings at the text endpoint, lists of parts where a model sees or hears."""
    if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
        return f"{place}: role must be system, user, assistant or tool"
    if message["role"] == "tool" and not isinstance(message.get("tool_call_id"), str):
        return f"{place}: a tool message needs its tool_call_id"
    if message.get("tool_calls") is not None and (fault := tool_calls_fault(message["tool_calls"])):
        return f"{place}: {fault}"
    content = message.get("content")
    if isinstance(content, str):
        return ""
    if not is_media:
        return f"{place}: input content must be a string"
    if not isinstance(content, list) or not content:
        return f"{place}: content must be a list of parts"
    for part in content:
        names = set(part) - _BESIDE if isinstance(part, dict) else set()
        if len(names) != 1 or not names <= _PARTS:
            return f"{place}: a part is one of text, image, audio or video"
        if "audio" in names and "input_audio" not in model.parts:
            return f"{place}: audio is not supported by this model"
    return ""


def messages_fault(messages: Any, is_media: bool, model: Model) -> str:
    """What is wrong with the list, or with one of its messages."""
    if not isinstance(messages, list) or not messages:
        return "input.messages must be a list that is not empty"
    for number, message in enumerate(messages):
        if fault := message_fault(message, f"input.messages[{number}]", is_media, model):
            return fault
    return tool_id_fault(messages)


def wants_stream(request: Incoming) -> bool:
    """A header asks for a stream; nothing in the body does."""
    headers = request.headers
    return headers.get("x-dashscope-sse") == "enable" or headers.get("accept") == "text/event-stream"


def turns_of(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Role and text of each."""
    return [(message["role"], text_of(message.get("content"))) for message in messages]


def usage(tokens: Tokens, is_media: bool) -> dict[str, Any]:
    """Input and output; the endpoint for media leaves out the sum."""
    counts: dict[str, Any] = {"input_tokens": tokens.prompt, "output_tokens": tokens.completion}
    if not is_media:
        counts["total_tokens"] = tokens.total
    counts["prompt_tokens_details"] = {"cached_tokens": tokens.cached}
    if tokens.reasoning:
        counts["output_tokens_details"] = {"reasoning_tokens": tokens.reasoning}
    return counts


def body(message: Message, finish: str, answer: Answer, counts: Mapping[str, Any], number: int) -> dict[str, Any]:
    """One reply, whole or an event of a stream."""
    output: dict[str, Any] = {"choices": [{"finish_reason": finish, "message": message}]}
    if answer.context:
        pages = [
            {"index": index, "title": page.title, "url": page.url, "site_name": "", "icon": ""}
            for index, page in enumerate(answer.context, 1)
        ]
        output["search_info"] = {"search_results": pages}
    return {"output": output, "usage": counts, "request_id": f"r-{number}"}


def text_body(answer: Answer, counts: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The older form of a whole reply, without choices."""
    output = {"text": answer.whole_text, "finish_reason": answer.ending}
    return {"output": output, "usage": counts, "request_id": f"r-{number}"}


def whole_message(answer: Answer, is_media: bool) -> Message:
    """The assistant's message."""
    message: Message = {"role": "assistant", "content": content_of(answer.whole_text, is_media)}
    if answer.reasoning:
        message["reasoning_content"] = answer.whole_reasoning
    if answer.tool_calls:
        message["tool_calls"] = [
            {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(answer.tool_calls)
        ]
    return message


def content_of(text: str, is_media: bool) -> Any:
    """A list of parts where a model sees, empty for no text."""
    if is_media:
        return [{"text": text}] if text else []
    return text


def pieces(answer: Answer, is_media: bool) -> Iterator[Message]:
    """The messages of a stream's events, as increments; ids and names come with the first piece of a call only."""
    for piece in answer.reasoning:
        yield {"role": "assistant", "content": content_of("", is_media), "reasoning_content": piece}
    for piece in answer.text:
        yield {"role": "assistant", "content": content_of(piece, is_media)}
    for index, call in enumerate(answer.tool_calls):
        for place, piece in enumerate(("", *call.pieces)):
            function = {"name": "" if place else call.name, "arguments": piece}
            one = {"index": index, "id": "" if place else call.id, "type": "function", "function": function}
            yield {"role": "assistant", "content": content_of("", is_media), "tool_calls": [one]}


def grown(messages: Sequence[Message], is_media: bool) -> Iterator[Message]:
    """The same with the whole text so far in each: what comes unless increments are asked for."""
    text, reasoning = "", ""
    for message in messages:
        content = message["content"]
        text += "".join(part["text"] for part in content) if isinstance(content, list) else content
        reasoning += message.get("reasoning_content", "")
        more = {"reasoning_content": reasoning} if reasoning else {}
        yield {**message, **more, "content": content_of(text, is_media)}


def event(number: int, data: Mapping[str, Any], status: int = 200, name: str = "result") -> bytes:
    """One event: no spaces behind the colons, and a line for the status."""
    return f"id:{number}\nevent:{name}\n:HTTP_STATUS/{status}\ndata:".encode() + encode_json(data) + b"\n\n"


def error_body(problem: Problem) -> dict[str, Any]:
    """Flat: code, message and the id to quote."""
    return {"code": problem.code, "message": problem.message, "request_id": "r-0"}


def encode_problem(problem: Problem) -> Whole:
    """The flat body with its status."""
    return as_json(error_body(problem), status=problem.status, headers=problem.headers)


def encode_error(problem: Problem) -> bytes:
    """The same as an event, its status on a line of its own."""
    return event(1, error_body(problem), problem.status, "error")


def understand(model: str, messages: Sequence[Mapping[str, Any]], given: Mapping[str, Any], thinks: bool) -> Asked:
    """What the default answer depends on, but for the stream."""
    choice, wanted = given.get("tool_choice"), given.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None
    return Asked(
        model=model,
        turns=turns_of(messages),
        tools=given.get("tools") or (),
        forced_tool=choice["function"]["name"] if isinstance(choice, dict) else "",
        schema=schema if schema is not None else {} if wanted.get("type") == "json_object" else None,
        thinks=thinks,
    )
