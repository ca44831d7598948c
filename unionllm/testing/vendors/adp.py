"""Tencent ADP, played after cloud.tencent.com/document/product/1759/129202: HTTP SSE, v2 (read 2026-11-23)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._checks import Check, Flag, ListOf, Number, OneOf, Shape, Text
from .._exchange import Incoming, Problem, Refusal, Reply, Streamed, Whole
from .._script import Answer, Asked, Desk, Tokens
from .._vendor import Vendor

_ID = Text(pattern=r"[a-zA-Z0-9_-]{32,64}")
_SWITCH = OneOf("", "enable", "disable")
_FIELDS: Mapping[str, Check] = {
    "RequestId": _ID,
    "ConversationId": _ID,
    "VisitorId": Text(low=1),
    "UserId": Text(low=1),
    "UserName": Text(),
    "Contents": ListOf(Shape({"Type": Text(low=1)}), low=1),
    "StreamingThrottle": Number(0, 100),
    "SystemRole": Text(),
    "Incremental": Flag(),
    "SearchNetwork": _SWITCH,
    "ModelName": Text(),
    "Stream": _SWITCH,
    "WorkflowStatus": _SWITCH,
    "EnableMultiIntent": Flag(),
    "GenerateAgain": Flag(),
}
#: What a content of each type has to hold.
_CONTENTS: Mapping[str, Check] = {
    "text": Shape({"Text": Text()}),
    "image": Shape({"Image": Shape({"Url": Text(pattern=r"https?://.+")})}),
    "file": Shape({"File": Shape({"FileName": Text(), "FileUrl": Text(), "FileType": Text()})}),
    "custom_variables": Shape({"CustomVariables": Shape({})}),
    "widget_action": Shape({"WidgetAction": Shape({})}),
}
#: ``ReplyMethod`` of an answer of the model, and of moderation.
_BY_MODEL, _BY_MODERATION = 1, 4
_TEXTS = {
    400: "请求参数错误, 请参阅接入文档。",
    403: "拒绝访问",
    500: "服务器内部错误",
    460001: "Token 校验失败。",
    460002: "事件处理器不存在。",
    460004: "应用不存在。",
    460006: "消息不存在或没有操作权限。",
    460007: "会话创建失败。",
    460008: "Prompt 渲染失败。",
    460009: "访客用户不存在。",
    460010: "会话不存在或没有操作权限。",
    460011: "超出应用配置模型 QPM 并发数限制。",
    460020: "模型请求超时。",
    460021: "知识库未发布。",
    460022: "访客创建失败。",
    460025: "图像识别失败。",
    460026: "应用停用或欠费。",
    460030: "该应用类型不支持当前请求",
    460031: "超出应用 QPS 并发数限制。",
    460032: "当前应用模型余额不足。",
    460033: "应用不存在或没有操作权限。",
    460034: "输入内容过长。",
    460035: "计算内容过长, 已经停止。",
    460037: "搜索资源已用尽，调用失败。",
    460038: "该 AppID 请求存在异常行为，调用失败。",
    460048: "应用未发布",
    460100: "工作流功能未启用",
    460101: "工作流运行异常",
    460301: "内部异常",
    460401: "请求处理超时",
    460501: "输入内容不合法",
    460502: "输出内容不合法",
    460701: "专属模型超出并发数限制",
    460702: "专属模型余额不足",
    460711: "空间 TPM 超限",
    460712: "空间 QPM 超限",
    460713: "空间每日 Token 使用超限",
    460721: "应用 TPM 超限",
    460722: "应用 QPM 超限",
    460723: "应用每日 Token 使用超限",
    460917: "技能运行时暂时不可用",
    460919: "会话 ID 已存在，请更换后重试",
    460921: "没有操作该工作空间的权限",
    4505004: "APPKEY 无效，请核实 APPKEY 来源对应发送事件。",
}


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One question that was accepted."""

    body: Mapping[str, Any]
    number: int
    answer: Answer
    tokens: Tokens

    @property
    def record(self) -> str:
        """The id of the answer."""
        return f"record-{self.number}"

    def show(self, status: str, **more: Any) -> dict[str, Any]:
        """The response as its events tell it."""
        moderated = self.answer.ending == "content_filter"
        return {
            "Role": "assistant",
            "RecordId": self.record,
            "RelatedRecordId": f"question-{self.number}",
            "ConversationId": self.body["ConversationId"],
            "Status": status,
            "StatusDesc": "",
            **more,
            "ExtraInfo": {
                "RequestId": self.body.get("RequestId") or "made-by-the-platform",
                "Elapsed": "100",
                "IsFromSelf": False,
                "ReplyMethod": _BY_MODERATION if moderated else _BY_MODEL,
            },
        }


