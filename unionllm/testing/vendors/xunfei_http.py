"""iFlytek Spark over HTTP, played after xfyun.cn/doc/spark: HTTP调用文档, X1http (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import NAMED_TOOL, Anything, Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, function_tool
from .._exchange import Incoming, Problem, Whole, as_json
from .._openai import Chat, Model, OpenAILike
from .._script import Answer, Tokens
from ._spark_codes import CODES, KINDS

_SEARCH = Shape(
    {
        "type": OneOf("web_search"),
        "web_search": Shape({"enable": Flag(), "show_ref_label?": Flag(), "search_mode?": OneOf("normal", "deep")}),
    }
)
_X: dict[str, Check | None] = {
    "temperature": Number(0, 2, above=True),
    "tool_choice": OneOf("auto"),
    "max_tokens": Integer(1, 32_768),
}


class Played(OpenAILike):
    """A ``code`` in every body, no finish reason, tool calls as an object unless ``tool_calls_switch`` is on."""

    name = "xunfei_http"
    base = "/v1"
    more_bases = ("/v2", "/x2")
    #: A password is in truth the key and the secret of the WebSocket API with a colon between them.
    test_credentials = {"api_key": "SparkMadeUpForTests:NoRealPassword"}
    problems = CODES
    kinds = KINDS
    examples = {"chat": "4.0Ultra", "tools": "4.0Ultra", "thinking": "spark-x"}
    example_bases = {"thinking": "/v2"}
    gives_call_ids = False
    models = (
        Model(pattern=r"spark-x|x1", thinks="switch", fields=_X),
        Model(pattern=r"lite|pro-128k", fields={"max_tokens": Integer(1, 4096)}),
        Model(pattern=r"4\.0Ultra|max-32k", fields={"max_tokens": Integer(1, 32_768)}),
        Model(pattern=r"generalv3(\.5)?|general"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 2),
        "top_p": Number(0, 1, above=True),
        "top_k": Integer(1, 6),
        "max_tokens": Integer(1, 8192),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "response_format": Shape({"type": OneOf("text", "json_object")}),
        "tools": ListOf(Either(function_tool(), _SEARCH)),
        "tool_choice": Either(OneOf("auto", "none", "required"), NAMED_TOOL),
        "tool_calls_switch": Flag(),
        "keep_alive": Flag(),
        "thinking": Shape({"type": OneOf("enabled", "disabled", "auto")}),
        "suppress_plugin": Anything(),
    }
    ignored = frozenset({"stream_options", "user", "stop", "n", "seed", "logprobs", "logit_bias"})
    list_roles = frozenset()
    usage_at = "finish"
    repeats_role = True
    data_prefix = b"data:"

    def check_auth(self, request: Incoming) -> None:
        """The gateway's own words, without a code."""
        if not request.headers.get("authorization"):
            self.refuse("unauthorized")
        if request.bearer != self.credentials["api_key"]:
            self.refuse("auth" if ":" in request.bearer else "unverified")

    def check_route(self, request: Incoming) -> None:
        """Each version of the API has its models."""
        super().check_route(request)
        name = request.json.get("model") if isinstance(request.json, dict) else ""
        where = {"spark-x": ("/v2/", "/x2/"), "x1": ("/v2/",)}.get(str(name), ("/v1/",))
        if not request.path.startswith(where):
            self.refuse("11200", f"model {name} is not authorised for {request.path}")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """One system message, at the head, and only for models that read it."""
        roles = [message["role"] for message in body["messages"]]
        if "system" in roles[1:]:
            self.refuse("10004", "the system message must be the first and only one")
        if roles[0] == "system" and body["model"] in ("lite", "general", "generalv3", "pro-128k"):
            self.refuse("10004", "role system is not supported by this model")

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """No id but the ``sid``, no finish reason."""
        body = super().whole_body(chat, answer)
        for choice in body["choices"]:
            del choice["finish_reason"]
            _shape_calls(chat, choice["message"])
        return {**_head(chat), "choices": body["choices"], "usage": body["usage"]}

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """The ``sid`` is the id as well; no finish reason."""
        _shape_calls(chat, delta)
        choice = {"delta": delta, "index": index}
        head = _head(chat)
        return {**head, "id": head["sid"], "created": chat.created, "choices": [choice]}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Text is in every delta; a call comes in one piece."""
        for delta in list(super().deltas(chat, answer))[1:]:
            if "tool_calls" not in delta:
                yield {"content": "", **delta}
        for index, call in enumerate(answer.tool_calls):
            function = {"name": call.name, "arguments": call.arguments}
            yield {"content": "", "tool_calls": [{"index": index, "type": "function", "function": function}]}

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """The usage is all that tells the end."""
        return {**self.event(chat, {"role": "assistant", "content": ""}, index=index), "usage": self.usage(tokens)}

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """Three counts."""
        return tokens.counts

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """OpenAI's envelope, with the code as text."""
        code = str(problem.code) if problem.code else None
        return {"error": {"message": problem.message, "type": "api_error", "param": None, "code": code}}

    def encode_in_200(self, problem: Problem) -> Whole:
        """A code that is not zero, and no choices."""
        return as_json(self._hidden(problem))

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same as an event."""
        return self.encode_event(self._hidden(problem))

    def _hidden(self, problem: Problem) -> dict[str, Any]:
        """What the model says; the gateway, which has no codes, keeps to its envelope."""
        if problem.code == "":
            return self.error_body(problem)
        return {"code": problem.code, "message": problem.message, "sid": "cha0"}


def _head(chat: Chat) -> dict[str, Any]:
    return {"code": 0, "message": "Success", "sid": f"cha{chat.number:09x}@dx1"}


def _shape_calls(chat: Chat, message: dict[str, Any]) -> None:
    """Calls have no ids; without the switch there is one, and it stands alone."""
    if not message.get("tool_calls"):
        return
    calls = [{name: value for name, value in call.items() if name != "id"} for call in message["tool_calls"]]
    is_list = chat.body.get("tool_calls_switch") or chat.body["model"] in ("spark-x", "x1")
    message["tool_calls"] = calls if is_list else calls[0]
