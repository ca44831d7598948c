"""FastGPT's corners: content as a list, tools, forms, plugins, and failures that are no errors of HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from unionllm.testing import VendorServer

_STEP = {"name": "search", "arguments": {"q": "天气"}, "result": "晴"}
_FORM = {"type": "userSelect", "params": {"description": "选", "userSelectOptions": [{"key": "a", "value": "A"}]}}


def ask(server: VendorServer, base: str = "/api/v1", **changes: Any) -> httpx.Response:
    """A call with everything told."""
    order = {"messages": [{"role": "user", "content": "你好"}], "detail": True, **changes}
    headers = {"Authorization": f"Bearer {server.credentials('fastgpt')['api_key']}-{'0' * 24}"}
    return httpx.post(server.url("fastgpt", base) + "/chat/completions", json=order, headers=headers, timeout=10)


@pytest.mark.parametrize(("base", "is_typed"), [("/api/v1", True), ("/api/v2", False)])
def test_content_of_several_kinds_is_a_list(base: str, is_typed: bool, vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", reasoning="想", steps=[_STEP], interactive=_FORM)

    items = ask(vendor_server, base).json()["choices"][0]["message"]["content"]

    kinds = [next(name for name in item if name != "type") for item in items]
    assert kinds == ["reasoning", "tools", "text", "interactive"]
    assert all(("type" in item) == is_typed for item in items)
    assert items[1]["tools"][0]["response"] == "晴"


def test_a_stream_tells_its_tools_piece_by_piece(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", steps=[_STEP], interactive=_FORM)

    text = ask(vendor_server, stream=True).text

    names = [line[7:] for line in text.split("\n") if line.startswith("event: ")]
    assert names[:4] == ["flowNodeStatus", "toolCall", "toolParams", "toolResponse"]
    assert "interactive" in names


def test_a_plugin_ends_in_its_output(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="", outputs={"n": 1})

    nodes = ask(vendor_server).json()["responseData"]

    assert nodes[-1]["pluginOutput"] == {"n": 1}


def test_a_node_that_fails_leaves_a_200_without_text(vendor_server: VendorServer) -> None:
    vendor_server.fault("server", vendor="fastgpt", place="failed_node", text="一二三", message="boom")

    response = ask(vendor_server)

    assert response.status_code == 200
    assert response.json()["error"] == {"message": "boom"}
    assert response.json()["choices"][0]["message"]["content"] == ""


def test_a_node_that_fails_in_a_stream_says_so_to_those_who_want_details(vendor_server: VendorServer) -> None:
    for _ in range(2):
        vendor_server.fault("server", vendor="fastgpt", place="failed_node", text="一二三", message="boom")

    told, untold = ask(vendor_server, stream=True).text, ask(vendor_server, stream=True, detail=False).text

    assert told.endswith('event: error\ndata: {"code":500,"statusText":"error","message":"boom","data":null}\n\n')
    assert "一" not in told + untold
    assert untold.endswith("data: [DONE]\n\n")


def test_a_form_alone_is_a_list_too(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="", interactive=_FORM)

    [item] = ask(vendor_server).json()["choices"][0]["message"]["content"]

    assert item["interactive"] == _FORM


def test_scores_were_numbers_once(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="好", context=[{"content": "一段", "score": 0.5}], scores="number")

    assert ask(vendor_server).json()["responseData"][0]["quoteList"][0]["score"] == 0.5


def test_an_error_of_a_stream_is_an_event(vendor_server: VendorServer) -> None:
    vendor_server.fault("rate_limit", vendor="fastgpt")
    vendor_server.fault("rate_limit", vendor="fastgpt", place="in_stream", text="一二三四五六")

    first, second = ask(vendor_server, stream=True), ask(vendor_server, stream=True)

    assert first.status_code == second.status_code == 200
    assert first.text.startswith('event: error\ndata: {"code":429,')
    assert second.text.endswith('"message":"Too many requests","data":null}\n\n')
