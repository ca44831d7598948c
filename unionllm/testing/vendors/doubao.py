"""Volcengine Ark (Doubao), played after volcengine.com/docs/82379: 1494384, 1449737, 1299023 (read 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._checks import Anything, Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import Incoming, Problem
from .._openai import Chat, Model, OpenAILike
from .._openai_checks import TOOL_CHOICE
from .._script import Answer, Tokens

_MEDIA = frozenset({"image_url", "video_url", "input_audio"})
_THINKING = Shape({"type": OneOf("enabled", "disabled")}, is_open=False)
_AUTO_THINKING = Shape({"type": OneOf("enabled", "disabled", "auto")}, is_open=False)
_SCHEMA = Shape({"name": Text(low=1), "schema": Shape({}), "strict?": Flag()})
#: What families that think refuse.
_SEED: dict[str, Check | None] = {"logprobs": None, "top_logprobs": None, "logit_bias": None, "stop": None}
_TEXT_ONLY: dict[str, Check | None] = {"thinking": None, "reasoning_effort": None}
_ANY_EFFORT = OneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BOTS, _PLAN = "/bots", "/coding/"
#: Models of the coding plan, which no other plan knows.
_CODING = r"doubao-seed-2\.0-code|ark-code-latest"


def _table() -> dict[str, Problem]:
    rows = {
        400: "MissingParameter InvalidParameter InvalidParameter.UnsupportedModel InvalidParameter.OversizedImage"
        " InvalidParameter.UnsupportedImageFormat InvalidEndpoint.ClosedEndpoint SensitiveContentDetected"
        " SensitiveContentDetected.SevereViolation SensitiveContentDetected.Violence"
        " InputTextSensitiveContentDetected InputImageSensitiveContentDetected OutputTextSensitiveContentDetected"
        " InputTextRiskDetection",
        401: "AuthenticationError InvalidAccountStatus",
        403: "AccountOverdueError AccessDenied OperationDenied.ServiceNotOpen",
        404: "InvalidEndpointOrModel.NotFound InvalidEndpoint.NotFound InvalidEndpointOrModel.ModelIDAccessDisabled"
        " ModelNotOpen UnsupportedModel",
        429: "RateLimitExceeded.EndpointRPMExceeded RateLimitExceeded.EndpointTPMExceeded"
        " ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded APIAccountRpmRateLimitExceeded"
        " QuotaExceeded SetLimitExceeded ServerOverloaded InflightBatchsizeExceeded RequestBurstTooFast",
        500: "InternalServiceError",
        503: "ServiceUnavailable",
    }
    kinds = {
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        429: "TooManyRequests",
        500: "InternalServerError",
        503: "ServiceUnavailable",
    }
    table = {
        code: Problem(status=status, code=code, type=kinds[status], message=f"The request failed with {code}.")
        for status, codes in rows.items()
        for code in codes.split()
    }
    long = "Input length exceeds the maximum context length of the model."
    table["length"] = Problem(status=400, code="InvalidParameter", type="BadRequest", message=long)
    return table


class Played(OpenAILike):
    """Models, endpoints (``ep-``) and bots (``bot-``, a path of their own), null usage until it is asked for."""

    name = "doubao"
    base = "/api/v3"
    more_bases = ("/api/v3/bots", "/api/coding/v3")
    test_credentials = {"api_key": "01234567-89ab-4cde-8f01-23456789abcd"}
    problems = _table()
    kinds = {
        "auth": "AuthenticationError",
        "permission": "AccessDenied",
        "no_balance": "AccountOverdueError",
        "rate_limit": "ModelAccountRpmRateLimitExceeded",
        "overloaded": "ServerOverloaded",
        "not_found": "InvalidEndpointOrModel.NotFound",
        "bad_request": "InvalidParameter",
        "context": "length",
        "policy": "InputTextSensitiveContentDetected",
        "server": "InternalServiceError",
    }
    examples = {
        "chat": "doubao-seed-2-0-pro-260215",
        "tools": "doubao-seed-2-0-pro-260215",
        "image": "doubao-seed-2-0-pro-260215",
        "thinking": "doubao-seed-2-0-pro-260215",
    }
    models = (
        Model(pattern=r"doubao-seed-(1-8|2-[01]|evolving)[a-z0-9-]*", thinks="switch", parts=_MEDIA, fields=_SEED),
        Model(
            pattern=r"doubao-seed-1-6[a-z0-9-]*",
            thinks="switch",
            parts=_MEDIA,
            fields={**_SEED, "thinking": _AUTO_THINKING},
        ),
        Model(pattern=_CODING, thinks="switch", parts=_MEDIA, fields=_SEED),
        Model(pattern=r"doubao-1-5-pro-32k-\d{6}", fields=_TEXT_ONLY),
        Model(
            pattern=r"doubao-1-5-thinking-[a-z0-9-]+",
            thinks="switch",
            parts=_MEDIA,
            fields={**_SEED, "thinking": _AUTO_THINKING},
        ),
        Model(
            pattern=r"(deepseek-v[34]|glm-[45]|kimi-k2)[a-z0-9-]*-\d{6}",
            thinks="switch",
            fields={**_SEED, "reasoning_effort": _ANY_EFFORT},
        ),
        # An endpoint hides its model: it takes whatever some model takes.
        Model(
            pattern=r"(ep|bot)-[A-Za-z0-9-]+",
            thinks="on_request",
            parts=_MEDIA,
            fields={"thinking": _AUTO_THINKING, "reasoning_effort": _ANY_EFFORT},
        ),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "max_tokens": Integer(1),
        "max_completion_tokens": Integer(0, 65_536),
        "stop": Either(Text(), ListOf(Text(), high=4)),
        "frequency_penalty": Number(-2, 2),
        "presence_penalty": Number(-2, 2),
        "repetition_penalty": Number(0, above=True),
        "logit_bias": Shape({}),
        "logprobs": Flag(),
        "top_logprobs": Integer(0, 20),
        "n": Integer(1, 16),
        "tools": ListOf(function_tool(more={"strict?": Flag()})),
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "response_format": Either(
            Shape({"type": OneOf("text", "json_object")}),
            Shape({"type": OneOf("json_schema"), "json_schema": _SCHEMA}),
        ),
        "service_tier": OneOf("auto", "default"),
        "stream_options": Shape({"include_usage?": Flag(), "chunk_include_usage?": Flag()}),
        "thinking": _THINKING,
        "reasoning_effort": OneOf("minimal", "low", "medium", "high"),
        "user": Text(),
        "metadata": Anything(),
    }
    list_roles = frozenset({"system", "user", "assistant", "tool"})
    repeats_role = True

    def check_route(self, request: Incoming) -> None:
        """A bot is asked under a path of its own, and nothing else is."""
        super().check_route(request)
        name = request.json.get("model") if isinstance(request.json, dict) else ""
        is_bot, is_coding = str(name).startswith("bot-"), re.fullmatch(_CODING, str(name)) is not None
        if is_bot != (_BOTS in request.path) or is_coding != (_PLAN in request.path):
            self.refuse("not_found", f"The model or endpoint {name} does not exist or you do not have access to it.")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """One limit, and a switch that agrees with the effort."""
        if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
            self.refuse("bad_request", "max_tokens and max_completion_tokens cannot be set at the same time")
        told, effort = (body.get("thinking") or {}).get("type"), body.get("reasoning_effort")
        if told in ("enabled", "disabled") and effort and (told == "disabled") != (effort == "minimal"):
            self.refuse("bad_request", f"reasoning_effort {effort} does not go with thinking {told}")

    def is_thinking(self, body: Mapping[str, Any], model: Model) -> bool:
        """Minimal effort is none."""
        return super().is_thinking(body, model) and body.get("reasoning_effort") != "minimal"

    def headers(self, chat: Chat) -> dict[str, str]:
        """The id to quote to the vendor."""
        return {"X-Request-Id": f"0217{chat.number}"}

    def head(self, chat: Chat) -> dict[str, Any]:
        """The model behind an endpoint is told."""
        model = chat.body["model"]
        behind = "doubao-seed-2-0-pro-260215" if model.startswith(("ep-", "bot-")) else model
        return {**super().head(chat), "id": f"0217{chat.number}", "model": behind, "service_tier": "default"}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """A bot tells what it read, and counts its models' tokens."""
        body = super().whole_body(chat, answer)
        for choice in body["choices"]:
            choice["logprobs"] = None
            if choice["finish_reason"] == "content_filter":
                choice["moderation_hit_type"] = "violence"
        if not chat.body["model"].startswith("bot-"):
            return body
        count = {**body.pop("usage"), "name": body["model"]}
        return {**body, "references": _references(answer), "bot_usage": {"model_usage": [count], "action_usage": []}}

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Ordinary events say that there is no usage yet, or the running one; a bot's first has its references."""
        is_bot = chat.body["model"].startswith("bot-")
        runs = bool((chat.body.get("stream_options") or {}).get("chunk_include_usage"))
        counted = self.usage(answer.counted(chat.asked))
        for number, event in enumerate(super().events(chat, answer)):
            if not isinstance(event, dict):
                continue
            references = {"references": _references(answer)} if is_bot and number == 0 else {}
            yield {"usage": counted if runs else None, **event, **references}

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """Text is there in every delta, empty while the model thinks or calls."""
        yield from ({"content": "", **delta} for delta in list(super().deltas(chat, answer))[1:])

    def last_event(self, chat: Chat, answer: Answer, tokens: Tokens, index: int) -> dict[str, Any]:
        """The role stands here too, with an empty text."""
        event = super().last_event(chat, answer, tokens, index)
        event["choices"][0]["delta"] = {"role": "assistant", "content": ""}
        return event

    def usage(self, tokens: Tokens) -> dict[str, Any]:
        """With what was provisioned."""
        usage = super().usage(tokens)
        usage["prompt_tokens_details"]["provisioned_tokens"] = 0
        return usage

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """``param`` is an empty text."""
        error = {"code": problem.code, "message": problem.message, "param": "", "type": problem.type}
        return {"error": {**error, **problem.extra}}


def _references(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"url": page.url, "title": page.title, "summary": page.content, "site_name": "", "doc_name": page.title}
        for page in answer.context
    ]
