"""DashScope's native protocol: ``input`` and ``parameters``, two endpoints by model, usage in every event; its errors.

Follows https://help.aliyun.com/zh/model-studio/qwen-api-via-dashscope (read 2026-11-23). Answers are put into OpenAI's
shape and then read as every other vendor's; messages stay OpenAI's until the body is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._secrets import Headers
from .._wire import Flow, HttpReply
from ..exceptions import APIError, APIStatusError, BadRequestError, InsufficientBalanceError
from ..schema import Adaptation, Context, ModelResponse, Usage
from . import errors, means
from .base import ErrorFacts, ErrorRule, JSONObject, frozen
from .openai_compatible import OpenAICompatible
from .openai_media import url_of
from .openai_messages import join_text_parts, text_of
from .openai_parsing import OpenAIChunkParser
from .parameters import adaptation

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Delta

TEXT = "/services/aigc/text-generation/generation"
MEDIA = "/services/aigc/multimodal-generation/generation"

#: Models served at the endpoint for media, also when they are asked with text alone.
_MULTIMODAL = re.compile(r"qvq|.*(-vl|omni|ocr|audio)|qwen3\.([57]-plus|8-)")

#: Kinds of OpenAI's parts → names of the parts here, which have no type.
_PARTS = {"text": "text", "image_url": "image", "video_url": "video", "video": "video", "input_audio": "audio"}

_STATUS = re.compile(r"HTTP_STATUS/(\d{3})")
#: Token counts under the vendor's names → OpenAI's.
_COUNTS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "output_tokens_details": "completion_tokens_details",
}

#: How the vendor says no: codes of the native protocol, and of the compatible one where it has another word.
ERRORS = ErrorFacts(
    codes=means.codes(
        {
            means.AUTH: "InvalidApiKey invalid_api_key",
            means.PERMISSION: "AccessDenied access_denied AccessDenied.Unpurchased Model.AccessDenied App.AccessDenied"
            " Workspace.AccessDenied AllocationQuota.FreeTierOnly",
            means.NOT_FOUND: "ModelNotFound model_not_found model_not_supported Model.NotExist WorkSpaceNotFound",
            # The last of them is tokens a minute, not money, though OpenAI means money by the same word.
            means.RATE_LIMIT: "Throttling Throttling.RateQuota limit_requests Throttling.BurstRate limit_burst_rate"
            " Throttling.AllocationQuota insufficient_quota",
            means.NO_BALANCE: "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue Arrearage",
            means.POLICY: "DataInspectionFailed data_inspection_failed FaqRuleBlocked CustomRoleBlocked"
            " IPInfringementSuspect",
            means.BAD_REQUEST: "InvalidParameter InvalidURL InternalError.Algo.InvalidParameter"
            " invalid_parameter_error RequestTooLarge",
            means.SERVER: "InternalError internal_error InternalError.Algo InternalError.Timeout SystemError"
            " ModelServiceFailed RequestTimeOut",
            means.OVERLOADED: "ModelServingError ModelUnavailable GatewayTimeout",
        }
    ),
    texts=(
        ("range of input length should be", means.CONTEXT),
        ("total message token length exceed model limit", means.CONTEXT),
        ("model not exist", means.NOT_FOUND),
    ),
    statuses=frozen({409: ErrorRule(cls=APIStatusError, retryable=True)}),
)


def with_told_status(reply: HttpReply | None, event: Event | None) -> HttpReply | None:
    """The reply with the status of an event, which stands on a line of its own beside it."""
    told = _STATUS.search(" ".join(event.comments)) if event is not None else None
    return replace(reply, status=int(told[1])) if reply is not None and told is not None else reply


def heed_retry_word(error: APIError, reply: HttpReply | None) -> APIError:
    """The error, retried or not as the vendor says in a header, whatever its class."""
    told = reply.headers.get("x-should-retry") if reply is not None else None
    if told in ("true", "false") and not isinstance(error, InsufficientBalanceError):
        error.retryable = told == "true"
    return error


def is_native(chat: ChatRequest) -> bool:
    """Whether a call goes to one of the two endpoints."""
    return chat.base_url.endswith((TEXT, MEDIA))


def endpoint(base_url: str, chat: ChatRequest) -> str:
    """Where a call goes: models are served at one of the two endpoints, and refused at the other."""
    shows = any(part.get("type") != "text" for message in chat.messages for part in _parts_of(message))
    return base_url + (MEDIA if shows or _MULTIMODAL.match(chat.model.lower()) else TEXT)


def read_search(data: JSONObject) -> JSONObject:
    """The pages that a search found, as ``context``; what they say the vendor does not tell."""
    info = data.get("search_info")
    found = info.get("search_results") if isinstance(info, dict) else None
    pages = [page for page in found if isinstance(page, dict)] if isinstance(found, list) else []
    return {"context": [_page(page) for page in pages]} if pages else {}


def _page(page: JSONObject) -> Context:
    extra = {name: value for name, value in page.items() if name not in ("index", "id", "content", "score") and value}
    number = page.get("index")
    return Context.build({"id": None if number is None else str(number), "content": page.get("content")}, extra)


class DashScope(OpenAICompatible):
    """Speaks it to the endpoint that ``base_url`` ends with, and once more to the other one if that was wrong."""

    path = ""

    # What the vendor is asked.

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``. Tells what of a part has no place in this protocol."""
        changes = super().arrange(chat, messages)
        for number, message in enumerate(messages):
            for place, part in enumerate(_parts_of(message)):
                image = part.get("image_url")
                if isinstance(image, Mapping) and image.get("detail") is not None:
                    where = f"messages[{number}].content[{place}].image_url.detail"
                    reason = "not known here; min_pixels and max_pixels beside image_url do it"
                    changes.append(adaptation(where, "dropped", image["detail"], None, reason))
        return [*changes, *_join_marked(messages)] if chat.base_url.endswith(TEXT) else changes

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``. A stream is asked for here, and files of the vendor's store are resolved."""
        headers = super().headers(chat)
        if chat.stream:
            headers.setdefault("x-dashscope-sse", "enable")
        if any(url.startswith("oss://") for message in chat.messages for url in _urls(message)):
            headers.setdefault("x-dashscope-ossresourceresolve", "enable")
        return headers

    def body(self, chat: ChatRequest) -> JSONObject:
        """See ``OpenAICompatible``. ``extra_body`` may add to ``input`` and ``parameters``."""
        write = _for_media if chat.base_url.endswith(MEDIA) else _for_text
        parameters: JSONObject = {"result_format": "message", **chat.params}
        if chat.stream:
            # Unasked, some models repeat the whole text so far in every event.
            parameters.setdefault("incremental_output", True)
        messages = [{**message, "content": write(message.get("content"))} for message in chat.messages]
        body: JSONObject = {"model": chat.model, "input": {"messages": messages}, "parameters": parameters}
        for name, value in chat.extra_body.items():
            known = body.get(name)
            body[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
        return body

    # The flows.

    def complete(self, chat: ChatRequest) -> Flow[ModelResponse]:
        """See ``Adapter``."""
        try:
            return (yield from super().complete(chat))
        except BadRequestError as error:
            other = _other_endpoint(chat, error)
        return (yield from super().complete(other))

    def stream(self, chat: ChatRequest) -> Flow[Any]:
        """See ``Adapter``."""
        try:
            return (yield from super().stream(chat))
        except BadRequestError as error:
            other = _other_endpoint(chat, error)
        return (yield from super().stream(other))

    def chunk_parser(self, chat: ChatRequest) -> OpenAIChunkParser:
        """See ``Adapter``."""
        grows = chat.params.get("incremental_output") is False
        return _GrowingText(self, chat) if grows else super().chunk_parser(chat)

    # What the vendor answered.

    def is_error(self, data: Any) -> bool:
        """See ``OpenAICompatible``."""
        return errors.has_error(data) or (isinstance(data, dict) and "output" not in data and bool(data.get("message")))

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``OpenAICompatible``."""
        return super().error(chat, data, reply=with_told_status(reply, event), event=event)

    def openai_shape(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        output = data.get("output")
        if not isinstance(output, dict):
            return data
        choices = output.get("choices")
        if not isinstance(choices, list) or not choices:
            # The older form has the text in place of choices.
            choices = [{"message": {"role": "assistant", "content": output["text"]}}] if "text" in output else []
        ending = output.get("finish_reason")
        made = [_choice(choice, place, ending) for place, choice in enumerate(choices) if isinstance(choice, dict)]
        rest = {name: value for name, value in output.items() if name not in ("choices", "text", "finish_reason")}
        known = {name: value for name, value in data.items() if name != "output"}
        return {**rest, **known, "id": data.get("request_id"), "choices": made}

    def adjust_message(self, raw: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``. Parts that are no text are kept aside, as ``parts``."""
        raw = super().adjust_message(raw)
        content, calls = raw.get("content"), raw.get("tool_calls")
        if isinstance(content, list):
            raw = {**raw, "content": "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))}
            if others := [part for part in content if isinstance(part, dict) and part.keys() - {"text"}]:
                raw["parts"] = others
        if isinstance(calls, list):
            raw = {**raw, "tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}
        return raw

    def usage(self, raw: Any) -> Usage | None:
        """See ``OpenAICompatible``."""
        return super().usage({_COUNTS.get(name, name): v for name, v in raw.items()} if isinstance(raw, dict) else raw)


def _choice(choice: JSONObject, place: int, ending: Any) -> JSONObject:
    word = next((word for word in (choice.get("finish_reason"), ending) if word and word != "null"), None)
    rest: JSONObject = {name: value for name, value in choice.items() if name != "message"}
    return {"index": place, **rest, "delta": choice.get("message"), "finish_reason": word}


def _other_endpoint(chat: ChatRequest, error: BadRequestError) -> ChatRequest:
    """The call for the other endpoint, if the error says that this one was wrong; else that error."""
    if "url error" not in error.message.lower():
        raise error
    is_media = chat.base_url.endswith(MEDIA)
    base_url = chat.base_url.removesuffix(MEDIA if is_media else TEXT)
    return chat.changed(base_url=base_url + (TEXT if is_media else MEDIA))


def _parts_of(message: Mapping[str, Any]) -> Iterator[JSONObject]:
    content = message.get("content")
    yield from content if isinstance(content, list) else ()


def _join_marked(messages: list[JSONObject]) -> list[Adaptation]:
    """The endpoint for text takes strings alone; a mark on a part (for a cache) has no place in one."""
    changes = []
    reason = "the native endpoint for text takes one text, and no marks on its parts; the compatible protocol does"
    for number, message in enumerate(messages):
        parts = list(_parts_of(message))
        if not parts or any(part.get("type") != "text" for part in parts):
            continue
        for place, part in enumerate(parts):
            where = f"messages[{number}].content[{place}]"
            marks = {name: value for name, value in part.items() if name not in ("type", "text")}
            changes += [adaptation(f"{where}.{name}", "dropped", mark, None, reason) for name, mark in marks.items()]
        messages[number] = {**message, "content": text_of(parts)}
    return changes


def _urls(message: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts_of(message):
        media = part.get("video")
        yield from map(str, media) if isinstance(media, list) else (url_of(part),)


def _for_text(content: Any) -> Any:
    """The endpoint for text takes strings alone; other parts are sent for the vendor to judge."""
    content = join_text_parts(content)
    return _for_media(content) if isinstance(content, list) else content or ""


def _for_media(content: Any) -> Any:
    if not isinstance(content, list):
        return [{"text": content or ""}]
    return [_part(part) for part in content]


def _part(part: JSONObject) -> JSONObject:
    kind: str = part["type"]
    beside = {name: value for name, value in part.items() if name not in ("type", kind)}
    return {_PARTS.get(kind, kind): _media_of(part, kind), **beside}


def _media_of(part: JSONObject, kind: str) -> Any:
    media = part.get(kind)
    if kind == "input_audio" and isinstance(media, Mapping):
        data, form = str(media.get("data", "")), media.get("format")
        return data.replace("data:;", f"data:audio/{form};", 1) if form and data.startswith("data:;") else data
    return url_of(part) if kind.endswith("_url") else media


class _GrowingText(OpenAIChunkParser):
    """For events that repeat the whole text so far: the caller told ``incremental_output=False``."""

    def __init__(self, dialect: OpenAICompatible, chat: ChatRequest) -> None:
        super().__init__(dialect, chat)
        self._so_far: dict[tuple[int, str], str] = {}

    def _delta(self, index: int, raw: JSONObject) -> Delta | None:
        raw = dict(self._dialect.adjust_message(raw))
        for name in ("content", "reasoning_content"):
            if isinstance(raw.get(name), str):
                raw[name] = self._news((index, name), raw[name])
        if isinstance(raw.get("tool_calls"), list):
            raw["tool_calls"] = [self._call(index, call) for call in raw["tool_calls"]]
        return super()._delta(index, raw)

    def _call(self, index: int, call: JSONObject) -> JSONObject:
        function = dict(call.get("function") or {})
        if isinstance(function.get("arguments"), str):
            function["arguments"] = self._news((index, f"call {call['index']}"), function["arguments"])
        return {**call, "function": function}

    def _news(self, place: tuple[int, str], text: str) -> str:
        known = self._so_far.get(place, "")
        if text.startswith(known):
            self._so_far[place] = text
            return text[len(known) :]
        # A gateway that sends increments all the same.
        self._so_far[place] = known + text
        return text
