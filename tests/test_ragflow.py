"""RAGFlow: who is asked, at which path; what was retrieved; refusals that come with status 200."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from unionllm import aunionchat, exceptions, unionchat
from unionllm.providers.ragflow import adapter
from unionllm.testing import VendorServer
from unionllm.testing.vendors.ragflow import AGENT_ID, CHAT_ID, Played

ASK = [{"role": "user", "content": "你好"}]
PASSAGES = [
    {"content": "一", "id": "c1", "score": 0.9, "title": "a.md"},
    {"content": "二", "id": "c2", "score": 0.5, "url": "https://e.com"},
]


def ask_sync(args: dict[str, Any]) -> Any:
    """The answer, or the chunks of a stream."""
    got = unionchat(**args)
    return list(got) if args.get("stream") else got


def ask_async(args: dict[str, Any]) -> Any:
    """The same in an event loop."""

    async def run() -> Any:
        got: Any = await aunionchat(**args)
        return [chunk async for chunk in got] if args.get("stream") else got

    return asyncio.run(run())


Ask = Callable[[dict[str, Any]], Any]


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Makes the call."""
    made: Ask = request.param
    return made


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Servers are remembered by their address."""
    adapter._old.clear()
    yield
    adapter._old.clear()


def call(server: VendorServer, **changes: Any) -> dict[str, Any]:
    """A call of the chat assistant."""
    return {**server.arguments("ragflow"), "chat_id": CHAT_ID, "messages": ASK, "max_retries": 0, **changes}


def paths(server: VendorServer) -> list[str]:
    """Which path each request went to."""
    return [request.path.split("/")[3] for request in server.requests]


def test_what_was_retrieved_stands_in_the_answer_and_in_the_last_chunk(vendor_server: VendorServer, ask: Ask) -> None:
    for stream in (False, True):
        vendor_server.reply(text="答 [ID:0]", context=PASSAGES)
        got = ask(call(vendor_server, stream=stream))
        last = got[-1] if stream else got

        assert [(one.id, one.content, one.score, one.position) for one in last.context] == [
            ("c1", "一", 0.9, 0),
            ("c2", "二", 0.5, 1),
        ]
        assert last.context[0].document_name == "a.md"
        assert (last.context[1].url, last.context[1].vector_similarity) == ("https://e.com", 0.5)
        assert not stream or all(chunk.context is None for chunk in got[:-1])


def test_nothing_found_is_an_empty_list_and_nothing_asked_is_none(vendor_server: VendorServer, ask: Ask) -> None:
    assert ask(call(vendor_server)).context == []
    assert ask(call(vendor_server, stream=True))[-1].context == []
    assert ask(call(vendor_server, reference=False)).context is None
    assert ask(call(vendor_server, reference=False, stream=True))[-1].context is None


def test_an_older_server_is_noticed_once_and_remembered(vendor_server: VendorServer, ask: Ask) -> None:
    vendor = vendor_server.vendor("ragflow")
    assert isinstance(vendor, Played)
    vendor.is_old = True

    ask(call(vendor_server))
    ask(call(vendor_server, stream=True))

    assert paths(vendor_server) == ["openai", "chats_openai", "chats_openai"]


def test_an_older_server_is_noticed_by_a_stream_too(vendor_server: VendorServer, ask: Ask) -> None:
    vendor = vendor_server.vendor("ragflow")
    assert isinstance(vendor, Played)
    vendor.is_old = True

    chunks = ask(call(vendor_server, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "收到：你好"
    assert paths(vendor_server) == ["openai", "chats_openai"]


def test_a_server_that_has_neither_path_is_not_remembered(vendor_server: VendorServer, ask: Ask) -> None:
    for _ in range(2):
        with pytest.raises(exceptions.NotFoundError):
            ask(call(vendor_server, base_url=f"{vendor_server.url('ragflow')}/elsewhere"))

    assert len(vendor_server.requests) == 4


def test_an_agent_has_its_own_path_and_a_session(vendor_server: VendorServer, ask: Ask) -> None:
    for stream in (False, True):
        asked = call(vendor_server, chat_id=None, agent_id=AGENT_ID, conversation_id="s1", stream=stream)
        got = ask(asked)
        assert (got[-1] if stream else got).conversation_id == "s1"

    assert paths(vendor_server) == ["agents_openai"] * 2
    assert vendor_server.requests[0].json["session_id"] == "s1"


@pytest.mark.parametrize(
    ("kind", "number"), [("openai", CHAT_ID), ("chats_openai", CHAT_ID), ("agents_openai", AGENT_ID)]
)
def test_the_address_of_an_assistant_does_for_a_base_url(
    vendor_server: VendorServer, ask: Ask, kind: str, number: str
) -> None:
    base_url = f"{vendor_server.url('ragflow')}/api/v1/{kind}/{number}"

    answer = ask(call(vendor_server, chat_id=None, base_url=base_url))

    assert answer.choices[0].message.content == "收到：你好"


def test_the_base_url_may_end_in_the_version(vendor_server: VendorServer, ask: Ask) -> None:
    assert ask(call(vendor_server, base_url=f"{vendor_server.url('ragflow')}/api/v1")).choices


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"base_url": None}, "RAGFLOW_BASE_URL"), ({"chat_id": None}, "chat_id="), ({"chat_id": ""}, "chat_id=")],
)
def test_what_is_missing_is_said_before_anything_is_sent(
    vendor_server: VendorServer, ask: Ask, changes: dict[str, Any], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAGFLOW_BASE_URL", "RAGFLOW_API_BASE"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(exceptions.BadRequestError, match=word):
        ask(call(vendor_server, **changes))

    assert vendor_server.requests == []


def test_the_callers_messages_stay_as_they_are(vendor_server: VendorServer, ask: Ask) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "你好"}]}]
    kept = copy.deepcopy(messages)

    answer = ask(call(vendor_server, messages=messages, response_format={"type": "json_object"}, temperature=1))

    assert messages == kept
    assert vendor_server.requests[0].json["messages"][0]["content"].startswith("你好\n")
    assert {change.parameter for change in answer.adaptations} == {"response_format", "temperature"}


#: How a failure is dressed up: its name, the fault that plays it, its class, whether it comes in a stream.
ROWS = [
    ("bad key in a 200", {"name": "109"}, exceptions.AuthenticationError, False),
    ("bad key in a 200 in place of a stream", {"name": "109"}, exceptions.AuthenticationError, True),
    ("somebody else's assistant in a 200", {"name": "102"}, exceptions.BadRequestError, False),
    ("no permission in a 200", {"name": "108"}, exceptions.PermissionDeniedError, True),
    (
        "an exception in mid-stream",
        {"name": "100", "place": "in_stream", "text": "一二三四五六"},
        exceptions.InternalServerError,
        True,
    ),
    ("a stream that is cut", {"name": "cut", "text": "一二三四五六"}, exceptions.StreamInterruptedError, True),
    ("a proxy's page", {"name": "html"}, exceptions.ServiceUnavailableError, False),
]


@pytest.mark.parametrize(("name", "fault", "cls", "stream"), ROWS, ids=[row[0] for row in ROWS])
def test_a_disguised_failure_has_its_class(
    name: str, fault: dict[str, Any], cls: type[Exception], stream: bool, vendor_server: VendorServer, ask: Ask
) -> None:
    vendor_server.fault(**fault)

    with pytest.raises(cls):
        ask(call(vendor_server, stream=stream))
