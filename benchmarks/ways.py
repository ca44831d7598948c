"""The ways to the same answer: bare httpx, its known faster transport, ours, and the peers, each as its users call it.

This module loads none of them. A way is made in the process that calls it, in that client's own environment; ``url``
is the server's, without a path. Each keeps one client for all its calls where it has one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

MESSAGES = [{"role": "user", "content": "今天北京的天气怎么样？"}]
KEY = "sk-0123456789.abcdef"


class Way:
    """One client. Methods that a client has no way for raise NotImplementedError."""

    #: As it is called in tables.
    name: ClassVar[str]
    #: Its environment, one of those of scripts/peers.
    home: ClassVar[str]
    #: What a program begins with.
    entry: ClassVar[str]
    #: The shortest program that prints an answer, with ``URL`` and ``KEY`` to be put in.
    program: ClassVar[str]
    #: What it can be asked: "sync", "async".
    kinds: ClassVar[tuple[str, ...]] = ("sync", "async")

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1"

    def call(self) -> str:
        raise NotImplementedError

    def stream(self, model: str) -> Iterator[Any]:
        raise NotImplementedError

    async def acall(self) -> str:
        raise NotImplementedError

    def astream(self, model: str) -> AsyncIterator[Any]:
        raise NotImplementedError


class Httpx(Way):
    """The floor: httpx and ``json.loads``, without a limit on connections."""

    name, home, entry = "httpx", "httpx", "import httpx"
    program = (
        "import httpx, json\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "reply = httpx.post('URL/v1/chat/completions', json=asked, headers={'authorization': 'Bearer KEY'})\n"
        "print(json.loads(reply.content)['choices'][0]['message']['content'])"
    )

    def __init__(self, url: str) -> None:
        import httpx

        super().__init__(url)
        self.url += "/chat/completions"
        options: dict[str, Any] = {"headers": {"authorization": f"Bearer {KEY}"}, "timeout": 120}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = httpx.Client(**options)
        self.aclient = httpx.AsyncClient(**options, **self.transport(limits))

    def transport(self, limits: Any) -> dict[str, Any]:
        return {"limits": limits}

    def call(self) -> str:
        reply = self.client.post(self.url, json={"model": "m", "messages": MESSAGES})
        return str(json.loads(reply.content)["choices"][0]["message"]["content"])

    def stream(self, model: str) -> Iterator[Any]:
        asked = {"model": model, "messages": MESSAGES, "stream": True}
        with self.client.stream("POST", self.url, json=asked) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    async def acall(self) -> str:
        reply = await self.aclient.post(self.url, json={"model": "m", "messages": MESSAGES})
        return str(json.loads(reply.content)["choices"][0]["message"]["content"])

    async def astream(self, model: str) -> AsyncIterator[Any]:
        asked = {"model": model, "messages": MESSAGES, "stream": True}
        async with self.aclient.stream("POST", self.url, json=asked) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])


class HttpxAiohttp(Httpx):
    """The known way past it: aiohttp's parser behind httpx's ``transport=``."""

    name, home, entry, kinds = "httpx-aiohttp", "httpx-aiohttp", "import httpx, httpx_aiohttp", ("async",)
    program = ""

    def transport(self, limits: Any) -> dict[str, Any]:
        import aiohttp
        from httpx_aiohttp import AiohttpTransport

        def session() -> Any:
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=transport.ssl_context))

        transport = AiohttpTransport(client=session)
        return {"transport": transport}


class Asyncio(Way):
    """What lies under every client of an event loop: bytes as they come, of which only the chunks are counted."""

    name, home, entry, program, kinds = "asyncio alone", "ours", "import asyncio", "", ("async",)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        import asyncio

        came: asyncio.Queue[bytes] = asyncio.Queue()

        class Protocol(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                came.put_nowait(data)

            def connection_lost(self, error: Exception | None) -> None:
                came.put_nowait(b"")

        place = self.url.removeprefix("http://").removesuffix("/v1")
        host, _, port = place.partition(":")
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {place}\r\ncontent-type: application/json\r\n"
        head += f"authorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        transport, _ = await asyncio.get_running_loop().create_connection(Protocol, host, int(port))
        try:
            transport.write(head.encode() + body)
            end = b""
            while end != b"0\r\n\r\n" and (data := await came.get()):
                for _ in range(data.count(b"data: ")):
                    yield data
                end = (end + data)[-5:]
        finally:
            transport.close()


class Aiohttp(Way):
    """What lies under ours, likewise: its connections and its parser of HTTP."""

    name, home, entry, program, kinds = "aiohttp alone", "ours", "import aiohttp", "", ("async",)
    session: Any = None

    async def astream(self, model: str) -> AsyncIterator[Any]:
        import aiohttp

        if self.session is None:
            limits: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=None), "auto_decompress": False}
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), **limits)
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        async with self.session.post(f"{self.url}/chat/completions", data=body, headers=headers) as reply:
            while data := await reply.content.readany():
                for _ in range(data.count(b"data: ")):
                    yield data


class Ours(Way):
    name, home, entry = "unionllm", "ours", "from unionllm import unionchat"
    program = (
        "from unionllm import unionchat\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(unionchat(provider='deepseek', api_key='KEY', base_url='URL/v1', **asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        from unionllm import UnionLLM

        super().__init__(url)
        given: dict[str, Any] = {"api_key": KEY, "base_url": self.url, "max_retries": 0, "timeout": 120}
        self.client = UnionLLM(provider="deepseek", **given)

    def call(self) -> str:
        return str(self.client.completion(model="m", messages=MESSAGES).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.client.completion(model=model, messages=MESSAGES, stream=True))

    async def acall(self) -> str:
        return str((await self.client.acompletion(model="m", messages=MESSAGES)).choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async for chunk in await self.client.acompletion(model=model, messages=MESSAGES, stream=True):
            yield chunk


class Older(Way):
    """The last release before 0.4, as its README calls it. It has no asynchronous calls."""

    name, home, entry, kinds = "unionllm 0.3.0", "unionllm-0.3.0", "from unionllm import unionchat", ("sync",)
    program = (
        "from unionllm import unionchat\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(unionchat(provider='deepseek', api_key='KEY', api_base='URL/v1', **asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        from unionllm import unionchat

        super().__init__(url)
        self.chat: Any = unionchat
        self.given: dict[str, Any] = {"provider": "deepseek", "api_key": KEY, "api_base": self.url}

    def call(self) -> str:
        return str(self.chat(**self.given, model="m", messages=list(MESSAGES)).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.chat(**self.given, model=model, messages=list(MESSAGES), stream=True))


class OpenAI(Way):
    name, home, entry = "openai", "openai", "from openai import OpenAI"
    program = (
        "from openai import OpenAI\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(OpenAI(api_key='KEY', base_url='URL/v1').chat.completions.create(**asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        import openai

        super().__init__(url)
        self.client = openai.OpenAI(api_key=KEY, base_url=self.url, max_retries=0, timeout=120)
        self.aclient = openai.AsyncOpenAI(api_key=KEY, base_url=self.url, max_retries=0, timeout=120)

    def call(self) -> str:
        reply: Any = self.client.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]
        return str(reply.choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        asked: dict[str, Any] = {"model": model, "messages": MESSAGES, "stream": True}
        return iter(self.client.chat.completions.create(**asked))

    async def acall(self) -> str:
        reply: Any = await self.aclient.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]
        return str(reply.choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        asked: dict[str, Any] = {"model": model, "messages": MESSAGES, "stream": True}
        async for chunk in await self.aclient.chat.completions.create(**asked):
            yield chunk


class LiteLLM(Way):
    name, home, entry = "litellm", "litellm", "from litellm import completion"
    program = (
        "from litellm import completion\n"
        "asked = {'model': 'openai/m', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(completion(api_key='KEY', api_base='URL/v1', **asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        import litellm

        super().__init__(url)
        self.litellm: Any = litellm
        self.given: dict[str, Any] = {"messages": MESSAGES, "api_key": KEY, "api_base": self.url, "max_retries": 0}

    def call(self) -> str:
        return str(self.litellm.completion(model="openai/m", **self.given).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.litellm.completion(model=f"openai/{model}", stream=True, **self.given))

    async def acall(self) -> str:
        reply = await self.litellm.acompletion(model="openai/m", **self.given)
        return str(reply.choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async for chunk in await self.litellm.acompletion(model=f"openai/{model}", stream=True, **self.given):
            yield chunk


class AnyLLM(Way):
    name, home, entry = "any-llm", "any-llm-sdk", "from any_llm import completion"
    program = (
        "from any_llm import completion\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(completion(provider='openai', api_key='KEY', api_base='URL/v1', **asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        from any_llm import AnyLLM as Client

        super().__init__(url)
        self.client: Any = Client.create("openai", api_key=KEY, api_base=self.url)

    def call(self) -> str:
        return str(self.client.completion(model="m", messages=MESSAGES).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.client.completion(model=model, messages=MESSAGES, stream=True))

    async def acall(self) -> str:
        return str((await self.client.acompletion(model="m", messages=MESSAGES)).choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async for chunk in await self.client.acompletion(model=model, messages=MESSAGES, stream=True):
            yield chunk


class AISuite(Way):
    name, home, entry = "aisuite", "aisuite", "import aisuite"
    program = (
        "import aisuite\n"
        "asked = {'model': 'openai:m', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "client = aisuite.Client({'openai': {'api_key': 'KEY', 'base_url': 'URL/v1'}})\n"
        "print(client.chat.completions.create(**asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        import aisuite

        super().__init__(url)
        client = aisuite.Client({"openai": {"api_key": KEY, "base_url": self.url, "max_retries": 0}})
        self.completions: Any = client.chat.completions

    def call(self) -> str:
        return str(self.completions.create(model="openai:m", messages=MESSAGES).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.completions.create(model=f"openai:{model}", messages=MESSAGES, stream=True))

    async def acall(self) -> str:
        reply = await self.completions.acreate(model="openai:m", messages=MESSAGES)
        return str(reply.choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async for chunk in await self.completions.acreate(model=f"openai:{model}", messages=MESSAGES, stream=True):
            yield chunk


class LangChain(Way):
    name, home, entry = "langchain-openai", "langchain-openai", "from langchain_openai import ChatOpenAI"
    program = (
        "from langchain_openai import ChatOpenAI\n"
        "print(ChatOpenAI(model='m', api_key='KEY', base_url='URL/v1').invoke([('user', 'hi')]).content)"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.models: dict[str, Any] = {}

    def model(self, name: str) -> Any:
        from langchain_openai import ChatOpenAI

        if name not in self.models:
            given: dict[str, Any] = {"model": name, "api_key": KEY, "base_url": self.url, "max_retries": 0}
            self.models[name] = ChatOpenAI(**given)
        return self.models[name]

    def call(self) -> str:
        return str(self.model("m").invoke(MESSAGES).content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.model(model).stream(MESSAGES))

    async def acall(self) -> str:
        return str((await self.model("m").ainvoke(MESSAGES)).content)

    def astream(self, model: str) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self.model(model).astream(MESSAGES)
        return found


class PydanticAI(Way):
    name, home, entry = "pydantic-ai", "pydantic-ai-slim", "from pydantic_ai.models.openai import OpenAIChatModel"
    program = (
        "from pydantic_ai.direct import model_request_sync\n"
        "from pydantic_ai.messages import ModelRequest\n"
        "from pydantic_ai.models.openai import OpenAIChatModel\n"
        "from pydantic_ai.providers.openai import OpenAIProvider\n"
        "model = OpenAIChatModel('m', provider=OpenAIProvider(api_key='KEY', base_url='URL/v1'))\n"
        "print(model_request_sync(model, [ModelRequest.user_text_prompt('hi')]).parts[0].content)"
    )

    def __init__(self, url: str) -> None:
        from pydantic_ai import direct
        from pydantic_ai.messages import ModelRequest
        from pydantic_ai.providers.openai import OpenAIProvider

        super().__init__(url)
        self.direct: Any = direct
        self.provider = OpenAIProvider(api_key=KEY, base_url=self.url)
        self.messages = [ModelRequest.user_text_prompt(MESSAGES[0]["content"])]
        self.models: dict[str, Any] = {}

    def model(self, name: str) -> Any:
        from pydantic_ai.models.openai import OpenAIChatModel

        if name not in self.models:
            self.models[name] = OpenAIChatModel(name, provider=self.provider)
        return self.models[name]

    def call(self) -> str:
        return str(self.direct.model_request_sync(self.model("m"), self.messages).parts[0].content)

    def stream(self, model: str) -> Iterator[Any]:
        with self.direct.model_request_stream_sync(self.model(model), self.messages) as events:
            yield from events

    async def acall(self) -> str:
        return str((await self.direct.model_request(self.model("m"), self.messages)).parts[0].content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        async with self.direct.model_request_stream(self.model(model), self.messages) as events:
            async for event in events:
                yield event


class ZhipuAI(Way):
    name, home, entry, kinds = "zhipuai", "zhipuai", "from zhipuai import ZhipuAI", ("sync",)
    program = (
        "from zhipuai import ZhipuAI\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}]}\n"
        "print(ZhipuAI(api_key='KEY', base_url='URL/v1').chat.completions.create(**asked).choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        from zhipuai import ZhipuAI as Client

        super().__init__(url)
        self.client: Any = Client(api_key=KEY, base_url=self.url, max_retries=0)

    def call(self) -> str:
        return str(self.client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        return iter(self.client.chat.completions.create(model=model, messages=MESSAGES, stream=True))


class DashScope(Way):
    """Over its own dialect. It has no client object: ``requests`` sessions are of its own making."""

    name, home, entry = "dashscope", "dashscope", "from dashscope import Generation"
    program = (
        "import dashscope\n"
        "dashscope.base_http_api_url = 'URL/api/v1'\n"
        "asked = {'model': 'm', 'messages': [{'role': 'user', 'content': 'hi'}], 'result_format': 'message'}\n"
        "print(dashscope.Generation.call(api_key='KEY', **asked).output.choices[0].message.content)"
    )

    def __init__(self, url: str) -> None:
        import dashscope

        super().__init__(url)
        dashscope.base_http_api_url = f"{url}/api/v1"
        self.dashscope: Any = dashscope
        self.given: dict[str, Any] = {"messages": MESSAGES, "api_key": KEY, "result_format": "message"}

    def call(self) -> str:
        reply = self.dashscope.Generation.call(model="m", **self.given)
        return str(reply.output.choices[0].message.content)

    def stream(self, model: str) -> Iterator[Any]:
        options = {"stream": True, "incremental_output": True}
        return iter(self.dashscope.Generation.call(model=model, **options, **self.given))

    async def acall(self) -> str:
        reply = await self.dashscope.AioGeneration.call(model="m", **self.given)
        return str(reply.output.choices[0].message.content)

    async def astream(self, model: str) -> AsyncIterator[Any]:
        options = {"stream": True, "incremental_output": True}
        async for chunk in await self.dashscope.AioGeneration.call(model=model, **options, **self.given):
            yield chunk


#: No clients: what these cost, no client can save. Asked only where that is the question.
LAYERS: dict[str, type[Way]] = {"asyncio": Asyncio, "aiohttp": Aiohttp}

WAYS: dict[str, type[Way]] = {
    way.home: way
    for way in (
        *(Httpx, HttpxAiohttp, Ours, OpenAI, LiteLLM, AnyLLM, AISuite, LangChain, PydanticAI, ZhipuAI, DashScope),
        Older,
    )
} | LAYERS


@contextlib.contextmanager
def closing(chunks: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """The chunks; whatever of them can be closed is closed in the end."""
    try:
        yield chunks
    finally:
        getattr(chunks, "close", lambda: None)()
