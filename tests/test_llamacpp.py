"""The engine of the provider ``local``: real llama.cpp servers with the real default model, nothing patched."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from llamacpp_bench import HELLO, MODEL, ask, connect

from unionllm._llamacpp import DEFAULT_MODEL, LocalServer, _parameters, close_all, serve
from unionllm.exceptions import BadRequestError, NotFoundError


@pytest.fixture(scope="module", autouse=True)
def _no_server_is_left() -> Iterator[None]:
    yield
    close_all()


def test_the_default_model_answers() -> None:
    server = serve(None)

    status, answer = ask(server, "POST", "/v1/chat/completions", HELLO)

    assert status == 200
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] <= 8
    # The name, not the path: a path tells the user's name to whoever reads the answer.
    assert answer["model"] == DEFAULT_MODEL


def test_the_server_listens_on_loopback_only_under_v1() -> None:
    url = urlsplit(serve(None).base_url)

    assert (url.scheme, url.hostname, url.path) == ("http", "127.0.0.1", "/v1")


def test_a_caller_without_the_key_is_refused() -> None:
    server = serve(None)

    status, answer = ask(server, "POST", "/v1/chat/completions", HELLO, key="guess")

    assert status == 401
    assert answer["error"]["type"] == "authentication_error"


def test_the_key_is_not_shown() -> None:
    server = serve(None)

    assert len(server.api_key) >= 32
    assert server.api_key not in repr(server)


@pytest.mark.parametrize("name", ["", "default", "local", "smollm2", "SmolLM2-135M-Instruct", "SMOLLM2"])
def test_every_name_of_the_default_model_means_the_same_server(name: str) -> None:
    assert serve(name) == serve(None)


def test_one_file_has_one_server_under_all_its_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").symlink_to(str(MODEL))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert serve("~/mine.gguf") == serve(str(MODEL)) == serve(None)


def test_many_threads_start_one_server() -> None:
    close_all()
    barrier = threading.Barrier(32)

    def meet_and_serve(_: int) -> LocalServer:
        barrier.wait()
        return serve(None)

    with ThreadPoolExecutor(32) as pool:
        servers = set(pool.map(meet_and_serve, range(32)))

    assert len(servers) == 1
    assert ask(servers.pop(), "GET", "/health")[0] == 200


def test_closed_servers_are_gone_and_started_anew() -> None:
    old = serve(None)
    close_all()

    with pytest.raises(ConnectionRefusedError):
        ask(old, "GET", "/health")
    new = serve(None)

    assert new != old
    assert ask(new, "POST", "/v1/chat/completions", HELLO)[0] == 200


def test_room_for_a_chat_and_an_end_to_rambling() -> None:
    """llama.cpp's own defaults: the model's full context in memory, and answers without an end."""
    _, props = ask(serve(None), "GET", "/props")

    assert props["default_generation_settings"]["n_ctx"] == 4096
    assert props["total_slots"] == 4
    settings = _parameters(importlib.import_module("xllamacpp"), Path(str(MODEL)), DEFAULT_MODEL, "k")
    assert settings.n_predict == 1024


def test_calls_that_wait_for_their_turn_do_not_lock_out_others() -> None:
    """With llama.cpp's own number of threads (8), eight long calls leave nobody to answer a ninth."""
    server = serve(None)
    long = {**HELLO, "max_tokens": 2000, "ignore_eos": True, "stream": True}
    waiting = [connect(server) for _ in range(12)]
    try:
        for connection in waiting:
            headers = {"Authorization": f"Bearer {server.api_key}"}
            connection.request("POST", "/v1/chat/completions", json.dumps(long), headers)
        time.sleep(0.2)  # until all twelve have been taken in; sooner would prove nothing

        started = time.monotonic()
        status, _ = ask(server, "GET", "/health")

        assert status == 200
        assert time.monotonic() - started < 60
    finally:
        for connection in waiting:
            connection.close()


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotFoundError) as caught:
        serve("no/such.gguf")

    assert "'no/such.gguf'" in str(caught.value)
    assert str(tmp_path / "no" / "such.gguf") in str(caught.value)
    assert DEFAULT_MODEL in str(caught.value)
    assert (caught.value.provider, caught.value.model) == ("local", "no/such.gguf")


@pytest.mark.parametrize("name", ["~nobody-is-called-that/x.gguf", "gpt-4o", "a\0b"])
def test_a_name_that_is_no_path_is_a_missing_file(name: str) -> None:
    with pytest.raises(NotFoundError):
        serve(name)


def test_a_directory_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        serve(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip file"])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    with pytest.raises(BadRequestError, match="is not a GGUF file") as caught:
        serve(str(path))

    assert (caught.value.provider, caught.value.model) == ("local", str(path))


@pytest.mark.parametrize("kept", [4, 1000, 1_000_000, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    """In the first field, the metadata, the vocabulary, and by the last byte alone."""
    path = tmp_path / "model.gguf"
    path.write_bytes(Path(str(MODEL)).read_bytes()[:kept])

    with pytest.raises(BadRequestError, match="cannot load") as caught:
        serve(str(path))

    assert "cut short" in str(caught.value)
    assert ask(serve(None), "POST", "/v1/chat/completions", HELLO)[0] == 200
