"""Runs the cells of the fault matrix: fault × provider × sync or async × whole or streamed, many at once."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checks import check_chunks, fold, folded
from fault_table import PATIENT, TEXT, Ends, Row
from play import Outcome

from unionllm import APIError, ModelResponse, UnionLLM, UnionLLMError
from unionllm._registry import PROVIDERS, find
from unionllm.testing import Vendor, VendorServer
from unionllm.testing.vendors import VENDORS, load

#: Providers that no fault of a network can strike, and why.
EXEMPT = {"local": "runs a model in this process"}

#: Providers that have no vendor of their own → whom they ask here.
PLAYED_BY = {"openai_compatible": "ai360"}

_TLS = Path(__file__).parents[1] / "tls"
#: Seconds until the sockets of closed clients must be gone.
_LAST_SECONDS = 5.0


@dataclass(frozen=True)
class Cell:
    """One call that goes wrong."""

    row: Row
    provider: str
    is_async: bool
    stream: bool

    def __str__(self) -> str:
        ways = f"{'async' if self.is_async else 'sync'}, {'streamed' if self.stream else 'whole'}"
        return f"{self.row.name} × {self.provider} ({ways})"

    @property
    def played(self) -> type[Vendor]:
        """The vendor that answers it."""
        return load(PLAYED_BY.get(self.provider, self.provider))

    @property
    def is_socket(self) -> bool:
        """Whether it speaks WebSocket."""
        return self.played().is_socket(self.played.base)

    @property
    def alias(self) -> str:
        """The name of a vendor that nobody else asks, so that all cells can be played at once."""
        return f"{self.provider}-{'async' if self.is_async else 'sync'}-{'streamed' if self.stream else 'whole'}"

    @property
    def ends(self) -> Ends | None:
        """How it has to end; None if there is no such cell."""
        return self.row.ends(self.provider, stream=self.stream, is_socket=self.is_socket, is_async=self.is_async)


@dataclass
class Report:
    """What came of one fault."""

    row: Row
    #: Cell → what is wrong with how it ended; "" if nothing is.
    cells: dict[Cell, str] = field(default_factory=dict)
    #: What is wrong with all of them together.
    left: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What is wrong, a line each."""
        return [f"{cell}: {fault}" for cell, fault in self.cells.items() if fault] + self.left


def providers() -> list[str]:
    """Every native provider that talks over the network; one that nobody plays is among them, and fails."""
    return [name for name in PROVIDERS if name not in EXEMPT]


def cells(row: Row) -> list[Cell]:
    """The cells of that fault that exist."""
    ways = [(is_async, stream) for is_async in (False, True) for stream in (False, True)]
    every = [Cell(row, provider, *way) for provider in providers() for way in ways]
    return [cell for cell in every if cell.ends is not None]


def _alias(cell: Cell) -> type[Vendor]:
    return type("Played", (cell.played,), {"name": cell.alias})


class Elsewhere:
    """A host that must not be called."""

    def __enter__(self) -> Elsewhere:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def was_called(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


Where = Callable[[str], str]


def _as_it_is(url: str) -> str:
    return url


def _secure(url: str) -> str:
    return url.replace("http://", "https://").replace("ws://", "wss://")


def _plain(url: str) -> str:
    return url.replace("https://", "http://").replace("wss://", "ws://")


def _nowhere(url: str) -> str:
    # A name that is too long for the DNS: the resolver of the system refuses it without a question to anyone.
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{'.'.join(['nowhere'] * 40)}.invalid/{rest.partition('/')[2]}"


#: Place of a row → whether the server speaks TLS, whether it listens, and where a call goes.
PLACES: Mapping[str, tuple[bool, bool, Where]] = {
    "server": (False, True, _as_it_is),
    "untrusted_certificate": (True, True, _as_it_is),
    "plain_port_asked_for_TLS": (False, True, _secure),
    "TLS_port_asked_in_plain": (True, True, _plain),
    "unknown_name": (False, True, _nowhere),
    "refused": (False, False, _as_it_is),
}


def _certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_TLS / "cert.pem", _TLS / "key.pem")
    return context


