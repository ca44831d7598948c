"""The server itself: its life, its scripts, its log. What each vendor says is tested in files of their own."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest

from unionllm.testing import KINDS, OpenAILike, VendorServer
from unionllm.testing._checks import Integer
from unionllm.testing._openai import Model

PATH = "/chat/completions"
_DATE = datetime(2026, 11, 24, 3, 0, tzinfo=timezone.utc)
MESSAGES = [{"role": "user", "content": "你好"}]


def post(server: VendorServer, vendor: str = "zhipuai", **changes: Any) -> httpx.Response:
    """A plain call to a vendor, with a bare HTTP client."""
    body = {"model": "glm-4.6", "messages": MESSAGES, **changes}
    headers = {"Authorization": f"Bearer {server.credentials(vendor)['api_key']}"}
    return httpx.post(server.url(vendor) + PATH, json=body, headers=headers, timeout=10)


def text(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_the_default_answer_is_an_echo_and_the_same_every_time(vendor_server: VendorServer) -> None:
    first, second = post(vendor_server), post(vendor_server)

    assert text(first) == text(second) == "收到：你好"
    assert first.json()["usage"] == second.json()["usage"]


def test_a_forced_tool_is_called_with_arguments_that_fit_its_schema() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["c", "f"]},
            "tags": {"type": "array", "items": {"type": "boolean"}},
        },
    }
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    with VendorServer(vendors=[Acme]) as server:
        body = post(server, "acme", tools=[tool], tool_choice="required").json()

    call = body["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "weather"
    assert json.loads(call["arguments"]) == {"city": "例", "days": 1, "unit": "c", "tags": [True]}
    assert body["choices"][0]["finish_reason"] == "tool_calls"


def test_half_an_emoji_is_echoed_as_well_as_it_can_be(vendor_server: VendorServer) -> None:
    headers = {"Authorization": f"Bearer {vendor_server.credentials('zhipuai')['api_key']}"}
    body = b'{"model":"glm-4.6","messages":[{"role":"user","content":"a\\ud83d"}]}'

    response = httpx.post(
        vendor_server.url("zhipuai") + PATH, content=body, headers={**headers, "Content-Type": "application/json"}
    )

    assert text(response) == "收到：a?"


def test_a_fault_keeps_the_script_that_came_with_it(vendor_server: VendorServer) -> None:
    vendor_server.fault("slow", seconds=0, usage={"prompt": 5, "completion": 6})

    assert post(vendor_server).json()["usage"]["total_tokens"] == 11


def test_a_reply_holds_for_whichever_call_comes_next(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="一")
    vendor_server.reply(text="二", finish_reason="length", usage={"prompt": 9, "completion": 4, "cached": 3})
    assert vendor_server.waiting == 2

    first, second = post(vendor_server), post(vendor_server).json()

    assert (text(first), vendor_server.waiting) == ("一", 0)
    assert second["choices"][0]["finish_reason"] == "length"
    assert second["usage"]["prompt_tokens"] == 9
    assert second["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


def test_a_reply_for_one_vendor_waits_for_it() -> None:
    with VendorServer(vendors=[Acme]) as server:
        server.reply(vendor="acme", text="给 acme")
        server.reply(text="给任何人")

        assert text(post(server)) == "给任何人"
        assert text(post(server, "acme")) == "给 acme"


def test_a_request_that_is_refused_uses_up_no_reply(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="一")

    refused = post(vendor_server, temperature=7)
    answered = post(vendor_server)

    assert refused.status_code == 400
    assert text(answered) == "一"
    assert [request.status for request in vendor_server.requests] == [400, 200]
    assert ["temperature" in request.refused for request in vendor_server.refused] == [True]


def test_the_log_has_no_secrets_neither_right_nor_wrong_ones(vendor_server: VendorServer) -> None:
    key = vendor_server.credentials("zhipuai")["api_key"]
    post(vendor_server, user_id=f"user {key}")
    httpx.post(vendor_server.url("zhipuai") + PATH, json={}, headers={"Authorization": "Bearer not-right"})

    shown = repr(vendor_server.requests)
    assert len(vendor_server.requests) == 2
    assert key not in shown
    assert "not-right" not in shown
    assert vendor_server.requests[0].headers["authorization"] == "Bearer ***"
    assert vendor_server.requests[0].json["user_id"] == "user ***"


def test_a_log_entry_tells_what_was_sent(vendor_server: VendorServer) -> None:
    post(vendor_server, max_tokens=5)

    [request] = vendor_server.requests
    assert (request.vendor, request.method, request.path) == ("zhipuai", "POST", "/api/paas/v4/chat/completions")
    assert request.json == {"model": "glm-4.6", "messages": MESSAGES, "max_tokens": 5}
    vendor_server.clear()
    assert vendor_server.requests == []


@pytest.mark.parametrize("split", [1, 7, [3, 50]])
def test_any_split_of_the_bytes_says_the_same(split: Any) -> None:
    bodies = []
    # A clock that stands still: a reply tells the second it was created in.
    with VendorServer(clock=lambda: 1_795_400_000.0) as server:
        for chosen in (None, split):
            server.reply(text="一二三四五六", split=chosen)
            with httpx.stream("POST", **call(server, stream=True)) as response:
                pieces = list(response.iter_raw())
            bodies.append(b"".join(pieces).split(b"data: "))
    assert [event.replace(b"zhipuai-2", b"zhipuai-1") for event in bodies[1]] == bodies[0]


def call(server: VendorServer, **changes: Any) -> dict[str, Any]:
    key = server.credentials("zhipuai")["api_key"]
    return {
        "url": server.url("zhipuai") + PATH,
        "json": {"model": "glm-4.6", "messages": MESSAGES, **changes},
        "headers": {"Authorization": f"Bearer {key}"},
        "timeout": 10,
    }


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"retry_after": 3}, "retry-after", "3"),
        ({"retry_after": "soon"}, "retry-after", "soon"),
        ({"retry_after": _DATE}, "retry-after", "Tue, 24 Nov 2026 03:00:00 GMT"),
        ({"headers": {"retry-after-ms": "250"}}, "retry-after-ms", "250"),
    ],
)  # fmt: skip
def test_a_rate_limit_tells_when_to_come_back(
    vendor_server: VendorServer, given: dict[str, Any], name: str, value: str
) -> None:
    vendor_server.fault("rate_limit", **given)

    response = post(vendor_server)

    assert response.status_code == 429
    assert response.headers[name] == value


@pytest.mark.parametrize("after", [None, 0, 20])
def test_a_cut_ends_the_body_early(vendor_server: VendorServer, after: int | None) -> None:
    vendor_server.fault("cut", text="一二三", after=after)

    with pytest.raises(httpx.RemoteProtocolError):
        post(vendor_server)


@pytest.mark.parametrize(
    ("options", "error"), [({"after": -1}, httpx.RemoteProtocolError), ({"reset": True}, httpx.ReadError)]
)
def test_a_cut_can_come_before_the_head_or_as_a_reset(
    vendor_server: VendorServer, options: dict[str, Any], error: type[Exception]
) -> None:  # fmt: skip
    vendor_server.fault("cut", **options)

    with pytest.raises(error):
        post(vendor_server)


def test_a_stall_is_silent_after_what_was_sent(vendor_server: VendorServer) -> None:
    vendor_server.fault("stall", text=["一", "二", "三"], after=2)
    got = b""

    arguments = {**call(vendor_server, stream=True), "timeout": 0.3}
    with pytest.raises(httpx.ReadTimeout), httpx.stream("POST", **arguments) as response:  # noqa: PT012
        for piece in response.iter_raw():
            got += piece

    assert got.count(b"data: ") == 2


def test_a_slow_reply_comes_whole(vendor_server: VendorServer) -> None:
    vendor_server.fault("slow", seconds=0.05, text="一")

    assert text(post(vendor_server)) == "一"


def test_pages_and_broken_json(vendor_server: VendorServer) -> None:
    vendor_server.fault("html")
    vendor_server.fault("malformed")
    vendor_server.fault("empty")
    vendor_server.fault("content_type", content_type="text/weird")
    page, broken, empty, odd = (post(vendor_server) for _ in range(4))

    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert page.text.startswith("<html>")
    with pytest.raises(json.JSONDecodeError):
        broken.json()
    assert (broken.status_code, empty.status_code, empty.content) == (200, 200, b"")
    assert (odd.headers["content-type"], text(odd)) == ("text/weird", "收到：你好")


def test_a_broken_event_stands_among_whole_ones(vendor_server: VendorServer) -> None:
    vendor_server.fault("malformed", text="一二三四五六")

    events = httpx.post(**call(vendor_server, stream=True)).text.split("\n\n")

    good = [event for event in events if event.startswith("data: {") and event.endswith("}")]
    broken = [event for event in events if event.startswith("data: {") and not event.endswith("}")]
    assert (len(good) > 1, len(broken)) == (True, 1)


def test_an_error_stands_where_it_was_told_to(vendor_server: VendorServer) -> None:
    vendor_server.fault("policy", place="in_200")
    vendor_server.fault("policy", place="in_stream", text="一二三四五六", after=2)
    vendor_server.fault("policy", place="in_stream")
    inside, stream, whole = (
        post(vendor_server),
        httpx.post(**call(vendor_server, stream=True)),
        post(vendor_server),
    )

    assert (inside.status_code, inside.json()["error"]["code"]) == (200, "1301")
    assert stream.status_code == 200
    assert [("error" in event) for event in stream.text.strip().split("\n\n")] == [False, False, True]
    assert whole.status_code == 400
    assert vendor_server.refused == []


def test_an_error_can_have_another_status_and_text(vendor_server: VendorServer) -> None:
    vendor_server.fault("1302", status=503, message="慢一点", headers={"x-request-id": "r-1"})

    response = post(vendor_server)

    assert (response.status_code, response.json()["error"]) == (503, {"code": "1302", "message": "慢一点"})
    assert response.headers["x-request-id"] == "r-1"


def test_connections_are_refused_only_inside_the_block(vendor_server: VendorServer) -> None:
    with vendor_server.refusing(), pytest.raises(httpx.ConnectError):
        post(vendor_server)

    assert post(vendor_server).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda server: server.fault("no_such_error", vendor="zhipuai"), "It knows: auth"),
        (lambda server: server.fault("policy", vendor="zhipuai", place="nowhere"), "status, in_200, in_stream"),
        (lambda server: server.reply(vendor="nobody", text="一"), "no vendor 'nobody'. Known:"),
        (lambda server: server.reply(tool_calls=[{"function": {}}]), "'name'"),
        (lambda server: server.reply(text="一", split=0), "at least 1 byte"),
        (lambda server: VendorServer(credentials={"nobody": {}}), "unknown vendors: nobody"),
        (lambda server: server.url("nobody"), "no vendor 'nobody'"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused_at_once(vendor_server: VendorServer, wrong: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong(vendor_server)


def test_a_path_of_no_vendor_names_those_that_are_there(vendor_server: VendorServer) -> None:
    response = httpx.get(f"http://127.0.0.1:{vendor_server.port}/nobody/v1")

    assert response.status_code == 404
    assert "zhipuai" in response.json()["error"]


def test_it_runs_in_an_event_loop_too() -> None:
    async def ask() -> str:
        async with VendorServer() as server, httpx.AsyncClient() as client:
            server.reply(text="一")
            arguments = call(server)
            return text(await client.post(**arguments))

    assert asyncio.run(ask()) == "一"


def test_many_at_once_each_get_their_own_answer(vendor_server: VendorServer) -> None:
    answers = {f"答{number}" for number in range(24)}
    for answer in answers:
        vendor_server.reply(text=answer)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(text(post(vendor_server)))) for _ in answers]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(got) == answers
    assert len(vendor_server.requests) == len(answers)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_stopping_closes_connections_that_came_a_moment_before() -> None:
    """asyncio forgets those that it has accepted and not yet handed to the server that is closed."""
    for _ in range(20):
        server = VendorServer().start()
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        server.stop()
        for client in clients:
            client.close()
    del server
    gc.collect()  # pytest makes an error of what the collector finds open


def test_it_starts_once_stops_twice_and_frees_its_port() -> None:
    server = VendorServer().start()
    port = server.port
    with pytest.raises(RuntimeError, match="runs already"):
        server.start()
    server.stop()
    server.stop()

    with socket.create_server(("127.0.0.1", port)) as taken, pytest.raises(OSError, match="in use"):
        VendorServer(port=taken.getsockname()[1]).start()


def test_it_stops_though_its_port_was_taken_while_it_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    server = VendorServer().start()
    threads = threading.active_count()

    def fail(_: VendorServer) -> None:
        raise OSError("in use")

    monkeypatch.setattr(VendorServer, "_bind", fail)
    with pytest.raises(OSError, match="in use"), server.refusing():
        pass
    server.stop()

    assert threading.active_count() < threads


def test_credentials_can_be_given() -> None:
    with VendorServer(credentials={"zhipuai": {"api_key": "mine.secret"}}) as server:
        assert server.arguments("zhipuai") == {
            "provider": "zhipuai",
            "base_url": f"http://127.0.0.1:{server.port}/zhipuai/api/paas/v4",
            "api_key": "mine.secret",
        }
        assert post(server).status_code == 200


class Acme(OpenAILike):
    """A vendor of a user's own, played beside the others."""

    name = "acme"
    base = "/v1"
    test_credentials = {"api_key": "sk-acme"}
    models = (Model(pattern="glm-.*"),)
    fields = {"tools": type("Any", (), {"fault": lambda self, value: ""})(), "max_tokens": Integer(1, 9)}
    ignored = frozenset({"tool_choice"})


def test_a_vendor_without_a_code_for_an_error_says_so() -> None:
    with VendorServer(vendors=[Acme]) as server, pytest.raises(ValueError, match="acme has no error 'auth'"):
        server.fault("auth", vendor="acme")


def test_every_vendor_knows_how_it_refuses(vendor_server: VendorServer) -> None:
    for name in vendor_server.vendors:
        played = vendor_server.vendor(name)
        assert set(played.kinds) <= set(KINDS), name
        assert {"auth", "rate_limit", "bad_request", "server"} <= set(played.kinds), name
        assert set(played.kinds.values()) <= set(played.problems), name
