"""What Alibaba Cloud Model Studio wants of a call, in either of its protocols; ``qwen.py`` holds the facts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._protocols import dashscope
from .._protocols.arranging import merge_system, say_json
from .._protocols.base import JSONObject
from .._protocols.openai_compatible import OpenAICompatible, refuse_changes
from .._protocols.openai_media import check_kind, is_web_address, url_of
from .._protocols.openai_messages import refuse_part
from .._protocols.parameters import adaptation
from .._protocols.structured_output import is_class
from .._secrets import Headers
from .._wire import HttpReply
from ..exceptions import APIError, AuthenticationError, BadRequestError, NotFoundError

if TYPE_CHECKING:
    from .._framing import Event
    from .._request import ChatRequest
    from ..schema import Adaptation

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

#: Models that take text alone; of any other the vendor is the judge.
_BLIND = re.compile(r"qwen-(plus|flash|long|mt)|qwen3-(max|coder|next|\d)|qwq")

#: Names that are gone → when they went, and what took over.
_RETIRED = (
    (r"qwen-max", "2026-07-13", "qwen3-max"),
    (r"qwen-turbo", "2026-07-13", "qwen-flash"),
    (r"qwen-vl-(max|plus)", "2026-07-13", "qwen3-vl-plus"),
    (r"qwq-plus", "2026-07-13", "qwen-plus with thinking=True"),
    (r"qvq-max", "2026-07-13", "qwen3-vl-plus with thinking=True"),
    (r"qwen-audio", "2026-03-30", "qwen3.8-omni-flash"),
    (r"qwen(1\.5|2)-", "2026-03-30", "qwen3-next-80b-a3b-instruct or another open model of Qwen3"),
)


class ModelStudio(OpenAICompatible):
    """Adds what thinking rules out, models that only stream, the word "json", media by address, and workspaces."""

    def prepare(self, chat: ChatRequest) -> ChatRequest:
        """See ``Adapter``. A model that always thinks has no JSON mode; what was asked of it stays in the messages."""
        ready = super().prepare(chat)
        wanted = ready.params.get("response_format")
        if chat.param_policy == "raw" or not isinstance(wanted, dict) or wanted["type"] != "json_object":
            return ready
        if not self.family(chat.model.lower()).always:
            return ready
        change = adaptation("response_format", "dropped", wanted, None, "JSON mode is refused while a model thinks")
        if chat.param_policy == "strict":
            refuse_changes(self.spec, [change])
        params = {name: value for name, value in ready.params.items() if name != "response_format"}
        return ready.changed(params=params, adaptations=(*ready.adaptations, change))

    def adapt_params(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        for number, tool in enumerate(params.get("tools") or ()):
            if isinstance(tool, dict) and (tool.get("function") or {}).get("name") == "search":
                raise BadRequestError(f"tools[{number}]: qwen refuses a tool named 'search'. Give it another name.")
        stop = params.get("stop")
        if isinstance(stop, (list, tuple)) and len({isinstance(word, str) for word in stop}) > 1:
            raise BadRequestError("stop: qwen takes words or token ids, not both in one list.")
        return []

    def adapt_translated(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        changes = self._calm(chat, params)
        thinks = self._is_thinking(chat, params)
        choice, count = params.get("tool_choice"), params.get("n")
        if choice == "required" or (thinks and isinstance(choice, dict)):
            params["tool_choice"] = "auto"
            reason = (
                "refused while thinking; thinking=False allows it" if thinks else "the vendor leaves it to the model"
            )
            changes.append(adaptation("tool_choice", "replaced", choice, "auto", reason))
        if isinstance(count, int) and count > 1 and (thinks or params.get("tools")):
            reason = "one answer at a time with tools or while thinking"
            changes.append(adaptation("n", "dropped", params.pop("n"), None, reason))
        return changes

    def _calm(self, chat: ChatRequest, params: JSONObject) -> list[Adaptation]:
        """Thinking is switched off where it would be refused: in JSON mode, or unasked in a whole call."""
        family = self.family(chat.model.lower())
        flag, budget = family.flag, family.budget
        told = params.get(flag)
        # What stands in extra_body is sent as it is.
        if not flag or flag in _merged(chat, {}) or not self._is_thinking(chat, params):
            return []
        if self._wants_json(chat, params):
            reason = "JSON mode is refused while a model thinks"
        elif told is None and not chat.stream:
            reason = "this model thinks in streams only; with thinking=True it is streamed and joined"
        else:
            return []
        params[flag] = False
        changes = [adaptation(flag, "added" if told is None else "replaced", told, False, reason)]
        if budget in params:
            changes.append(adaptation(budget, "dropped", params.pop(budget), None, reason))
        return changes

    def _is_thinking(self, chat: ChatRequest, params: JSONObject) -> bool:
        return self.family(chat.model.lower()).is_on(_merged(chat, params))

    def _wants_json(self, chat: ChatRequest, params: JSONObject) -> bool:
        """Whether the response format is, or will become, the one that is refused while thinking."""
        wanted = params.get("response_format")
        kind = "json_schema" if is_class(wanted) else wanted.get("type") if isinstance(wanted, dict) else None
        takes_schema = re.match(self.spec.json_schema_models or "", chat.model.lower()) is not None
        return kind == "json_object" or (kind == "json_schema" and not takes_schema)

    def arrange(self, chat: ChatRequest, messages: list[JSONObject]) -> list[Adaptation]:
        """See ``OpenAICompatible``."""
        if chat.model.lower().startswith("qwen-mt") and [message["role"] for message in messages] != ["user"]:
            raise BadRequestError(
                f"{chat.model} translates one user message and takes no other. Put what it should know into "
                "translation_options={'target_lang': …, 'domains': …}."
            )
        return [*merge_system(messages), *say_json(messages, chat.params.get("response_format"))]

    def part_rule(self, chat: ChatRequest) -> Any:
        """See ``OpenAICompatible``."""
        blind = _BLIND.match(chat.model.lower())
        return refuse_part if blind else functools.partial(_media, has_store=dashscope.is_native(chat))

    def headers(self, chat: ChatRequest) -> Headers:
        """See ``OpenAICompatible``."""
        headers = super().headers(chat)
        if chat.credentials.get("workspace"):
            headers.setdefault("x-dashscope-workspace", chat.credentials["workspace"])
        return headers

    def only_streams(self, chat: ChatRequest) -> bool:
        """See ``OpenAICompatible``. Thinking is streamed: some models refuse it whole, others run out of time."""
        is_free = chat.param_policy != "raw"
        return super().only_streams(chat) or (is_free and self._is_thinking(chat, dict(chat.params)))

    def finish_reason(self, word: str | None) -> str | None:
        """See ``OpenAICompatible``."""
        return super().finish_reason("tool_calls" if word == "tool_call" else word)

    def ending(self, word: str | None, *, calls: bool) -> str | None:
        """See ``OpenAICompatible``. Calls with the word "stop" have been seen."""
        reason = self.finish_reason(word)
        return "tool_calls" if calls and reason == "stop" else reason

    def own_fields(self, data: JSONObject) -> JSONObject:
        """See ``OpenAICompatible``."""
        return dashscope.read_search(data)

    def error(
        self, chat: ChatRequest, data: Any, *, reply: HttpReply | None = None, event: Event | None = None
    ) -> APIError:
        """See ``OpenAICompatible``. Names a retired model's successor; the vendor's word on retries counts."""
        error = super().error(chat, data, reply=reply, event=event)
        word = ""
        if isinstance(error, NotFoundError):
            gone = next((row for row in _RETIRED if re.match(row[0], chat.model.lower())), None)
            word = f" {chat.model!r} was retired on {gone[1]}; take {gone[2]}." if gone else ""
        elif isinstance(error, AuthenticationError) and not chat.credentials.get("api_key", "").startswith("sk-"):
            word = " This vendor's keys start with sk-."
        error.message += word
        error.args = (error.message,)
        return dashscope.heed_retry_word(error, reply)


def _merged(chat: ChatRequest, params: JSONObject) -> JSONObject:
    """Parameters as they will be sent: what ``extra_body`` says wins."""
    extra = chat.extra_body
    inner = extra.get("parameters")
    return {**params, **extra, **(inner if isinstance(inner, dict) else {})}


def _media(part: JSONObject, where: str, *, has_store: bool) -> JSONObject:
    check_kind(part, where, "qwen", ("image_url", "video_url", "video", "input_audio"))
    kind = part["type"]
    if kind == "input_audio":
        return _audio(part, where, has_store=has_store)
    for url in _addresses(part, kind):
        _check_address(url, where, has_store=has_store)
    return part


def _addresses(part: JSONObject, kind: str) -> Iterator[str]:
    frames = part.get(kind)
    yield from map(str, frames) if isinstance(frames, list) else (url_of(part),)


def _audio(part: JSONObject, where: str, *, has_store: bool) -> JSONObject:
    """Sound as OpenAI has it, bare base64, gets the prefix that the vendor wants."""
    audio = part.get("input_audio")
    data = str(audio.get("data") or "") if isinstance(audio, dict) else ""
    if data and _BASE64.fullmatch(data):
        return {**part, "input_audio": {**part["input_audio"], "data": f"data:;base64,{data}"}}
    _check_address(data, where, has_store=has_store)
    return part


def _check_address(url: str, where: str, *, has_store: bool) -> None:
    if is_web_address(url) or url.startswith("data:") or (has_store and url.startswith("oss://")):
        return
    if url.startswith("oss://"):
        raise BadRequestError(f'{where}: only the native protocol takes files of the store. Say protocol="native".')
    raise BadRequestError(
        f"{where} holds no web address (https://…) and no data URL (data:image/png;base64,…). Files of this machine "
        "are never opened for a message: read the file yourself and pass it as a data URL."
    )