def open_sockets() -> int:
    """Sockets that this process has open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:  # it was closed meanwhile, as the directory itself is
            continue
    return found


class Matrix:
    """One fault at all providers: scripts the server, makes the calls, judges how they ended."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._cells = cells(row)
        for cell in self._cells:
            find(
                cell.provider
            )  # imported here: pytest parses it, and Python 3.11's parser fails in two threads at once
        self._ends = {cell: cell.ends or Ends() for cell in self._cells}

    def run(self) -> Report:
        """Play every cell. Nothing is raised for a cell that ends wrongly: the report says it."""
        report = Report(self._row)
        speaks_tls, listens, self._where = PLACES[self._row.place]
        aliases = [_alias(cell) for cell in self._cells]
        with ExitStack() as stack:
            self._elsewhere = stack.enter_context(Elsewhere())
            tls = _certificate() if speaks_tls else None
            self._server = stack.enter_context(VendorServer(vendors=aliases, tls=tls))
            for cell in self._cells:
                self._script(cell)
            with _refusing(self._server, refuses=not listens):
                before = open_sockets()
                for is_async in (False, True):
                    half = [cell for cell in self._cells if cell.is_async is is_async]
                    report.cells |= asyncio.run(self._arun(half)) if is_async else self._run(half)
                    if left := _sockets_left(before):
                        report.left.append(f"{left} sockets are left open")
            if self._elsewhere.was_called:
                report.left.append("the other host was called")
        return report

    def _script(self, cell: Cell) -> None:
        """As many faults as there are to be requests, then an answer for the next call: one try more would get it."""
        row, ends = self._row, self._ends[cell]
        if row.place != "server":
            return
        tries = 2 if ends.retryable and row.call.get("max_retries") != 0 else 1
        for _ in range(ends.requests or tries):
            if row.replies is not None:
                self._server.reply(vendor=cell.alias, text=TEXT, **row.replies[cell.stream])
            else:
                self._server.fault(vendor=cell.alias, text=TEXT, **self._filled(row.fault))
        self._server.reply(vendor=cell.alias, text="好")

    def _filled(self, fault: Mapping[str, Any]) -> dict[str, Any]:
        headers = {
            name: value.format(elsewhere=self._elsewhere.url) for name, value in fault.get("headers", {}).items()
        }
        return {**fault, "headers": headers}

    def _target(self, cell: Cell) -> dict[str, Any]:
        base_url = self._where(self._server.url(cell.alias, cell.played.example_bases.get("chat")))
        return {"provider": cell.provider, "base_url": base_url, **self._server.credentials(cell.alias)}

    def _call(self, cell: Cell, **more: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": "你好"}]
        usual = {"model": cell.played.examples["chat"], "messages": messages, "stream": cell.stream}
        return {**usual, "timeout": PATIENT, "max_retries": 1, **more}

    def _run(self, half: list[Cell]) -> dict[Cell, str]:
        with ExitStack() as stack, ThreadPoolExecutor(self._row.at_once) as threads:
            clients = [stack.enter_context(UnionLLM(**self._target(cell))) for cell in half]
            before = open_sockets()
            found = dict(zip(half, threads.map(self._play, half, clients), strict=True))
            return _with_spare(found, _sockets_left(before + 2 * len(half)))

    def _play(self, cell: Cell, client: UnionLLM) -> str:
        try:
            self._judge(cell, ask(client, self._call(cell, **self._row.call)))
            if self._row.place == "server":
                judge_next(ask(client, self._next_call(cell)))
        except AssertionError as wrong:
            return str(wrong) or "an assertion failed"
        return ""

    async def _arun(self, half: list[Cell]) -> dict[Cell, str]:
        gate = asyncio.Semaphore(self._row.at_once)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(UnionLLM(**self._target(cell))) for cell in half]
            before = open_sockets()
            played = await asyncio.gather(*map(self._aplay, half, clients, [gate] * len(half)))
            # In a thread: the event loop has connections to close meanwhile.
            spare = await asyncio.to_thread(_sockets_left, before + 2 * len(half))
            found = _with_spare(dict(zip(half, played, strict=True)), spare)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        return {cell: fault or (f"tasks are left: {others}" if others else "") for cell, fault in found.items()}

    async def _aplay(self, cell: Cell, client: UnionLLM, gate: asyncio.Semaphore) -> str:
        async with gate:
            try:
                self._judge(cell, await aask(client, self._call(cell, **self._row.call)))
                if self._row.place == "server":
                    judge_next(await aask(client, self._next_call(cell)))
            except AssertionError as wrong:
                return str(wrong) or "an assertion failed"
        return ""

    def _next_call(self, cell: Cell) -> dict[str, Any]:
        return self._call(cell, max_retries=self._row.next_retries)

    def _judge(self, cell: Cell, outcome: Outcome) -> None:
        judge(cell, self._ends[cell], outcome, list(self._server.credentials(cell.alias).values()))


