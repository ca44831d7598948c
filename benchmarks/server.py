"""A vendor on this machine that answers at once, in a process of its own: ``python server.py [cert.pem key.pem]``.

Prints its port, and ends with its standard input. What is asked for stands in the model's name: ``m`` is a whole
answer, or in a stream three chunks; ``burst-N`` N chunks as fast as the client reads; ``turns-N`` N chunks one by one,
in turns with all other such streams; ``paced-N`` N chunks at 20 a second, the end of the stream with the last of them;
``held-1`` one chunk, and then nothing.
DashScope's own dialect is spoken on its own path, OpenAI's on every other. Answers are made before they are asked for.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import re
import ssl
import sys
from collections.abc import Callable, Iterator

PACE = 0.05
_BATCH = 64
_HEAD = {"id": "chatcmpl-8f1c0a52d7e94b3c", "object": "chat.completion.chunk", "created": 1764400000, "model": "m"}
_MORE = {"system_fingerprint": "fp_3f58a1c07b"}
_USAGE = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
_TEXT = "今天北京晴，最高气温 25 摄氏度，适合出门散步；早晚温差大，记得带一件外套。" * 3


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(told: object) -> bytes:
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return _framed(f"data: {text}\n\n".encode())


def _openai_events(count: int) -> Iterator[bytes]:
    def chunk(delta: dict[str, str], end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
        return _event({**_HEAD, **_MORE, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    # Not the same text twice: LiteLLM takes a hundred of them for a model that repeats itself.
    for number in range(count):
        yield chunk({"content": f"第{number}个词，"})
    yield chunk({}, "stop")
    yield _event({**_HEAD, **_MORE, "choices": [], "usage": _USAGE})
    yield _event("[DONE]")


def _dashscope_events(count: int) -> Iterator[bytes]:
    for number in range(count + 1):
        end = "stop" if number == count else "null"
        choice = {"message": {"role": "assistant", "content": f"第{number}个词，"}, "finish_reason": end}
        usage = {"input_tokens": 12, "output_tokens": number, "total_tokens": 12 + number}
        told = {"output": {"choices": [choice]}, "usage": usage, "request_id": "8f1c0a52-d7e9-4b3c-9f0e-3f58a1c07b11"}
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        yield _framed(f"id:{number + 1}\nevent:result\n:HTTP_STATUS/200\ndata:{text}\n\n".encode())


@functools.cache
def _pieces(dialect: str, count: int) -> tuple[bytes, ...]:
    events = _dashscope_events(count) if dialect == "dashscope" else _openai_events(count)
    return (*events, b"0\r\n\r\n")


@functools.cache
def _whole(dialect: str) -> bytes:
    message = {"role": "assistant", "content": _TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    told: object = {**_HEAD, "object": "chat.completion", **_MORE, "choices": [choice], "usage": _USAGE}
    if dialect == "dashscope":
        usage = {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46}
        told = {"output": {"choices": [choice]}, "usage": usage, "request_id": "8f1c0a52-d7e9-4b3c-9f0e-3f58a1c07b11"}
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Turns:
    """Streams that are given one chunk each, in turns."""

    def __init__(self) -> None:
        self.waiting: list[Connection] = []
        self._is_running = False

    def add(self, connection: Connection) -> None:
        self.waiting.append(connection)
        if not self._is_running:
            self._is_running = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self.waiting = [connection for connection in self.waiting if connection.give(1)]
        self._is_running = bool(self.waiting)
        if self._is_running:
            asyncio.get_running_loop().call_soon(self._run)


class Connection(asyncio.Protocol):
    """One client's connection."""

    transport: asyncio.Transport

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._asked = bytearray()
        self._rest: Iterator[bytes] = iter(())
        self._is_paused = False
        self._resume: Callable[[], object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._asked += data
        end = self._asked.find(b"\r\n\r\n")
        if end < 0:
            return
        length = re.search(rb"content-length: *(\d+)", bytes(self._asked[:end]).lower())
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self._asked) >= size:
            asked, self._asked = bytes(self._asked[:size]), self._asked[size:]
            self._answer(asked)

    def _answer(self, asked: bytes) -> None:
        dialect = "dashscope" if b"/text-generation/" in asked[:200] else "openai"
        is_stream = re.search(rb'"stream": *true|x-dashscope-sse: *enable', asked, re.IGNORECASE)
        named = re.search(rb'"model": *"([a-z]+)-?(\d*)"', asked)
        assert named is not None
        if not is_stream:
            self.transport.write(_whole(dialect))
            return
        way, count = named[1].decode(), int(named[2] or 3)
        pieces = _pieces(dialect, count)
        self.transport.write(_STREAM_HEAD + pieces[0])
        self._rest = iter(pieces[1:])
        if way == "turns":
            self._turns.add(self)
        elif way == "paced":
            self._pace(asyncio.get_running_loop().time() + PACE, count)
        elif way == "held":
            self.transport.write(pieces[1])
        else:
            self._burst()

    def _burst(self) -> None:
        self._resume = self._burst
        while not self._is_paused and self.give(_BATCH):
            pass

    def _pace(self, due: float, left: int) -> None:
        asyncio.get_running_loop().call_at(due, self._give_in_time, due, left)

    def _give_in_time(self, due: float, left: int) -> None:
        if self._is_paused:
            self._pace(due + PACE, left)
        # If chunks that say the end came 50 ms apart, too, a stream of N chunks would last longer than N / 20 s.
        elif self.give(1 if left > 1 else _BATCH) and left > 1:
            self._pace(due + PACE, left - 1)

    def give(self, count: int) -> bool:
        """Send the next pieces; says whether there may be more."""
        if self.transport.is_closing():
            return False
        if self._is_paused:
            return True
        data = b"".join(itertools.islice(self._rest, count))
        self.transport.write(data)
        if not data.endswith(b"0\r\n\r\n"):
            return bool(data)
        self._resume = None
        return False

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._resume is not None:
            self._resume()


async def main(certificate: list[str]) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    turns = Turns()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(turns), "127.0.0.1", 0, backlog=4096, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