class Played(Vendor):
    """The key in the body, conversations named by the caller, every answer and every refusal an event."""

    name = "adp"
    base = "/adp/v2"
    test_credentials = {"api_key": "MadeUpForTestsAppKey0123456789"}
    problems = {str(code): Problem(status=200, code=code, message=text) for code, text in _TEXTS.items()}
    kinds = {
        "auth": "4505004",
        "permission": "403",
        "no_balance": "460032",
        "rate_limit": "460031",
        "overloaded": "460917",
        "not_found": "460004",
        "bad_request": "400",
        "context": "460034",
        "policy": "460501",
        "server": "500",
    }
    examples: ClassVar[Mapping[str, str]] = {"chat": "adp", "thinking": "adp"}

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        super().__init__(credentials)
        #: Conversations → the visitor they belong to.
        self._conversations: dict[str, str] = {}

    def secrets_in(self, request: Incoming) -> Iterable[str]:
        """The key, right or wrong."""
        key = request.json.get("AppKey") if isinstance(request.json, dict) else None
        return (key,) if isinstance(key, str) and key else ()

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """Check, then play the next answer."""
        if request.path != f"{self.base}/chat" or request.method != "POST":
            raise Refusal(Problem(status=404, code=404, message="404 page not found"))
        body = self.require_json(request)
        if body.get("AppKey") != self.credentials["api_key"]:
            self.refuse("auth")
        self._check(body)
        turns = [("user", text) for content in body["Contents"] if isinstance(text := content.get("Text"), str)]
        asked = Asked(model="adp", turns=turns, stream=True)
        answer = self.take(desk, asked)
        self._conversations[body["ConversationId"]] = _visitor(body)
        turn = _Turn(body=body, number=desk.make_number(), answer=answer, tokens=answer.counted(asked))
        return Streamed(events=[*map(_encode, _events(turn)), b"event: done\ndata: [DONE]\n\n"])

    def _check(self, body: Mapping[str, Any]) -> None:
        for name, check in _FIELDS.items():
            if body.get(name) is not None and (fault := check.fault(body[name])):
                self.refuse("bad_request", f"{name} {fault}")
        for name in ("ConversationId", "Contents"):
            if body.get(name) is None:
                self.refuse("bad_request", f"{name} is required")
        if not _visitor(body):
            self.refuse("bad_request", "VisitorId is required")
        for content in body["Contents"]:
            rule = _CONTENTS.get(content["Type"])
            if rule is None or (fault := rule.fault(content)):
                self.refuse("bad_request", f"Contents: {content['Type']} {fault if rule else 'is unknown'}")  # pyright: ignore[reportPossiblyUnboundVariable]
        owner = self._conversations.get(body["ConversationId"])
        if owner not in (None, _visitor(body)):
            self.refuse("460010")

    def encode_problem(self, problem: Problem) -> Whole:
        """An event, too; only what is no call of theirs has a status."""
        if problem.status >= 300:
            return Whole(body=problem.message.encode(), status=problem.status, content_type="text/plain")
        return Whole(
            body=self.encode_in_stream(problem), content_type="text/event-stream", headers=problem.headers, status=200
        )

    def encode_in_stream(self, problem: Problem) -> bytes:
        """An event of that name."""
        told = {"Code": problem.code, "Message": problem.message, "RequestId": "request-0", "TraceId": "trace-0"}
        return _encode({"Type": "error", "Error": told})


