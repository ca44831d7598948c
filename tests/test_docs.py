"""The documentation is true: every block of code in it runs as it stands, and its generated parts are up to date."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import agent_pages
import bulk_pages
import pytest
from pages import AGENT_PAGES, OF_FRAMEWORKS, OURS, blocks, name_of, stem
from replies import piece
from server import Answer, Cut, Recorded, Reply, ScriptedServer
from vendors_on_loopback import KEY, ROOT, TEXT, THOUGHT, environment, process_environment, python, vendor

from unionllm import _clients

#: Seconds that one block may take in a process of its own; LiteLLM's import and the local model are the slow ones.
_LONGEST = 120


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a block, and what it must do."""

    #: Texts that must be printed, in this order.
    prints: tuple[str, ...] = ()
    #: The calls that must arrive, no more and no fewer: the vendor, and a part of the body.
    sends: tuple[tuple[str, dict[str, Any]], ...] | None = None
    #: Where the calls go, below the vendor's address.
    path: str = "/chat/completions"
    #: What the server answers.
    answer: Answer = vendor
    #: Run it in a process of its own: for blocks that load LiteLLM or a model.
    own_process: bool = False
    #: The key that must arrive.
    key: str = KEY
    #: Part of the headers of the first call.
    headers: dict[str, str] = field(default_factory=dict)


def cut(request: Recorded) -> Reply:
    return Reply(sse=[piece({"role": "assistant", "content": "一"}), piece({"content": "二"}), Cut()])


def too_fast(request: Recorded) -> Reply:
    return Reply(status=429, headers={"retry-after": "0.05"}, json={"error": {"message": "slow down"}})


def slow(request: Recorded) -> Reply:
    return Reply(delay=5, json={})


def zhipuai_without_money(request: Recorded) -> Reply:
    refusal = Reply(status=429, json={"error": {"code": "1113", "message": "账户已欠费"}})
    return refusal if request.path.startswith("/zhipuai/") else vendor(request)


def only_deepseek_works(request: Recorded) -> Reply:
    return vendor(request) if request.path.startswith("/deepseek/") else Reply(status=402, json={"error": "no money"})


def refused_by_zhipuai(request: Recorded) -> Reply:
    return Reply(status=429, headers={"retry-after": "7"}, json={"error": {"code": "1302", "message": "并发过高"}})


def kimi_without_money(request: Recorded) -> Reply:
    return Reply(status=429, json={"error": {"type": "exceeded_current_quota_error", "message": "no quota"}})


def kimi_moderates(request: Recorded) -> Reply:
    return Reply(status=400, json={"error": {"type": "content_filter", "message": "high risk"}})


def tiangong_says(request: Recorded) -> Reply:
    return Reply(json={"code": 200, "trace_id": "t-1", "resp_data": {"reply": TEXT, "status": 3, "finish_reason": 1}})


