"""The disguises in which agent platforms say no: each ends in its class, before the answer or in the middle of it.

``docs/agents.md`` shows this table to readers; the last test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from agent_cases import VARIANTS, Variant
from play import Ask, ask_async, ask_sync

from unionllm import exceptions
from unionllm.testing import VendorServer

_SIX = "一二三四五六"


class Disguise(NamedTuple):
    """One way in which a platform fails.

    ``place`` is where the vendor server puts it, ``error`` the kind or code, ``says`` how readers are told of it.
    """

    provider: str
    says: str
    place: str
    error: str
    cls: type[exceptions.APIError]
    variant: str = ""
    #: False: whole answers only; True: streams only; None: both.
    stream: bool | None = None
    retryable: bool = False
    #: Whether text had come before it.
    has_begun: bool = False


_API = exceptions
DISGUISES: tuple[Disguise, ...] = (
    Disguise("dify", "HTTP 4xx with a code", "status", "unauthorized", _API.AuthenticationError),
    Disguise("dify", "HTTP 4xx with a code", "status", "provider_quota_exceeded", _API.InsufficientBalanceError),
    Disguise("dify", "HTTP 4xx with a code", "status", "rate_limit_error", _API.RateLimitError),
    Disguise("dify", "HTTP 4xx with a code", "status", "too_many_requests", _API.RateLimitError, retryable=True),
    Disguise("dify", "HTTP 200 with a code", "in_200", "forbidden", _API.PermissionDeniedError, stream=False),
    Disguise("dify", "an event `error`", "in_stream", "not_found", _API.NotFoundError, stream=True, has_begun=True),
    Disguise(
        "dify",
        "`workflow_finished` with status failed",
        "failed_flow",
        "server",
        _API.InternalServerError,
        variant="workflow",
    ),
    Disguise(
        "dify",
        "`workflow_finished` with status failed, then an event `error`",
        "failed_flow",
        "completion_request_error",
        _API.BadRequestError,
        variant="advanced-chat",
        stream=True,
        has_begun=True,
    ),
    Disguise("fastgpt", "HTTP 500 with a code", "status", "unAuthApiKey", _API.AuthenticationError),
    Disguise("fastgpt", "HTTP 500 with a code", "status", "insufficientQuota", _API.InsufficientBalanceError),
    Disguise("fastgpt", "HTTP 500 with a code", "status", "tooManyRequest", _API.RateLimitError, retryable=True),
    Disguise("fastgpt", "HTTP 500 with a code", "status", "chatIsGenerating", _API.RateLimitError, retryable=True),
    Disguise("fastgpt", "HTTP 500 with words alone", "status", "app", _API.NotFoundError),
    Disguise("fastgpt", "HTTP 500 with words alone", "status", "error", _API.InternalServerError),
    Disguise(
        "fastgpt", "HTTP 500 with a model vendor's status in its words", "status", "upstream", _API.AuthenticationError
    ),
    Disguise("fastgpt", "HTTP 200 with a code", "in_200", "unAuthModel", _API.PermissionDeniedError, stream=False),
    Disguise("fastgpt", "an event `error`", "in_stream", "messages", _API.BadRequestError, stream=True, has_begun=True),
    Disguise("fastgpt", "an empty answer with an `error` beside it", "failed_node", "server", _API.InternalServerError),
    Disguise("bailian_app", "HTTP 400 with a code", "status", "Arrearage", _API.InsufficientBalanceError),
    Disguise("bailian_app", "HTTP 200 with a code", "in_200", "DataInspectionFailed", _API.ContentPolicyViolationError),
    Disguise(
        "bailian_app",
        "an event `error` with a status of its own",
        "in_stream",
        "Throttling.RateQuota",
        _API.RateLimitError,
        stream=True,
        retryable=True,
        has_begun=True,
    ),
    Disguise("appbuilder", "HTTP 4xx with a code", "status", "invalid_iam_token", _API.AuthenticationError),
    Disguise("appbuilder", "HTTP 200 with a code", "in_200", "account_overdue", _API.InsufficientBalanceError),
    Disguise(
        "appbuilder",
        "an `event_code` in the content of a piece",
        "in_stream",
        "rate_limit",
        _API.RateLimitError,
        stream=True,
        retryable=True,
        has_begun=True,
    ),
    Disguise("ragflow", "HTTP 200 with a code", "in_200", "109", _API.AuthenticationError),
    Disguise("ragflow", "HTTP 200 with a code", "in_200", "102", _API.BadRequestError),
    Disguise("ragflow", "HTTP 200 with a code", "in_200", "108", _API.PermissionDeniedError),
    Disguise(
        "ragflow",
        "an event with a code",
        "in_stream",
        "100",
        _API.InternalServerError,
        stream=True,
        retryable=True,
        has_begun=True,
    ),
    Disguise("adp", "HTTP 200, an event `error` first", "in_200", "4505004", _API.AuthenticationError),
    Disguise("adp", "HTTP 200, an event `error` first", "in_200", "460032", _API.InsufficientBalanceError),
    Disguise("adp", "HTTP 200, an event `error` first", "in_200", "460031", _API.RateLimitError, retryable=True),
    Disguise("adp", "an event `error`", "in_stream", "460502", _API.ContentPolicyViolationError, has_begun=True),
    Disguise("adp", "an event `error`", "in_stream", "460101", _API.InternalServerError, has_begun=True),
    Disguise("zhipu_app", "HTTP 4xx with a code", "status", "1000", _API.AuthenticationError),
    Disguise("zhipu_app", "HTTP 4xx with a code", "status", "1113", _API.InsufficientBalanceError),
    Disguise("zhipu_app", "HTTP 200 with an `error`", "in_200", "1301", _API.ContentPolicyViolationError),
    Disguise(
        "zhipu_app",
        "HTTP 200 with an `error_msg`",
        "in_200",
        "1302",
        _API.RateLimitError,
        variant="app",
        retryable=True,
    ),
    Disguise(
        "zhipu_app",
        "an event with an `error_msg`",
        "in_stream",
        "1261",
        _API.ContextWindowExceededError,
        variant="app",
        stream=True,
        has_begun=True,
    ),
    Disguise(
        "zhipu_app", "a job whose status is failed", "in_200", "1305", _API.ServiceUnavailableError, variant="job"
    ),
    Disguise("coze", "HTTP 4xx with a code", "status", "4100", _API.AuthenticationError),
    Disguise("coze", "HTTP 4xx with a code", "status", "4016", _API.RateLimitError, retryable=True),
    Disguise("coze", "HTTP 200 with a code", "in_200", "4200", _API.NotFoundError),
    Disguise(
        "coze",
        "an event `error`",
        "in_stream",
        "4013",
        _API.RateLimitError,
        stream=True,
        retryable=True,
        has_begun=True,
    ),
    Disguise(
        "coze",
        "`conversation.chat.failed` with a `last_error`",
        "failed_event",
        "4028",
        _API.InsufficientBalanceError,
        stream=True,
        has_begun=True,
    ),
    Disguise(
        "coze",
        "`conversation.chat.failed` with a bare code",
        "failed_bare",
        "4014",
        _API.ContentPolicyViolationError,
        variant="chatflow",
        has_begun=True,
    ),
    Disguise("coze", "status failed when it is polled", "failed_poll", "5000", _API.InternalServerError, stream=False),
)


@pytest.fixture(scope="module")
def vendors() -> Iterator[VendorServer]:
    """One server for all of them."""
    with VendorServer() as server:
        yield server


def _cells() -> list[Any]:
    found = []
    for number, row in enumerate(DISGUISES):
        for stream in (False, True) if row.stream is None else (row.stream,):
            name = f"{number}-{row.provider}-{row.place}-{row.error}-{'stream' if stream else 'whole'}"
            found.append(pytest.param(row, stream, id=name.replace(" ", "_")))
    return found


def _variant(row: Disguise) -> Variant:
    return next(one for one in VARIANTS if one.provider == row.provider and row.variant in ("", one.name))


def arguments(server: VendorServer, row: Disguise, stream: bool) -> Mapping[str, Any]:
    variant = _variant(row)
    given = {**server.arguments(row.provider), "base_url": server.url(row.provider), **variant.call}
    given["model"] = server.vendor(row.provider).examples["chat"]
    messages = [{"role": "user", "content": "你好"}]
    return {**given, **variant.given(server), "messages": messages, "stream": stream, "max_retries": 0}


@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize(("row", "stream"), _cells())
def test_a_disguise_ends_in_its_class(row: Disguise, stream: bool, ask: Ask, vendors: VendorServer) -> None:
    vendors.clear()
    vendors.fault(row.error, vendor=row.provider, place=row.place, text=_SIX)

    outcome = ask(dict(arguments(vendors, row, stream)))

    error = outcome.error
    assert type(error) is row.cls, repr(error)
    assert isinstance(error, exceptions.APIError)
    assert error.retryable is row.retryable
    assert error.provider == row.provider
    if row.has_begun:
        assert error.partial is not None
        said = error.partial.choices[0].message.content
        assert said
        assert _SIX.startswith(said)


@pytest.mark.parametrize("page", ["agents.md", "agents.zh-CN.md"])
def test_the_table_of_the_docs_is_this_one(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    rows = {f"| {row.provider} | {row.says} | `{row.error}` | `{row.cls.__name__}` |" for row in DISGUISES}
    found = {line for line in text.splitlines() if line.startswith("| ") and line.count("|") == 5 and "`" in line}

    assert {_untranslated(line) for line in found} == {_untranslated(line) for line in rows}


def _untranslated(line: str) -> tuple[str, ...]:
    """Platform, code and class; how it looks is told in the language of the page."""
    provider, _, error, cls = (cell.strip() for cell in line.strip("|").split("|"))
    return provider, error, cls
