"""Where our request may differ from the official client's, each with its reason. Whatever is not here must be equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from unionllm.testing import Received

#: Ids of chats and conversations, which the server makes up.
_ID = re.compile(r"\d{19}")
_NULL = "the SDK sends null for what was not given; we leave it out"
#: Everything its ``create`` knows.
_ARK = (
    "frequency_penalty function_call logit_bias logprobs max_completion_tokens max_tokens n parallel_tool_calls"
    " presence_penalty reasoning_effort repetition_penalty response_format service_tier stop stream stream_options"
    " temperature thinking tool_choice tools top_logprobs top_p user"
)

#: What its messages know.
_COZE = "id conversation_id bot_id chat_id meta_data created_at updated_at reasoning_content section_id"

#: Pair's beginning → member of the body → why.
ACCEPTED: Mapping[str, Mapping[str, str]] = {
    "zhipuai-zhipuai": {"response_format": _NULL, "thinking": _NULL},
    "ark-doubao": dict.fromkeys(_ARK.split(), _NULL),
    "openai-minimax": {"reasoning_split": "ours keeps thoughts out of the text, which the SDK knows nothing of"},
    "qianfan-wenxin": {
        "extra_parameters.request_source": "the SDK tells its name and version; the page asks for nothing like it",
        "stream": "the SDK says false where we leave it out",
        "messages[2].content": "V1 wants the result of a function as JSON; its SDK hands on what it is given",
    },
    "openai-zhipuai": {
        "messages[0].content[1].image_url.url": "Zhipu takes bare base64, as its own SDK sends it; a data URL is"
        " documented for some of its models only",
    },
    "openai-stepfun": {
        "reasoning_format": "without it thoughts come in a field of the vendor's own, which the SDK does not show",
    },
    "openai-lingyi": {
        "stream_options.include_usage": "this vendor counts unasked; hosts that serve Yi elsewhere want to be asked",
    },
    "dashscope-qwen-native": {
        "parameters": "the SDK's older API leaves result_format out where a model sees; we always say it",
        "parameters.result_format": "the SDK's older API leaves it out where a model sees; we always say it",
    },
    "openai-internlm": {
        "stream": "streams with tools misbehave, so that the answer is asked for whole",
        "stream_options.include_usage": "the same",
    },
    "openai-ragflow": {
        "extra_body.reference": "references come only if they are asked for, by a field that the SDK knows nothing of",
    },
    "openai-xunfei_http": {
        "messages[1].reasoning_content": "the vendor's page knows no thoughts in a history; we leave them out",
    },
    "dify-dify": {
        "auto_generate_name": "the SDK says true, which is the default",
        "conversation_id": "the SDK sends an empty one for a new conversation; we leave it out",
        "files": "the SDK sends an empty list where there are none; we leave it out",
        "files[0].upload_file_id": "the id that the server gave to the file, a new one each time",
        "files[0].url": _NULL,
        "user": "the driver's end user; ours is the default of older releases",
    },
    "openai-fastgpt": {
        "detail": "without it there are no passages, no true counts of tokens, and nodes fail in silence",
    },
    "cozepy-coze": {
        "/v3/chat/retrieve method": "the SDK polls by POST, which tokens of OAuth apps may not; the page says GET",
        "/v3/chat query": "the SDK sends an empty conversation_id for a new conversation; we leave it out",
        "user_id": "the driver's end user; ours is one for all callers without one",
        "additional_messages[0].content": "items of a picture, as JSON in which the SDK writes nulls",
        **{f"additional_messages[0].{name}": _NULL for name in _COZE.split()},
    },
    "sparkai-xunfei": {
        "header.uid": "the SDK always sends the same made-up user; we send the caller's",
        "parameter.chat.temperature": "the SDK sends a default of its own; we leave it to the vendor",
        "parameter.chat.top_k": "the SDK sends a default of its own; we leave it to the vendor",
        "parameter.chat.max_tokens": "the SDK sends a default of its own; we leave it to the vendor",
    },
}


#: Words for the end of an answer that an SDK hands on as the vendor says them → OpenAI's.
FINISH_WORDS: Mapping[str, str] = {"normal": "stop"}


def accepted(pair: str) -> set[str]:
    """The members that may differ between this client and ours."""
    return {member for start, members in ACCEPTED.items() if pair.startswith(start) for member in members}


def head(request: Received) -> dict[str, Any]:
    """What has to be the same besides the body: where it goes, and how it is authorised."""
    return {
        "method": request.method,
        "path": request.path,
        # A signed URL has the date of its moment; the server has checked it.
        # So are ids that the server gave to its chats.
        "query": {name: _ID.sub("<id>", value) for name, value in request.query.items() if name != "date"},
        "authorization": request.headers.get("authorization"),
        "type": request.headers.get("content-type", "").partition(";")[0],
    }


def differing(theirs: Received, ours: Received) -> set[str]:
    """The members of the body that differ, and what of the head does, after the path: ``/v1/chat method``."""
    # A WebSocket refused in its handshake has had no body yet.
    left, right = (dict(_flat(json.loads(request.body or b"null"))) for request in (theirs, ours))
    missing = object()
    heads = head(theirs), head(ours)
    beside = {f"{ours.path} {name}" for name in heads[0] if heads[0][name] != heads[1][name]}
    return beside | {name for name in left.keys() | right.keys() if left.get(name, missing) != right.get(name, missing)}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{place}[{number}]")
    else:
        yield place, value
