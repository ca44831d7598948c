"""Each disguise in which a failure of FastGPT's comes, and the class it ends in, before a stream and in its middle."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server import Reply, ScriptedServer

from unionllm import UnionLLM, exceptions, unionchat
from unionllm.testing import VendorServer

ASK = [{"role": "user", "content": "你好"}]
_PIECE = {"choices": [{"delta": {"content": "好"}, "index": 0, "finish_reason": None}]}
_BEGINNING = f"event: answer\ndata: {json.dumps(_PIECE)}\n\n".encode()


def said(code: int, kind: str, message: str) -> dict[str, Any]:
    """An error as the platform says it."""
    return {"code": code, "statusText": kind, "message": message, "data": None}


def text(message: str) -> dict[str, Any]:
    """An error that has no code of its own."""
    return said(500, "error", message)


_KEY = "Key is error. You need to use the app key rather than the account key."
#: Name, what is said, the class, whether another try may help.
ROWS: list[tuple[str, dict[str, Any], type[exceptions.APIError], bool]] = [
    ("key", said(514, "unAuthApiKey", "unAuthApiKey"), exceptions.AuthenticationError, False),
    ("credential", said(403, "unAuthorization", "凭证错误"), exceptions.AuthenticationError, False),
    ("credential_in_english", said(403, "unAuthorization", "no"), exceptions.AuthenticationError, False),
    ("credential_without_a_name", {"code": 403, "message": "凭证错误"}, exceptions.AuthenticationError, False),
    ("account_key", text(_KEY), exceptions.AuthenticationError, False),
    ("model", said(511, "unAuthModel", "no"), exceptions.PermissionDeniedError, False),
    ("file", said(513, "unAuthFile", "no"), exceptions.PermissionDeniedError, False),
    ("chat", said(500, "unAuthChat", "no"), exceptions.PermissionDeniedError, False),
    ("app", said(500, "unAuthApp", "no"), exceptions.PermissionDeniedError, False),
    ("team", said(500, "unAuthTeam", "no"), exceptions.PermissionDeniedError, False),
    ("dataset", said(501003, "unAuthDataset", "no"), exceptions.PermissionDeniedError, False),
    ("team_code", said(500012, "teamOverSize", "no"), exceptions.PermissionDeniedError, False),
    ("quota", said(510, "insufficientQuota", "no"), exceptions.InsufficientBalanceError, False),
    ("balance", text("账户余额不足"), exceptions.InsufficientBalanceError, False),
    ("points", text("AI积分不足"), exceptions.InsufficientBalanceError, False),
    ("points_in_english", text("Team AI points not enough"), exceptions.InsufficientBalanceError, False),
    ("rate", said(429, "tooManyRequest", "slow down"), exceptions.RateLimitError, True),
    ("busy", said(409, "chatIsGenerating", "busy"), exceptions.RateLimitError, True),
    ("no_messages", text("messages is empty"), exceptions.BadRequestError, False),
    ("odd_messages", text("messages is not array"), exceptions.BadRequestError, False),
    ("zod", text('[{"code":"invalid_type","path":["chatId"]}]'), exceptions.BadRequestError, False),
    ("provider", said(400, "providerReturnedError", "no"), exceptions.BadRequestError, False),
    ("old_workflow", text("您的工作流版本过低，请重新发布一次"), exceptions.BadRequestError, False),
    ("no_app", text("app is empty"), exceptions.NotFoundError, False),
    ("vendor_401", text("401 Incorrect API key provided"), exceptions.AuthenticationError, False),
    ("vendor_402", text("402 Insufficient Balance"), exceptions.InsufficientBalanceError, False),
    ("vendor_403", text("403 Access denied"), exceptions.PermissionDeniedError, False),
    ("vendor_404", text("404 The model does not exist"), exceptions.NotFoundError, False),
    ("vendor_400", text("400 Bad image"), exceptions.BadRequestError, False),
    ("vendor_429", text("429 Rate limit reached"), exceptions.RateLimitError, True),
    ("vendor_503", text("503 Overloaded"), exceptions.ServiceUnavailableError, True),
    ("vendor_policy", text("sensitive words detected"), exceptions.InternalServerError, False),
    ("vendor_quota", text("You exceeded your current quota"), exceptions.InternalServerError, False),
    ("other", text("Cannot read properties of undefined"), exceptions.InternalServerError, False),
    ("a_word", {"message": "boom"}, exceptions.InternalServerError, False),
]
_ROWS = [pytest.param(*row[1:], id=row[0]) for row in ROWS]


def ask(server: ScriptedServer, **more: Any) -> Any:
    """A call that is tried once, read to its end."""
    target = {"provider": "fastgpt", "api_key": "fastgpt-k", "base_url": server.url, "max_retries": 0}
    got = unionchat(messages=ASK, **target, **more)
    return list(got) if more.get("stream") else got


def check(error: exceptions.APIError, body: dict[str, Any], cls: type[exceptions.APIError], *, again: bool) -> None:
    """The error is the expected one and says what the platform said."""
    assert type(error) is cls
    assert error.retryable is again
    assert body["message"] in error.message


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "cls", "again"), _ROWS)
def test_a_status_of_500_means_what_its_body_says(
    body: dict[str, Any], cls: type[exceptions.APIError], again: bool, stream: bool, server: ScriptedServer
) -> None:
    server.reply(Reply(status=500, json=body))

    with pytest.raises(exceptions.APIError) as caught:
        ask(server, stream=stream)

    check(caught.value, body, cls, again=again)
    assert caught.value.status_code == 500


@pytest.mark.parametrize("beginning", [b"", _BEGINNING], ids=["at_once", "in_the_middle"])
@pytest.mark.parametrize(("body", "cls", "again"), _ROWS)
def test_an_event_in_a_stream_means_the_same(
    body: dict[str, Any], cls: type[exceptions.APIError], again: bool, beginning: bytes, server: ScriptedServer
) -> None:
    event = f"event: error\ndata: {json.dumps(body)}\n\n".encode()
    server.reply(Reply(chunks=[beginning + event]))

    with pytest.raises(exceptions.APIError) as caught:
        ask(server, stream=True)

    check(caught.value, body, cls, again=again)
    if beginning:
        assert caught.value.partial is not None
        assert caught.value.partial.choices[0].message.content == "好"


@pytest.mark.parametrize(("body", "cls", "again"), [row for row in _ROWS if row.values[0].get("code")])
def test_a_success_that_holds_an_error_means_the_same(
    body: dict[str, Any], cls: type[exceptions.APIError], again: bool, server: ScriptedServer
) -> None:
    server.reply(json=body)

    with pytest.raises(exceptions.APIError) as caught:
        ask(server)

    check(caught.value, body, cls, again=again)


@pytest.mark.parametrize("error", [{"message": "401 no key"}, text("401 no key"), "401 no key"], ids=str)
@pytest.mark.parametrize("content", ["", None, []])
def test_an_empty_answer_beside_the_error_of_a_node_is_that_error(
    content: Any, error: Any, server: ScriptedServer
) -> None:
    choices = [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop", "index": 0}]
    server.reply(json={"responseData": [], "error": error, "id": "", "model": "", "choices": choices})

    with pytest.raises(exceptions.AuthenticationError, match="401 no key"):
        ask(server)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_means_a_wrong_path(status: int, stream: bool, server: ScriptedServer) -> None:
    page = "<!DOCTYPE html><html></html>"
    server.reply(Reply(status=status, body=page, headers={"content-type": "text/html; charset=utf-8"}))

    with pytest.raises(exceptions.NotFoundError, match=r"begins at /api/v1") as caught:
        ask(server, stream=stream)

    assert caught.value.retryable is False


def test_a_web_page_of_a_gateway_is_an_outage(server: ScriptedServer) -> None:
    server.reply(Reply(status=503, body="<html></html>", headers={"content-type": "text/html"}))

    with pytest.raises(exceptions.ServiceUnavailableError):
        ask(server)


def test_an_error_that_is_no_json_is_told(server: ScriptedServer) -> None:
    server.reply(Reply(chunks=[b"event: error\ndata: boom\n\n"]))

    with pytest.raises(exceptions.InternalServerError, match="boom"):
        ask(server, stream=True)


def test_what_an_app_lacks_is_not_asked_again_and_a_busy_chat_is(vendor_server: VendorServer) -> None:
    arguments = {**vendor_server.arguments("fastgpt"), "messages": ASK, "max_retries": 1}
    with UnionLLM(**arguments) as client:
        vendor_server.fault("server", vendor="fastgpt")
        with pytest.raises(exceptions.InternalServerError):
            client.completion()
        assert len(vendor_server.requests) == 1

        vendor_server.fault("chatIsGenerating", vendor="fastgpt", retry_after=0)
        vendor_server.reply(text="好")
        assert client.completion().choices[0].message.content == "好"
