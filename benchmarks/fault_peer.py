"""One client under eight faults: ``python benchmarks/fault_peer.py NAME URL …``, in an environment that has it.

The first URL is a server without a fault, to be warm; each of the others has one, and a line of JSON tells what the
client made of it. Default settings, but for ``timeout=2``. Run by ``peer_faults.py``; imports nothing but the client
that is named.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

ASK = [{"role": "user", "content": "hi"}]
KEY = "sk-test"
SECONDS = 2

#: What a stream came to: its finish reason, and its tokens.
Told = tuple[Any, Any]


def _of_chunks(stream: Any) -> Told:
    finish = usage = None
    for chunk in stream:
        for choice in chunk.choices or ():
            finish = choice.finish_reason or finish
        usage = getattr(chunk, "usage", None) or usage
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else getattr(usage, "total_tokens", None)
    return finish, tokens


def _openai() -> Callable[[str, bool], Told]:
    from openai import OpenAI

    def call(url: str, stream: bool) -> Told:
        client = OpenAI(base_url=url, api_key=KEY, timeout=SECONDS)
        got = client.chat.completions.create(model="m", messages=ASK, stream=stream)
        return _of_chunks(got) if stream else (got.choices[0].finish_reason, got.usage.total_tokens)

    return call


def _any_llm() -> Callable[[str, bool], Told]:
    from any_llm import completion

    def call(url: str, stream: bool) -> Told:
        given = {"api_key": KEY, "api_base": url, "client_args": {"timeout": SECONDS}}
        got = completion(model="m", provider="openai", messages=ASK, stream=stream, **given)
        return _of_chunks(got) if stream else (got.choices[0].finish_reason, got.usage.total_tokens)

    return call


def _aisuite() -> Callable[[str, bool], Told]:
    import aisuite

    def call(url: str, stream: bool) -> Told:
        client = aisuite.Client({"openai": {"api_key": KEY, "base_url": url, "timeout": SECONDS}})
        more = {"stream": True} if stream else {}
        got = client.chat.completions.create(model="openai:m", messages=ASK, **more)
        return _of_chunks(got) if stream else (got.choices[0].finish_reason, got.usage.total_tokens)

    return call


def _pydantic_ai() -> Callable[[str, bool], Told]:
    from pydantic_ai.direct import model_request_stream_sync, model_request_sync
    from pydantic_ai.messages import ModelRequest
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    def call(url: str, stream: bool) -> Told:
        model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key=KEY))
        asked = [ModelRequest.user_text_prompt("hi")]
        if not stream:
            got = model_request_sync(model, asked, model_settings={"timeout": SECONDS})
            return got.finish_reason, got.usage.total_tokens
        with model_request_stream_sync(model, asked, model_settings={"timeout": SECONDS}) as events:
            for _ in events:
                pass
            response = events.response
            said = f"{response.finish_reason} ({response.state})"
            return said, response.usage.total_tokens

    return call


def _langchain() -> Callable[[str, bool], Told]:
    from langchain_openai import ChatOpenAI

    def call(url: str, stream: bool) -> Told:
        model = ChatOpenAI(model="m", base_url=url, api_key=KEY, timeout=SECONDS)
        if not stream:
            got = model.invoke("hi")
            return got.response_metadata.get("finish_reason"), got.usage_metadata["total_tokens"]
        finish = usage = None
        for chunk in model.stream("hi"):
            finish = chunk.response_metadata.get("finish_reason") or finish
            usage = chunk.usage_metadata or usage
        return finish, usage and usage["total_tokens"]

    return call


def _litellm() -> Callable[[str, bool], Told]:
    import litellm

    def call(url: str, stream: bool) -> Told:
        given = {"api_key": KEY, "api_base": url, "timeout": SECONDS}
        got = litellm.completion(model="openai/m", messages=ASK, stream=stream, **given)
        return _of_chunks(got) if stream else (got.choices[0].finish_reason, got.usage.total_tokens)

    return call


def _unionllm(provider: str) -> Callable[[str, bool], Told]:
    from unionllm import unionchat

    def call(url: str, stream: bool) -> Told:
        given = {"api_key": KEY, "base_url": url, "timeout": SECONDS}
        got = unionchat(provider=provider, model="m", messages=ASK, stream=stream, **given)
        return _of_chunks(got) if stream else (got.choices[0].finish_reason, got.usage.total_tokens)

    return call


_CLIENTS: dict[str, Callable[[], Callable[[str, bool], Told]]] = {
    "ours": lambda: _unionllm("openai_compatible"),
    "openai": _openai,
    "any-llm-sdk": _any_llm,
    "aisuite": _aisuite,
    "pydantic-ai-slim": _pydantic_ai,
    "langchain-openai": _langchain,
    "litellm": _litellm,
    "unionllm-0.3.0": lambda: _unionllm("openai"),
}


def main(name: str, urls: list[str]) -> None:
    """Make the calls: three whole ones, then streams."""
    call = _CLIENTS[name]()
    for stream in (False, True):
        call(urls[0], stream)
    for number, url in enumerate(urls[1:]):
        told: dict[str, Any] = {}
        began = time.monotonic()
        try:
            told["finish"], told["tokens"] = call(url, number >= 3)
        except Exception as error:  # noqa: BLE001  # which one it is, is the question
            told["error"] = f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
        told["seconds"] = round(time.monotonic() - began, 1)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
