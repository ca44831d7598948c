"""Dify over several requests: conversations, files, suggestions; the order of events in each kind of app; failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from unionllm.testing import VendorServer
from unionllm.testing.vendors.dify import MODES, Played


class Client:
    """Dify's API without an SDK."""

    def __init__(self, server: VendorServer) -> None:
        self.vendor = server.vendor("dify")
        self.http = httpx.Client(base_url=server.url("dify"), timeout=10)

    def post(self, path: str, order: dict[str, Any] | None = None, mode: str = "chat", **more: Any) -> httpx.Response:
        """Ask the app of a mode."""
        assert isinstance(self.vendor, Played)
        headers = {"Authorization": f"Bearer {self.vendor.app_key(mode)}"}
        return self.http.post(path, json=order, headers=headers, **more)

    def chat(self, mode: str = "chat", **changes: Any) -> httpx.Response:
        """Ask a chat app, streamed unless told otherwise."""
        order = {"query": "你好", "inputs": {}, "user": "u1", "response_mode": "streaming", **changes}
        return self.post("/chat-messages", order, mode)


@pytest.fixture
def client(vendor_server: VendorServer) -> Iterator[Client]:
    found = Client(vendor_server)
    yield found
    found.http.close()


def events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]


def kinds(response: httpx.Response) -> list[str]:
    return [event["event"] for event in events(response)]


def test_a_conversation_belongs_to_its_user(client: Client) -> None:
    first = client.chat(response_mode="blocking").json()
    ids = {"conversation_id": first["conversation_id"], "response_mode": "blocking"}

    assert client.chat(**ids).json()["conversation_id"] == first["conversation_id"]
    refused = client.chat(**ids, user="u2")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_a_file_belongs_to_its_user(client: Client) -> None:
    upload = {"files": {"file": ("a.png", b"123", "image/png")}, "data": {"user": "u1"}}
    stored = client.post("/files/upload", **upload)
    assert (stored.status_code, stored.json()["mime_type"]) == (201, "image/png")
    file = {"type": "image", "transfer_method": "local_file", "upload_file_id": stored.json()["id"]}

    assert client.chat(files=[file]).status_code == 200
    assert client.chat(files=[file], user="u2").json()["code"] == "invalid_param"
    assert client.post("/files/upload", data={"user": "u1"}, files={"x": b"1"}).json()["code"] == "no_file_uploaded"


def test_suggestions_are_asked_for_by_message(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", suggestions=["然后呢？"])
    ids = [client.chat(response_mode="blocking").json()["message_id"] for _ in range(2)]
    assert isinstance(client.vendor, Played)
    headers = {"Authorization": f"Bearer {client.vendor.app_key('chat')}"}

    first, second = (
        client.http.get(f"/messages/{one}/suggested", params={"user": "u1"}, headers=headers) for one in ids
    )

    assert first.json()["data"] == ["然后呢？"]
    assert (second.status_code, second.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("chat", ["message", "message", "message_end"]),
        ("agent-chat", ["agent_thought", "agent_message", "agent_message", "message_end"]),
        ("agent", ["agent_message", "agent_message", "agent_thought", "message", "message_end"]),
        (
            "advanced-chat",
            [
                "workflow_started",
                "node_started",
                "node_finished",
                "reasoning_chunk",
                "message",
                "message",
                "message_end",
                "workflow_finished",
            ],
        ),
    ],
)
def test_each_kind_of_app_has_its_order_of_events(
    mode: str, expected: list[str], client: Client, vendor_server: VendorServer
) -> None:
    thinks = {"reasoning": ["想"]} if mode == "advanced-chat" else {}
    vendor_server.reply(text=["He", "llo"], steps=[{"name": "search", "result": "晴"}], **thinks)

    response = client.chat(mode)

    assert kinds(response) == expected
    assert "event: ping\n\n" in response.text
    assert "[DONE]" not in response.text


def test_a_workflow_streams_text_and_ends_with_its_outputs(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text=["Bo", "n"], outputs={"text": "Bon", "n": 1})

    order = {"inputs": {"t": "x"}, "user": "u1", "response_mode": "streaming"}
    said = events(client.post("/workflows/run", order, "workflow"))

    assert [event["data"]["text"] for event in said if event["event"] == "text_chunk"] == ["Bo", "n"]
    assert said[-1]["event"] == "workflow_finished"
    assert said[-1]["data"]["outputs"] == {"text": "Bon", "n": 1}


def test_a_flow_that_fails_says_so_twice_and_has_no_end(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="dify", place="failed_flow", text="一二三四五六")

    said = events(client.chat("advanced-chat"))

    assert [event["event"] for event in said][-3:] == ["message", "workflow_finished", "error"]
    assert said[-2]["data"]["status"] == "failed"
    assert (said[-1]["code"], said[-1]["status"]) == ("internal_server_error", 500)


def test_a_workflow_that_fails_does_so_in_a_200(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="dify", place="failed_flow", message="LLM failed")

    order = {"inputs": {}, "user": "u1", "response_mode": "blocking"}
    failed = client.post("/workflows/run", order, "workflow")

    assert failed.status_code == 200
    assert (failed.json()["data"]["status"], failed.json()["data"]["error"]) == ("failed", "LLM failed")


def test_an_error_in_a_stream_has_status_200(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.fault("no_balance", vendor="dify", place="in_stream", text="一二三四五六")

    response = client.chat()

    assert response.status_code == 200
    assert kinds(response) == ["message", "error"]
    assert events(response)[-1]["code"] == "provider_quota_exceeded"


def test_moderation_replaces_what_was_said(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text=["坏"], replace="不能说")

    said = events(client.chat())

    assert [event["event"] for event in said] == ["message", "message_replace", "message_end"]
    assert said[1]["answer"] == "不能说"


def test_thoughts_stand_in_tags_where_there_is_no_flow(client: Client, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="4", reasoning="2+2")

    assert client.chat(response_mode="blocking").json()["answer"] == "<think>\n2+2\n</think>\n4"


def test_every_mode_has_a_key_of_its_own(client: Client) -> None:
    assert isinstance(client.vendor, Played)
    assert len({client.vendor.app_key(mode) for mode in MODES}) == len(MODES)
    with pytest.raises(ValueError, match="agent-chat"):
        client.vendor.app_key("bot")