@contextmanager
def _refusing(server: VendorServer, *, refuses: bool) -> Iterator[None]:
    if not refuses:
        yield
        return
    with server.refusing():
        yield


def _with_spare(found: dict[Cell, str], sockets: int) -> dict[Cell, str]:
    """What was found, and that there were sockets beyond both ends of one idle connection a client."""
    told = f"{sockets} sockets too many for {len(found)} clients" if sockets else ""
    return {cell: fault or told for cell, fault in found.items()}


def _sockets_left(before: int) -> int:
    """How many sockets more there are than before, once both sides have had time to close what has ended."""
    end = time.monotonic() + _LAST_SECONDS
    while (left := open_sockets() - before) > 0 and time.monotonic() < end:
        time.sleep(0.01)
    return max(left, 0)


def judge(cell: Cell, ends: Ends, outcome: Outcome, secrets: list[str]) -> None:
    """Raises AssertionError unless the call ended as it has to."""
    if not ends.error:
        assert outcome.error is None, f"{outcome.error!r} in place of the answer"
        assert outcome.answer is not None
        assert outcome.answer.choices[0].message.content == "".join(TEXT), outcome.answer
        return
    error = outcome.error
    assert error is not None, f"no error, but {outcome.answer!r}"
    assert isinstance(error, APIError), repr(error)
    got = Ends(
        error=type(error).__name__,
        retryable=error.retryable,
        status=error.status_code,
        retry_after=error.retry_after,
        says=ends.says if ends.says in str(error) else str(error),
        requests=ends.requests,  # counted by what is left of the script for the next call
        begun=ends.begun if ends.begun is None or not cell.stream else bool(outcome.chunks),
    )
    assert got == ends, f"{_differences(ends, got)} ({error})"
    assert (error.provider, error.model) == (cell.provider, cell.played.examples["chat"])
    _judge_what_arrived(error, outcome)
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied)) == (type(error), str(error))
    told = f"{error!r} {error} {vars(error)} {''.join(traceback.format_exception(error))}"
    assert [secret for secret in secrets if secret in told] == []


def judge_next(outcome: Outcome) -> None:
    """Raises AssertionError unless the next call over the same connections gets its answer."""
    assert outcome.error is None, f"the next call fails: {outcome.error!r}"
    assert outcome.answer is not None
    assert outcome.answer.choices[0].message.content == "好", "the next call got another answer"


def _differences(wanted: Ends, got: Ends) -> str:
    names = [name for name in vars(wanted) if getattr(wanted, name) != getattr(got, name)]
    return ", ".join(f"{name} is {getattr(got, name)!r}, not {getattr(wanted, name)!r}" for name in names)


def _judge_what_arrived(error: APIError, outcome: Outcome) -> None:
    if not outcome.chunks:
        return
    check_chunks(outcome.chunks, is_whole=False)
    assert folded(error.partial) == fold(outcome.chunks), "partial is not what had arrived"
    said = "".join(choice["content"] for choice in fold(outcome.chunks).values())
    assert "".join(TEXT).startswith(said), f"{said!r} was never sent"
    assert error.partial is not None
    assert error.partial.choices[0].finish_reason is None, "a finish reason was made up"


def ask(client: UnionLLM, args: Mapping[str, Any]) -> Outcome:
    outcome = Outcome()
    try:
        got = client.completion(**args)
        if isinstance(got, ModelResponse):
            outcome.answer = got
        else:
            for chunk in got:
                outcome.chunks.append(chunk)
            outcome.answer = got.response
    except UnionLLMError as error:
        outcome.error = error
    except Exception as foreign:
        raise AssertionError(f"an exception that is not ours: {foreign!r}") from foreign
    return outcome


async def aask(client: UnionLLM, args: Mapping[str, Any]) -> Outcome:
    outcome = Outcome()
    try:
        got = await client.acompletion(**args)
        if isinstance(got, ModelResponse):
            outcome.answer = got
        else:
            async for chunk in got:
                outcome.chunks.append(chunk)
            outcome.answer = got.response
    except UnionLLMError as error:
        outcome.error = error
    except Exception as foreign:
        raise AssertionError(f"an exception that is not ours: {foreign!r}") from foreign
    return outcome


def is_covered(provider: str) -> bool:
    """Whether a vendor is there to break that provider's replies."""
    return PLAYED_BY.get(provider, provider) in VENDORS
