"""What importing does, in a fresh interpreter: next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from replies import answer, arguments, stream
from server import ScriptedServer

import unionllm

ROOT = Path(unionllm.__file__).parent

IMPORT = """
import json, os, sys
opened, sockets = [], []
def hook(event, args):
    if event == "open" and isinstance(args[0], str):
        opened.append(args[0])
    if event.startswith("socket."):
        sockets.append(event)
before = dict(os.environ)
sys.addaudithook(hook)
STATEMENT
report = {"modules": sorted({name.partition(".")[0] for name in sys.modules}), "opened": opened, "sockets": sockets}
report["environ"] = dict(os.environ) == before
report["filters"] = len(__import__("warnings").filters)
print(json.dumps(report))
"""


def fresh(statement: str) -> dict[str, Any]:
    """What a fresh interpreter says after a statement."""
    program = IMPORT.replace("STATEMENT", statement)
    # Without -B, Python itself would write what it has compiled, the first time.
    command = [sys.executable, "-B", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


STATEMENTS = [
    "import unionllm",
    "from unionllm import unionchat",
    "from unionllm import unionchat, aunionchat, UnionLLM, APIError",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_importing_loads_nothing_heavy_and_does_nothing(statement: str) -> None:
    """X1 of compat.md: 1.5 s and 1557 modules."""
    report = fresh(statement)

    heavy = "httpx httpcore pydantic litellm openai zhipuai dashscope asyncio ssl xllamacpp anyio requests"
    assert not set(heavy.split()) & set(report["modules"])
    assert report["sockets"] == []
    assert report["environ"]
    assert report["filters"] == fresh("pass")["filters"]
    homes = (str(ROOT), sys.prefix, sys.base_prefix, str(ROOT.parent))
    assert [path for path in report["opened"] if not path.startswith(homes)] == []
    assert [path for path in report["opened"] if not path.endswith((".py", ".pyc", ".so", ".pth"))] == []


@pytest.mark.parametrize("first", ["", "import unionllm.providers.deepseek", "from unionllm.providers import moonshot"])
def test_providers_can_be_called_whatever_was_imported_before(first: str) -> None:
    calls = "import unionllm; assert unionllm.providers()[0]['name'] == 'zhipuai'"
    later = "import unionllm.providers.zhipuai; assert unionllm.providers()[0]['name'] == 'zhipuai'"

    report = fresh(
        f"{first}\n{calls}\n{later}\nfrom unionllm import providers; assert providers() == unionllm.providers()"
    )

    assert report["sockets"] == []


_FIRST_CALL = """
import sys, traceback
import unionllm

KEY = "sk-secret-of-the-call"
calls = {
    "chat": lambda: unionllm.unionchat(provider="deepseek", model="m", messages=[], api_key=KEY),
    "client": lambda: unionllm.UnionLLM("deepseek", api_key=KEY).chat("m", []),
    "embed": lambda: unionllm.unionembed(provider="zhipuai", model="m", input=["x"], api_key=KEY),
    "client embed": lambda: unionllm.UnionLLM("zhipuai").embed("m", ["x"], api_key=KEY),
}

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
try:
    calls[sys.argv[1]]()
except KeyboardInterrupt as error:
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [frame for frame in frames if frame.filename.startswith(unionllm.__path__[0])]
    print("interrupted", len(ours) > 0, KEY in str([frame.locals for frame in ours]))
"""


@pytest.mark.parametrize("call", ["chat", "client", "embed", "client embed"])
def test_a_first_call_that_is_interrupted_while_it_imports_shows_no_key(call: str) -> None:
    """The HTTP library takes a while to load, and that is when somebody presses Ctrl-C."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_CALL, call, "httpcore"], capture_output=True, encoding="utf-8", check=False
    )

    assert done.stdout.split() == ["interrupted", "True", "False"], done.stderr


_CALLS = """
import json, sys
from unionllm import unionchat
arguments = json.loads(sys.argv[1])
text = unionchat(**arguments).choices[0].message.content
text += "".join(unionchat(**arguments, stream=True).text())
print(json.dumps([text, [name for name in ("httpx", "urllib.request", "asyncio", "litellm") if name in sys.modules]]))
"""


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there the system may name a proxy, too")
def test_blocking_calls_load_no_library_that_they_do_not_use(server: ScriptedServer) -> None:
    """A script would wait for them before its first answer."""
    # Whom not to send through a proxy names none.
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    server.reply(json=answer("你好"))
    server.reply(sse=stream("再", "见"))

    done = subprocess.run(
        [sys.executable, "-c", _CALLS, json.dumps(arguments(server))],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**environ, "NO_PROXY": "*"},
    )

    assert json.loads(done.stdout or "[]") == ["你好再见", []], done.stderr


_WHILE_IMPORTING = """
import json, sys, types
from unionllm import APIConnectionError, unionchat

sys.modules["httpx"] = types.ModuleType("httpx")  # as another thread has it that is importing it just now
try:
    unionchat(**json.loads(sys.argv[1]))
except APIConnectionError as error:
    print("no answer from" in str(error))
"""


def test_a_failure_while_another_thread_imports_httpx_is_an_error_of_ours(server: ScriptedServer) -> None:
    nobody = {**arguments(server, max_retries=0), "base_url": "http://127.0.0.1:1"}

    done = subprocess.run(
        [sys.executable, "-c", _WHILE_IMPORTING, json.dumps(nobody)], capture_output=True, encoding="utf-8", check=False
    )

    assert done.stdout.strip() == "True", done.stderr
