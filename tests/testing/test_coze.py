"""Coze's flows over several requests: create, poll, list; the disguises of a failure; tools; files; conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tables.coze import BOT

from unionllm.testing import VendorServer

_ASK = [{"role": "user", "content": "你好", "content_type": "text"}]


class Client:
    """Coze's API without an SDK."""

    def __init__(self, server: VendorServer) -> None:
        headers = {"Authorization": f"Bearer {server.credentials('coze')['api_key']}"}
        self.http = httpx.Client(base_url=server.url("coze"), headers=headers, timeout=10)

    def create(self, conversation: str = "", **changes: Any) -> httpx.Response:
        """Start a chat."""
        order = {"bot_id": BOT, "user_id": "u1", "additional_messages": _ASK, "stream": False, **changes}
        return self.http.post("/v3/chat", json=order, params={"conversation_id": conversation} if conversation else {})

    def read(self, path: str, chat: dict[str, Any]) -> dict[str, Any]:
        """Ask for the chat, or for its messages."""
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        found: dict[str, Any] = self.http.get(path, params=query).json()
        return found


@pytest.fixture
def client(vendor_server: VendorServer) -> Iterator[Client]:
    found = Client(vendor_server)
    yield found
    found.http.close()


def kinds(response: httpx.Response) -> list[str]:
    return [line[6:] for line in response.text.splitlines() if line.startswith("event:")]


def test_a_chat_is_created_polled_and_listed(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="你好呀", suggestions=["然后呢？"], polls=2, steps=[{"name": "search", "result": "晴"}])

    chat = client.create().json()["data"]
    seen = [client.read("/v3/chat/retrieve", chat)["data"]["status"] for _ in range(4)]

    assert seen == ["in_progress", "in_progress", "completed", "completed"]
    messages = client.read("/v3/chat/message/list", chat)["data"]
    assert [message["type"] for message in messages] == [
        "function_call",
        "tool_response",
        "verbose",
        "answer",
        "follow_up",
    ]
    assert messages[3]["content"] == "你好呀"


def test_two_chats_at_once_in_one_conversation_are_refused(client: Client) -> None:
    first = client.create().json()["data"]

    assert client.create(first["conversation_id"]).json()["code"] == 4016
    assert client.read("/v3/chat/retrieve", first)["data"]["status"] == "completed"
    second = client.create(first["conversation_id"]).json()["data"]
    assert second["conversation_id"] == first["conversation_id"]
    assert second["id"] != first["id"]


def test_a_conversation_that_is_not_known_becomes_a_new_one(client: Client) -> None:
    assert client.create("7500").json()["data"]["conversation_id"] != "7500"


def test_failures_come_in_five_disguises(client: Client, vendor_server: VendorServer) -> None:
    def fault(place: str, **more: Any) -> None:
        vendor_server.fault("no_balance", vendor="coze", place=place, **more)

    fault("status")
    assert (response := client.create()).status_code == 402
    assert response.headers["x-tt-logid"] == response.json()["detail"]["logid"]
    fault("in_200")
    assert (client.create().status_code, client.create().json()["code"]) == (200, 0)
    fault("in_stream", after=2)
    assert kinds(client.create(stream=True))[-1] == "error"
    fault("failed_event", text="一二三四五六")
    events = client.create(stream=True)
    assert kinds(events)[-2:] == ["conversation.chat.failed", "done"]
    assert '"last_error":{"code":4028' in events.text
    assert "一二三" in events.text
    fault("failed_bare")
    assert 'data:{"code":4028,"msg":"The free quota has been used up"}' in client.create(stream=True).text
    fault("failed_poll")
    chat = client.create().json()["data"]
    polled = client.read("/v3/chat/retrieve", chat)["data"]
    assert (polled["status"], polled["last_error"]["code"]) == ("failed", 4028)
    assert "data" not in client.read("/v3/chat/message/list", chat)


