"""Nothing in a message makes the library open a file or fetch an address, unless the caller asked for it by name."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from replies import KEY, answer, arguments
from server import Recorded, Reply, ScriptedServer

from unionllm import APIResponseError, BadRequestError, unionchat
from unionllm._protocols.openai_media import may_fetch

TESTS = Path(__file__).resolve().parent


def vendor(request: Recorded) -> Reply:
    """Takes every upload, and refuses every chat."""
    if "upload" in request.path:
        return Reply(json={"code": 0, "id": "f1", "data": {"id": "f1", "file_id": "f1"}})
    return Reply(json={"error": {"message": "no"}}, status=401)


def test_no_message_to_any_provider_opens_a_file_or_another_address(server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "private.txt"
    file.write_text("private")
    server.default(vendor)
    with ScriptedServer() as bait:
        bait.default(body="bait")
        places = [place.url.removeprefix("http://") for place in (server, bait)]
        program = [sys.executable, str(TESTS / "reaching.py"), *places, str(file)]
        environ = {**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "no_proxy": "*"}
        done = subprocess.run(program, capture_output=True, text=True, env=environ, check=False)

        assert bait.connections == 0
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["touched"] == []
    assert told["calls"] > 30 * 200
    # What was sent on is what the caller said, and never what a file holds.
    assert server.requests
    assert [request.path for request in server.requests if b"private\n" in request.body] == []


# Asked for by name.


def seen(server: ScriptedServer, url: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]
    messages = [{"role": "user", "content": content}]
    return arguments(server, provider="moonshot", model="kimi-k3", messages=messages, **more)


@pytest.fixture
def web() -> Any:
    """A server of images, which is not the vendor."""
    with ScriptedServer() as running:
        running.default(body=b"image", content_type="image/png; charset=x")
        yield running


@pytest.mark.parametrize("allowed", [True, ["127.0.0.1"], ("CDN.example.com", " 127.0.0.1 ")])
def test_media_asked_for_by_name_are_fetched_without_the_key(server: ScriptedServer, web: Any, allowed: Any) -> None:
    server.reply(json=answer())

    unionchat(**seen(server, f"{web.url}/i.png?signature=s", fetch_media=allowed, extra_headers={"x-mine": "1"}))

    [request] = web.requests
    assert (request.method, request.query, request.body) == ("GET", {"signature": "s"}, b"")
    assert {"authorization", "x-mine"} & set(request.headers) == set()
    part = server.requests[0].json["messages"][0]["content"][0]
    assert part["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(b'image').decode()}"


@pytest.mark.parametrize("allowed", [["cdn.example.com"], [], False, None])
def test_media_of_other_hosts_are_not_fetched(server: ScriptedServer, web: Any, allowed: Any) -> None:
    with pytest.raises(BadRequestError, match="fetch_media"):
        unionchat(**seen(server, f"{web.url}/i.png", fetch_media=allowed))

    assert (web.connections, server.connections) == (0, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_media_is_not_followed(server: ScriptedServer, web: Any, status: int) -> None:
    """It would lead past the list of hosts."""
    web.default(status=status, headers={"location": f"{web.url}/elsewhere"}, body="")

    with pytest.raises(BadRequestError, match=f"could not be fetched .HTTP {status}.") as caught:
        unionchat(**seen(server, web.url.replace("//", "//user:planted-password@") + "/i.png?s=1", fetch_media=True))

    assert "planted-password" not in str(caught.value)
    assert [request.path for request in web.requests] == ["/i.png"]
    assert server.connections == 0


def test_media_larger_than_a_body_may_be_are_given_up(server: ScriptedServer, web: Any) -> None:
    web.default(chunks=[b"x" * 600, b"x" * 600])

    with pytest.raises(APIResponseError, match="bytes"):
        unionchat(**seen(server, f"{web.url}/i.png", fetch_media=True), max_response_bytes=1000)

    assert server.connections == 0


@pytest.mark.parametrize("given", ["yes", 1.5, {"a": 1}, [1], object()])
def test_what_is_neither_yes_nor_hosts_is_refused(server: ScriptedServer, given: Any) -> None:
    with pytest.raises(BadRequestError, match="fetch_media="):
        unionchat(**seen(server, "http://127.0.0.1/i.png", fetch_media=given))


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.com@127.0.0.1/i.png",
        "http://127.0.0.1\\@cdn.example.com/i.png",
        "http://cdn.example.com\\.127.0.0.1/i.png",
        "http://cdn.example.com:80@127.0.0.1/",
        "http://[::1]/",
        "http://cdn.example.com.evil.example/",
        "http://127.0.0.1/#@cdn.example.com",
        "http://127.0.0.1/?http://cdn.example.com/",
        "file://cdn.example.com/etc/hostname",
        "ftp://cdn.example.com/x",
        "//cdn.example.com/x",
        " http://cdn.example.com/x",
        "http:/cdn.example.com/x",
        "http://cdn.example.com\n.evil.example/x",
    ],
)
def test_a_host_cannot_be_talked_into_the_list(url: str) -> None:
    assert not may_fetch(frozenset({"cdn.example.com"}), url)


@pytest.mark.parametrize(
    "url", ["https://cdn.example.com", "http://CDN.example.com:8080/a?b#c", "https://cdn.example.com/@x"]
)
def test_a_host_of_the_list_is_fetched_from(url: str) -> None:
    assert may_fetch(frozenset({"cdn.example.com"}), url)
    assert may_fetch(True, url)
    assert not may_fetch(False, url)


def test_a_path_in_place_of_media_is_refused_by_agents_with_what_to_do(server: ScriptedServer) -> None:
    content = [{"type": "image_url", "image_url": {"url": "/etc/hostname"}}]

    with pytest.raises(BadRequestError, match="path of a file is never opened"):
        unionchat(provider="dify", api_key=KEY, base_url=server.url, messages=[{"role": "user", "content": content}])
