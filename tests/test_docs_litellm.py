"""Every example of docs/litellm.md and of its Chinese twin runs as it stands, against a local server."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any, NamedTuple

import litellm_vendor
import pytest
from litellm_vendor import PIECES, whole
from server import Recorded, Reply, ScriptedServer

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop = litellm_vendor.isolated, litellm_vendor.one_loop
DOCS = Path(__file__).parent.parent / "docs"


def blocks_of(page: str) -> list[str]:
    """The examples of a page."""
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


BLOCKS = blocks_of("litellm.md")


class Expected(NamedTuple):
    """What a block prints, and what the server sees of each of its requests."""

    printed: str
    authorization: str | None
    model: str
    requests: int = 1


MISTRAL = "mistral-small-latest"
EXPECTED = [
    Expected("你好!\nvendor-model 7\n", "Bearer sk-...", MISTRAL),
    Expected("你好!\n", "Bearer sk-...", MISTRAL),
    Expected("你好!\n", "Bearer sk-from-the-environment", MISTRAL),
    Expected("你好\nstop 7\n", "Bearer sk-...", MISTRAL),
    Expected("你好!\n你好\n", "Bearer sk-...", MISTRAL, requests=2),
    Expected("你好!\n", "Bearer EMPTY", "Qwen/Qwen3-8B"),
    Expected("你好!\n", None, "llama3"),
    Expected("the key: 401 AuthenticationError\n", "Bearer sk-wrong", MISTRAL),
]


def answer(request: Recorded) -> Reply:
    """What the vendor of the page answers."""
    if request.headers.get("authorization") == "Bearer sk-wrong":
        return Reply(status=401, json={"error": {"message": "wrong key"}})
    if request.path == "/api/chat":
        message = {"role": "assistant", "content": "你好!"}
        counts = {"prompt_eval_count": 1, "eval_count": 1}
        return Reply(json={"model": "llama3", "message": message, "done": True, **counts})
    if request.path == "/api/show":
        return Reply(status=404, json={"error": "not found"})
    return Reply(sse=PIECES) if request.json.get("stream") else Reply(json=whole())


def run_in_the_modules_loop(work: Any, real: Any = asyncio.run) -> Any:
    """``asyncio.run`` in the loop in which LiteLLM's connections are closed. LiteLLM's own threads use it, too."""
    is_the_examples = threading.current_thread() is threading.main_thread()
    return litellm_vendor.run(work) if is_the_examples else real(work)


@pytest.fixture
def vendor(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server in the place of all those that the page calls."""
    monkeypatch.setenv("MISTRAL_AZURE_API_BASE", f"{server.url}/v1")
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("MY_SERVER", f"{server.url}/v1")
    monkeypatch.setenv("OLLAMA_API_BASE", server.url)
    monkeypatch.setattr(asyncio, "run", run_in_the_modules_loop)
    server.default(answer)
    return server


def test_every_example_has_its_expectation_in_both_languages() -> None:
    assert len(BLOCKS) == len(EXPECTED)
    assert blocks_of("litellm.zh-CN.md") == BLOCKS


@pytest.mark.parametrize(("block", "expected"), list(zip(BLOCKS, EXPECTED, strict=True)))
def test_an_example_does_what_the_page_says(
    vendor: ScriptedServer, capsys: pytest.CaptureFixture[str], block: str, expected: Expected
) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(block, "docs/litellm.md", "exec"), names)

    assert capsys.readouterr() == (expected.printed, "")
    requests = [request for request in vendor.requests if request.path != "/api/show"]
    assert len(requests) == expected.requests
    for request in requests:
        assert request.headers.get("authorization") == expected.authorization
        assert request.json["model"] == expected.model
        assert [message["content"] for message in request.json["messages"]] == ["你好"]
        assert "sk-" not in request.body.decode()
        assert "key" not in request.body.decode()


def test_ollamas_parameters_reach_it(vendor: ScriptedServer) -> None:
    exec(next(block for block in BLOCKS if "num_ctx" in block), {"__name__": "__main__"})
    [request] = [request for request in vendor.requests if request.path == "/api/chat"]
    assert request.json["options"]["num_ctx"] == 8192