def test_results_of_tools_are_asked_for_and_handed_in(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(tool_calls=[{"name": "f", "arguments": {"a": 1}, "id": "c1"}])
    vendor_server.reply(text="好")
    chat = client.create().json()["data"]
    waiting = client.read("/v3/chat/retrieve", chat)["data"]
    assert waiting["status"] == "requires_action"
    [call] = waiting["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a": 1}'}

    query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    for ids, code in (("c2", 4000), (7, 4000), ("c1", 0)):
        outputs = {"tool_outputs": [{"tool_call_id": ids, "output": "1"}], "stream": False}
        done = client.http.post("/v3/chat/submit_tool_outputs", params=query, json=outputs)
        assert done.json()["code"] == code

    assert client.read("/v3/chat/retrieve", chat)["data"]["status"] == "completed"
    assert client.read("/v3/chat/message/list", chat)["data"][1]["content"] == "好"


def test_a_run_can_fail_after_its_tools(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="让我看看", tool_calls=[{"name": "f", "id": "c1"}])
    vendor_server.fault("server", vendor="coze", place="failed_poll", polls=1)
    started = client.create(stream=True)
    assert kinds(started)[-3:] == ["conversation.message.delta", "conversation.chat.requires_action", "done"]
    chat = json.loads(started.text.split("requires_action\ndata:")[1].split("\n")[0])

    query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    outputs = {"tool_outputs": [{"tool_call_id": "c1", "output": "1"}]}
    client.http.post("/v3/chat/submit_tool_outputs", params=query, json=outputs)

    assert [client.read("/v3/chat/retrieve", chat)["data"]["status"] for _ in range(2)] == ["in_progress", "failed"]


def test_a_form_that_is_none_is_refused(client: Client) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        broken = client.http.post("/v1/files/upload", content=b"junk", headers={"Content-Type": content_type})
        assert (broken.status_code, broken.json()["code"]) == (400, 4000)


def test_a_running_chat_can_be_cancelled_once(client: Client) -> None:
    chat = client.create().json()["data"]
    order = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}

    assert client.http.post("/v3/chat/cancel", json=order).json()["data"]["status"] == "canceled"
    assert client.http.post("/v3/chat/cancel", json=order).json()["code"] == 4104


def test_an_uploaded_file_can_be_named(client: Client) -> None:
    stored = client.http.post("/v1/files/upload", files={"file": ("a.png", b"123", "image/png")}).json()["data"]
    assert (stored["bytes"], stored["file_name"]) == (3, "a.png")

    items = [{"type": "text", "text": "看"}, {"type": "image", "file_id": stored["id"]}]
    message = {"role": "user", "content_type": "object_string", "content": json.dumps(items)}
    assert client.create(additional_messages=[message]).json()["code"] == 0


@pytest.mark.parametrize(
    ("shape", "kind", "part"),
    [
        ("verbose", "verbose", "knowledge_recall"),
        ("knowledge", "knowledge", "chunks"),
        ("text", "knowledge", "slice 1:"),
    ],
)
def test_what_was_recalled_has_three_shapes(
    shape: str, kind: str, part: str, client: Client, vendor_server: VendorServer
) -> None:
    vendor_server.reply(text="好", context=["一段"], recall=shape)
    chat = client.create().json()["data"]
    client.read("/v3/chat/retrieve", chat)

    message = client.read("/v3/chat/message/list", chat)["data"][0]

    assert message["type"] == kind
    assert part in message["content"]
    assert "一段" in message["content"]


def test_a_chatflow_ends_without_telling_so(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好")

    response = client.http.post(
        "/v1/workflows/chat", json={"workflow_id": "w1", "bot_id": BOT, "additional_messages": _ASK}
    )

    assert kinds(response)[-2:] == ["conversation.message.completed", "done"]
    assert "debug_url" in response.text
    assert "conversation.chat.completed" not in response.text