LOCAL = Run(prints=(), sends=(), own_process=True)
ZHIPU = ("zhipuai", {"model": "glm-5.2"})
KIMI = ("moonshot", {"model": "kimi-k2.6"})
FLASH = ("deepseek", {"model": "deepseek-v4-flash"})
FLASH_STREAM = ("deepseek", {"model": "deepseek-v4-flash", "stream": True})
EMBEDDED = ("zhipuai", {"model": "embedding-3", "dimensions": 256})
BOTH_THINK = ("deepseek", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"})

DEEPSEEK_STYLE = {"reasoning_format": "deepseek-style"}
_SEARCH = {"type": "web_search", "web_search": {"enable": True, "search_mode": "performance_first"}}
BAICHUAN_SEARCHES = {"model": "Baichuan4-Turbo", "tools": [_SEARCH]}

#: Page → for each of its Python blocks, in order, the runs it must pass. Twins share them.
RUNS: dict[str, list[list[Run]]] = {
    "README": [
        [LOCAL],
        [Run(prints=(TEXT, "5 5"), sends=(ZHIPU,))],
        [Run(prints=(TEXT, "\n", "Usage(prompt_tokens=3"), sends=(FLASH_STREAM,))],
        [Run(prints=(TEXT,), sends=(("moonshot", {"model": "kimi-k2.6", "stream": True}),))],
        [Run(prints=(TEXT,), sends=(("openai", {"model": "gpt-4o-mini"}),), own_process=True)],
        [
            Run(prints=(TEXT,), sends=(FLASH_STREAM,)),
            Run(prints=("一二", "\n", "一二"), sends=(FLASH_STREAM,), answer=cut),
            Run(prints=("0.05",), sends=(FLASH_STREAM,) * 3, answer=too_fast),
        ],
        [Run(prints=(THOUGHT, TEXT, "reasoning_effort medium -> high"), sends=(BOTH_THINK,))],
        [Run(prints=("北京", "25 °C"), sends=(("moonshot", {"model": "kimi-k3"}),) * 2)],
        [Run(prints=("deepseek", TEXT), sends=(ZHIPU, FLASH), answer=zhipuai_without_money)],
        [Run(prints=("晴，25 度 /api/paas/v4/chat/completions",))],
    ],
    "docs/quickstart": [
        [LOCAL],
        [Run(prints=("ModelResponse(id=", f"content='{TEXT}'", "Usage("), sends=(ZHIPU,))],
        [Run(prints=("True", "stop 5 zhipuai"), sends=(ZHIPU,))],
        [Run(prints=(TEXT,), sends=(KIMI, KIMI))],
        [Run(prints=("2", "4"), sends=(("deepseek", {"temperature": 0.3}),) * 2)],
    ],
    "docs/streaming": [
        [Run(prints=("0 一 None", "0 二 None", "stop"), sends=(ZHIPU,))],
        [Run(prints=(TEXT,), sends=(ZHIPU,))],
        [Run(prints=(f"{TEXT} 5",), sends=(KIMI,))],
        [Run(prints=(THOUGHT + TEXT,), sends=(("deepseek", {"thinking": {"type": "enabled"}}),))],
        [Run(prints=("一\n一",), sends=(FLASH_STREAM,))],
        [
            Run(prints=(TEXT,), sends=(FLASH_STREAM,)),
            Run(prints=("一二", "一二"), sends=(FLASH_STREAM,), answer=cut),
        ],
    ],
    "docs/errors": [
        [
            Run(
                prints=("RateLimitError", "zhipuai glm-5.2 429 1302 7.0", "并发"),
                sends=(ZHIPU,),
                answer=refused_by_zhipuai,
            )
        ],
        [
            Run(prints=(TEXT,), sends=(KIMI,)),
            Run(prints=("moonshot", "platform.kimi.com"), sends=(KIMI,), answer=kimi_without_money),
            Run(sends=(KIMI,), answer=kimi_moderates),
        ],
        [Run(prints=("Did you mean 'zhipuai'",), sends=(), own_process=True)],
    ],
    "docs/async": [
        [Run(prints=(TEXT,), sends=(ZHIPU,))],
        [Run(prints=(TEXT, "5"), sends=(FLASH_STREAM,))],
        [Run(prints=("2", "4", "6"), sends=(KIMI, KIMI, KIMI))],
    ],
    "docs/parameters": [
        [
            Run(
                prints=("max_completion_tokens renamed", "temperature clamped 1.4 1", "n dropped 1 None"),
                sends=(("zhipuai", {"temperature": 1, "max_tokens": 200}),),
            )
        ],
        [Run(prints=("zhipuai does not take", "temperature=1.4"), sends=())],
        [
            Run(
                prints=("None", THOUGHT),
                sends=(
                    ("zhipuai", {"thinking": {"type": "disabled"}}),
                    ("moonshot", {"model": "kimi-k3", "reasoning_effort": "high"}),
                ),
            )
        ],
        [Run(prints=("西游记 1592",), sends=(("deepseek", {"response_format": {"type": "json_object"}}),))],
        [Run(prints=("zhipuai", "first token"), sends=(ZHIPU,), answer=slow)],
        [Run(prints=(TEXT,), sends=(ZHIPU,))],
        [Run(prints=("deepseek",), sends=(ZHIPU, KIMI, FLASH), answer=only_deepseek_works)],
        [Run(prints=("zhipuai", "https://api.z.ai/api/paas/v4", "deepseek"), sends=())],
        [Run(prints=(TEXT,), sends=(("zhipuai", {"request_id": "order-0001"}),), headers={"x-trace": "42"})],
    ],
    "docs/embeddings": [
        [Run(prints=("2 1", "5"), sends=(EMBEDDED,), path="/embeddings")],
        [Run(prints=("0",), sends=(("zhipuai", {"input": ["你好"]}),), path="/embeddings")],
    ],
    "docs/cost": [
        [Run(prints=("unknown",), sends=(("zhipuai", {"model": "glm-5.3"}),))],
        [Run(prints=("0.2 CNY, 0.001 USD, 1 unknown\n0.20 1",), sends=())],
        [Run(prints=("3 2 0.0000572 CNY",), sends=(ZHIPU,))],
    ],
    "docs/observability": [
        [Run(prints=("deepseek deepseek-v4-flash 1 5 None",), sends=(FLASH,))],
        [Run(prints=("chat glm-5.2 3 ('stop',)",), sends=(ZHIPU,))],
    ],
    "docs/scale-out": [
        [Run(prints=(f"{TEXT} 5",), sends=(ZHIPU,), own_process=True)],
        [Run(prints=(f"deepseek {TEXT}",), sends=(ZHIPU, FLASH), answer=zhipuai_without_money, own_process=True)],
    ],
    "docs/providers/zhipuai": [
        [Run(prints=(TEXT,), sends=(("zhipuai", {"thinking": {"type": "disabled"}, "do_sample": False}),))]
    ],
    "docs/providers/moonshot": [
        [Run(prints=(TEXT, "1"), sends=(("moonshot", {"thinking": {"type": "disabled"}}),))],
    ],
    "docs/providers/deepseek": [[Run(prints=(THOUGHT, TEXT, "1"), sends=(BOTH_THINK,))]],
    "docs/providers/stepfun": [
        [Run(prints=(THOUGHT, TEXT), sends=(("stepfun", {"reasoning_effort": "high", **DEEPSEEK_STYLE}),))]
    ],
    "docs/providers/lingyi": [[Run(prints=(TEXT, "5"), sends=(("lingyi", {"model": "yi-lightning"}),))]],
    "docs/providers/baichuan": [
        [Run(prints=(TEXT, "model replaced\nwith_search_enhance replaced"), sends=(("baichuan", BAICHUAN_SEARCHES),))]
    ],
    "docs/providers/qwen": [
        [Run(prints=(TEXT, "1"), sends=(("qwen", {"enable_thinking": True, "thinking_budget": 500, "stream": True}),))]
    ],
    "docs/providers/doubao": [[Run(prints=(TEXT,), sends=(("doubao", {"thinking": {"type": "disabled"}}),))]],
    "docs/providers/hunyuan": [[Run(prints=(TEXT,), sends=(("hunyuan", {"thinking": {"type": "disabled"}}),))]],
    "docs/providers/siliconflow": [[Run(prints=(TEXT,), sends=(("siliconflow", {"enable_thinking": False}),))]],
    "docs/providers/modelscope": [[Run(prints=(TEXT,), sends=(("modelscope", {"enable_thinking": False}),))]],
    "docs/providers/mimo": [[Run(prints=(TEXT,), sends=(("mimo", {"thinking": {"type": "disabled"}}),))]],
    "docs/providers/longcat": [[Run(prints=(TEXT,), sends=(("longcat", {"thinking": {"type": "disabled"}}),))]],
    "docs/providers/sensenova": [[Run(prints=(TEXT,), sends=(("sensenova", {"max_tokens": 100}),))]],
    "docs/providers/internlm": [[Run(prints=(TEXT,), sends=(("internlm", {"thinking_mode": False}),))]],
    "docs/providers/ai360": [[Run(prints=(TEXT,), sends=(("ai360", {"max_tokens": 100}),))]],
    "docs/providers/ant_ling": [[Run(prints=(TEXT,), sends=(("ant_ling", {"max_tokens": 100}),))]],
    "docs/providers/openai_compatible": [[Run(prints=(TEXT,), sends=(("own", {"enable_thinking": False}),))]],
    "docs/providers/tiangong": [[Run(prints=(TEXT,), answer=tiangong_says)]],
    "docs/providers/minimax": [[Run(prints=(TEXT,), sends=(("minimax", {"max_completion_tokens": 100}),))]],
    "docs/providers/wenxin": [
        [Run(prints=(TEXT,), sends=(("wenxin", {"web_search": {"enable": True}, "enable_thinking": False}),))]
    ],
    # On loopback the base URL begins with http, and so does the protocol.
    "docs/providers/xunfei": [
        [Run(prints=(f"{TEXT} stop",), sends=(("xunfei", {"model": "generalv3.5"}),), key=f"{KEY}:{KEY}")]
    ],
    "docs/providers/xunfei_http": [[Run(prints=(f"{TEXT} stop",), sends=(("xunfei_http", {"temperature": 0.7}),))]],
    **agent_pages.runs(Run),
    **bulk_pages.runs(Run),
    "docs/providers/local": [[LOCAL]],
}
#: Tested below by itself: its blocks are the files of a package.
PLUGIN_PAGE = "docs/adding-a-provider"
#: In test_docs_testing.py: its blocks are test files.
TESTING_PAGE = "docs/testing"
#: In test_docs_agents.py: their blocks are run against the vendor server.


def cases() -> list[Any]:
    """Every block with each of its runs; a block that reads the same in both languages runs once."""
    found: dict[tuple[str, int, str], Any] = {}
    for page in OURS:
        for number, (code, runs) in enumerate(zip(blocks(page, "python"), RUNS.get(stem(page), ()), strict=False), 1):
            for position, run in enumerate(runs, 1):
                case = pytest.param(page, number, run, id=f"{name_of(page)}-{number}.{position}")
                found.setdefault((stem(page), position, code), case)
    return list(found.values())


@pytest.fixture
def on_loopback(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    for name, value in environment(server.url).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    yield server
    _clients.shared().close()


def run_here(code: str, where: str, capsys: pytest.CaptureFixture[str]) -> str:
    exec(compile(code, where, "exec", dont_inherit=True), {"__name__": "__main__"})
    return capsys.readouterr().out


def run_apart(code: str, folder: Path, *, url: str, path: str = "") -> str:
    variables = environment(url)
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([path] if path else [])])
    done = subprocess.run(
        python("-c", code),
        cwd=folder,
        env=process_environment(variables),
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_prints(printed: str, wanted: tuple[str, ...]) -> None:
    assert printed.strip(), "the block prints nothing"
    rest = printed
    for text in wanted:
        _, found, rest = rest.partition(text)
        assert found, f"{text!r} is not printed, or not in this order: {printed!r}"


def check_sends(requests: list[Recorded], run: Run) -> None:
    if run.sends is None:
        return
    assert [request.path for request in requests] == [f"/{to}{run.path}" for to, _ in run.sends]
    for request, (_, wanted) in zip(requests, run.sends, strict=True):
        assert request.headers["authorization"] == f"Bearer {run.key}"
        assert {**request.json, **wanted} == request.json
    assert not run.headers or {**requests[0].headers, **run.headers} == requests[0].headers


@pytest.mark.parametrize(("page", "number", "run"), cases())
def test_code_runs_as_it_stands(
    page: Path,
    number: int,
    run: Run,
    on_loopback: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    on_loopback.default(run.answer)
    code = blocks(page, "python")[number - 1]

    if run.own_process:
        printed = run_apart(code, tmp_path, url=on_loopback.url)
    else:
        printed = run_here(code, f"{name_of(page)}, block {number}", capsys)

    check_prints(printed, run.prints)
    check_sends(on_loopback.requests, run)


@pytest.mark.parametrize("page", OURS, ids=name_of)
def test_every_block_of_code_has_its_expectations(page: Path) -> None:
    if stem(page) in (PLUGIN_PAGE, TESTING_PAGE, *AGENT_PAGES, *OF_FRAMEWORKS):
        return
    known = len(RUNS.get(stem(page), ()))
    found = len(blocks(page, "python"))
    assert found == known, f"{name_of(page)} has {found} Python blocks, RUNS[{stem(page)!r}] in this file has {known}"


@pytest.mark.parametrize("page", [page for page in OURS if stem(page) == PLUGIN_PAGE], ids=name_of)
def test_the_plugin_of_the_docs_is_a_provider_once_installed(
    page: Path, on_loopback: ScriptedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_loopback.default(vendor)
    _, module, call = blocks(page, "python")
    (project,) = blocks(page, "toml")
    point = re.search(r'\[project\.entry-points\."(.+)"\]\n(.+)\n', project)
    assert point is not None
    group, line = point.groups()
    installed = tmp_path / "unionllm_acme-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: unionllm-acme\nVersion: 0.1.0\n")
    (tmp_path / f"{line.partition(' = ')[2].strip(chr(34))}.py").write_text(module, encoding="utf-8")
    # An installer writes the value without the quotes of TOML.
    (installed / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")

    printed = run_apart(call, tmp_path, url=on_loopback.url, path=str(tmp_path))

    check_prints(printed, (TEXT, "max_completion_tokens", "temperature"))
    sent = {"model": "acme-1", "max_tokens": 50, "temperature": 1}
    check_sends(on_loopback.requests, Run(sends=(("acme", sent),)))


@pytest.mark.parametrize("page", [page for page in OURS if stem(page) == PLUGIN_PAGE], ids=name_of)
def test_a_server_of_ones_own_needs_no_adapter(page: Path, on_loopback: ScriptedServer, tmp_path: Path) -> None:
    on_loopback.default(vendor)

    printed = run_apart(blocks(page, "python")[0], tmp_path, url=on_loopback.url)

    check_prints(printed, (TEXT,))
    assert [request.path for request in on_loopback.requests] == ["/own/chat/completions"]
    assert on_loopback.requests[0].headers["authorization"] == "Bearer none"