def _visitor(body: Mapping[str, Any]) -> str:
    return str(body.get("UserId") or body.get("VisitorId") or "")


def _events(turn: _Turn) -> Iterator[dict[str, Any]]:
    answer = turn.answer
    question = {"Role": "user", "RecordId": f"question-{turn.number}", "Status": "success"}
    extra = {"RequestId": turn.body.get("RequestId") or "made-by-the-platform", "IsFromSelf": True}
    head = {**question, "ConversationId": turn.body["ConversationId"], "ExtraInfo": extra}
    yield {"Type": "request_ack", "RequestAck": head}
    yield {"Type": "response.created", "Response": turn.show("processing")}
    if answer.reasoning:
        yield from _message(turn, "thought", f"thought-{turn.number}", answer.reasoning)
    for number, step in enumerate(answer.extra.get("steps", ())):
        yield from _tool(turn, number, step)
    yield from _message(turn, "reply", f"reply-{turn.number}", answer.text or ("",))
    tokens = turn.tokens
    counts = {"InputTokens": tokens.prompt, "OutputTokens": tokens.completion, "TotalTokens": tokens.total}
    yield {"Type": "response.completed", "Response": turn.show("success", StatInfo={**counts, "TotalCost": "2574"})}


def _message(turn: _Turn, kind: str, number: str, pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The first piece comes with the content, others behind it; with ``Incremental`` off each is the text so far."""
    head = {"Type": kind, "MessageId": number, "Name": kind, "Title": ""}
    place = {"MessageId": number, "ContentIndex": 0}
    yield {"Type": "message.added", "Message": {**head, "Status": "processing"}}
    yield {"Type": "content.added", **place, "Content": {"Type": "text", "Text": pieces[0]}}
    so_far = pieces[0]
    for piece in pieces[1:]:
        so_far += piece
        if turn.body.get("Incremental"):
            yield {"Type": "text.delta", **place, "Text": piece}
        else:
            yield {"Type": "text.replace", **place, "Text": so_far}
    if kind == "reply":
        if "replace" in turn.answer.extra:
            so_far = turn.answer.extra["replace"]
            yield {"Type": "text.replace", **place, "Text": so_far}
        yield from _references(turn, place)
    done = {**head, "Status": "success", "Contents": [{"Type": "text", "Text": so_far}]}
    yield {"Type": "message.done", "MessageId": number, "Message": done}


def _references(turn: _Turn, place: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for index, passage in enumerate(turn.answer.context, 1):
        doc = {"ReferenceId": passage.id, "DocId": f"doc-{index}", "DocName": passage.title, "KnowledgeId": "kb1"}
        told = {"Index": index, "Type": 2, "Name": passage.title, "DocRefer": {**doc, "Url": passage.url}}
        yield {"Type": "quote_info.added", **place, "QuoteInfo": {"Position": 1, "Index": index}}
        yield {"Type": "reference.added", **place, "Reference": told}


def _tool(turn: _Turn, number: int, step: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    head = {"Type": "tool_call", "MessageId": f"tool-{turn.number}-{number}", "Name": step.get("name", "")}
    yield {"Type": "message.added", "Message": {**head, "Status": "processing"}}
    text = json.dumps(step.get("result"), ensure_ascii=False)
    done = {"Status": "success", "Contents": [{"Type": "json_text", "Text": text}], "ExtraInfo": {"Elapsed": "1500"}}
    yield {"Type": "message.done", "MessageId": head["MessageId"], "Message": {**head, **done}}


def _encode(data: Mapping[str, Any]) -> bytes:
    return f"event: {data['Type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")
