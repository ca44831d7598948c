"""Zhipu AI / Z.AI, played after docs.bigmodel.cn/cn/api/api-code and docs.z.ai chat completion (read 2026-11-23)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from .._checks import Check, Either, Flag, Integer, ListOf, Number, OneOf, Shape, Text, function_tool
from .._exchange import Incoming, Problem
from .._openai import Chat, Model, OpenAILike
from .._script import Answer

#: Milliseconds that a token may be ahead of the server's clock.
_SKEW = 60_000
#: Milliseconds that one may be old: gateways keep theirs for a day, the vendor's SDK for three minutes.
_OLDEST = 24 * 3_600_000

_VENDOR_TOOLS = [Shape({"type": OneOf(kind), kind: Shape({})}) for kind in ("web_search", "retrieval", "mcp")]
_THINKING = Shape({"type": OneOf("enabled", "disabled"), "clear_thinking?": Flag()}, is_open=False)
_ALWAYS_THINKING = Shape({"type": OneOf("enabled"), "clear_thinking?": Flag()}, is_open=False)
_MEDIA = frozenset({"image_url", "video_url", "file_url"})


def _codes() -> dict[str, Problem]:
    rows = {
        401: "1000 1001 1002 1003 1004 1111",
        403: "1100 1110 1112 1120 1121 1220 1309 1311 1313",
        429: "1113 1302 1303 1304 1305 1308 1310 1312",
        400: "1200 1210 1211 1212 1213 1214 1215 1231 1261 1300 1301",
        404: "1221 1222",
        500: "500 1230 1234",
    }
    texts = {
        "1000": "身份验证失败",
        "1001": "Header中未收到Authentication参数，无法进行身份验证",
        "1002": "Authentication Token非法，请确认Authentication Token正确传递",
        "1003": "Authentication Token已过期，请重新生成/获取",
        "1113": "您的账户已欠费，请充值后重试",
        "1210": "API 调用参数有误，请检查文档",
        "1211": "模型不存在，请检查模型代码",
        "1214": "messages 参数非法。请检查文档",
        "1261": "Prompt 超长",
        "1301": "系统检测到输入或生成内容可能包含不安全或敏感内容",
        "1302": "您当前使用该API的并发数过高，请降低并发，或联系客服增加限额",
        "1305": "当前API请求过多，请稍后重试",
        "1220": "您无权访问该API",
        "500": "内部错误",
    }
    return {
        code: Problem(status=status, code=code, message=texts.get(code, f"错误 {code}"))
        for status, codes in rows.items()
        for code in codes.split()
    }


class Played(OpenAILike):
    """Bearer keys and JWT in milliseconds, string codes, the role in every delta, usage on the finish event."""

    name = "zhipuai"
    base = "/api/paas/v4"
    more_bases = ("/api/coding/paas/v4",)
    test_credentials = {"api_key": "0123456789abcdef0123456789abcdef.testsecret012345"}
    problems = _codes()
    kinds = {
        "auth": "1000",
        "permission": "1220",
        "no_balance": "1113",
        "rate_limit": "1302",
        "overloaded": "1305",
        "not_found": "1211",
        "bad_request": "1210",
        "context": "1261",
        "policy": "1301",
        "server": "500",
    }
    examples = {"chat": "glm-4.6", "tools": "glm-4.6", "image": "glm-4.6v", "thinking": "glm-4.6"}
    models = (
        Model(pattern=r"glm-5\.3-flash", thinks="switch", parts=_MEDIA),
        Model(pattern=r"glm-5\.3", thinks="always", fields={"thinking": _ALWAYS_THINKING}),
        Model(pattern=r"glm-(5v-turbo|4\.[56]v(-flash|-flashx)?)", thinks="switch", parts=_MEDIA),
        Model(pattern=r"glm-4v(-plus(-\d+)?|-flash)?|glm-4\.1v-.*", parts=_MEDIA),
        Model(pattern=r"glm-(5|4\.[5-7])(\.\d)?(-[a-z]+)?", thinks="switch"),
        Model(pattern=r"glm-z1-.*", thinks="always"),
        Model(pattern=r"glm-4(-[a-z0-9-]+)?|charglm-[34]"),
    )
    fields: ClassVar[Mapping[str, Check]] = {
        "max_tokens": Integer(1, 131_072),
        "temperature": Number(0, 1),
        "top_p": Number(0.01, 1),
        "do_sample": Flag(),
        "stop": ListOf(Text(), high=1),
        "tools": ListOf(Either(function_tool(), *_VENDOR_TOOLS), high=128),
        "tool_choice": OneOf("auto"),
        "response_format": Shape({"type": OneOf("text", "json_object", "json_schema")}),
        "seed": Integer(),
        "thinking": _THINKING,
        "reasoning_effort": OneOf("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "tool_stream": Flag(),
        "request_id": Text(6, 64),
        "user_id": Text(6, 128),
    }
    list_roles = frozenset({"user", "system", "assistant"})
    finish_words = {"content_filter": "sensitive"}
    usage_at = "finish"
    repeats_role = True
    numbers_calls = True
    embeds: ClassVar[Mapping[str, int]] = {"embedding-3": 64, "embedding-2": 64}

    def check_auth(self, request: Incoming) -> None:
        """A plain key, or a JWT signed with its second half; the word Bearer may be missing."""
        header = request.headers.get("authorization", "")
        if not header:
            self.refuse("1001")
        token = request.bearer or header
        if token == self.credentials["api_key"]:
            return
        if token.count(".") != 2:
            self.refuse("1000")
        self._check_jwt(token, request.now * 1000)

    def _check_jwt(self, token: str, now: float) -> None:
        key_id, _, secret = self.credentials["api_key"].partition(".")
        signed, _, signature = token.rpartition(".")
        expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
        try:
            header, payload = (json.loads(_decode(part)) for part in signed.split("."))
            is_right = hmac.compare_digest(_decode(signature), expected)
        except (ValueError, binascii.Error):
            self.refuse("1002")
        if not is_right or payload.get("api_key") != key_id:
            self.refuse("1000")
        if header.get("alg") != "HS256" or header.get("sign_type") != "SIGN":
            self.refuse("1002", "the token's header needs alg HS256 and sign_type SIGN")
        times = [payload.get("exp"), payload.get("timestamp")]
        if not all(isinstance(time, int) for time in times) or not -_OLDEST <= times[1] - now <= _SKEW:
            self.refuse("1002", "timestamp must be the time of signing in milliseconds")
        if times[0] <= now:
            self.refuse("1003")

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """At least one user message; tool results are strings (their role takes no list)."""
        if not any(message["role"] == "user" for message in body["messages"]):
            self.refuse("1214", "messages 参数非法: at least one message must have the role user")

    def head(self, chat: Chat) -> dict[str, Any]:
        """With the vendor's second name for the id."""
        head = super().head(chat)
        return {**head, "request_id": chat.body.get("request_id") or head["id"]}

    def whole_body(self, chat: Chat, answer: Answer) -> dict[str, Any]:
        """Pages of a web search stand beside the choices."""
        body = super().whole_body(chat, answer)
        return {**body, "web_search": _pages(answer)} if answer.context else body

    def events(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any] | bytes]:
        """Pages of a web search stand on the first event."""
        for number, event in enumerate(super().events(chat, answer)):
            has_pages = number == 0 and answer.context and isinstance(event, dict)
            yield {**event, "web_search": _pages(answer)} if has_pages and isinstance(event, dict) else event

    def deltas(self, chat: Chat, answer: Answer) -> Iterator[dict[str, Any]]:
        """A tool call comes in one piece, unless ``tool_stream`` asks for more."""
        if not chat.body.get("tool_stream"):
            calls = [replace(call, pieces=()) for call in answer.tool_calls]
            yield from super().deltas(chat, replace(answer, tool_calls=()))
            for index, call in enumerate(calls):
                function = {"name": call.name, "arguments": call.arguments}
                yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        else:
            yield from super().deltas(chat, answer)

    def last_event(self, chat: Chat, answer: Answer, tokens: Any, index: int) -> dict[str, Any]:
        """The last delta has its role and an empty text too."""
        event = super().last_event(chat, answer, tokens, index)
        event["choices"][0]["delta"] = {"role": "assistant", "content": ""}
        return event

    def event(self, chat: Chat, delta: dict[str, Any], finish: str | None = None, index: int = 0) -> dict[str, Any]:
        """Without ``object``; ``finish_reason`` is there only once it is known."""
        event = super().event(chat, delta, finish, index)
        del event["object"]
        if finish is None:
            del event["choices"][0]["finish_reason"]
        return event

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """The code is a string, and there is no type."""
        return {"error": {"code": str(problem.code), "message": problem.message, **problem.extra}}


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _pages(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "refer": f"ref_{number}",
            "title": page.title,
            "link": page.url,
            "content": page.content,
            "media": "",
            "icon": "",
        }
        for number, page in enumerate(answer.context, 1)
    ]
