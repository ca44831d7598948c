"""The code of the agent platforms' pages runs as it stands, in both languages, against the vendor server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import AGENT_PAGES, OURS, blocks, name_of, stem

from unionllm import _clients, _registry
from unionllm.testing import VendorServer

_PASSAGE = {"content": "七天内可以退货。", "score": 0.96, "title": "退货.md", "id": "p1"}
_SAID: dict[str, Any] = {"text": "七天内都可以。", "usage": {"prompt": 9, "completion": 7}, "context": [_PASSAGE]}

#: Page → what the server says to its calls, in order, and what must be printed.
RUNS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "docs/agents": ([_SAID, {"text": "三天。"}], ["七天内都可以。", "三天。 True"]),
    "docs/providers/appbuilder": (
        [_SAID, {"text": "三天。"}],
        ["七天内都可以。", "1 退货.md", "三天。 True"],
    ),
    "docs/providers/bailian_app": (
        [_SAID, {"text": "三天。"}],
        ["七天内都可以。", "1 退货.md", "三天。"],
    ),
    "docs/providers/coze": (
        [_SAID, {"text": "三天。", "usage": {"prompt": 3, "completion": 2}}],
        ["七天内都可以。", "1 退货.md 0.96", "三天。 5"],
    ),
    "docs/providers/dify": (
        [_SAID, {"text": "三天。", "usage": {"prompt": 3, "completion": 2}}],
        ["七天内都可以。", "1 退货.md 0.96", "三天。 0.0000300 USD"],
    ),
    "docs/providers/fastgpt": ([_SAID], ["七天内都可以。", "退货.md 0.96 七天内可以退货。", "16 li-1"]),
    "docs/providers/zhipu_app": (
        [{"text": "Hello"}, {"text": "三天。", "usage": {"prompt": 9, "completion": 7}}],
        ["Hello", "三天。 16"],
    ),
    "docs/providers/adp": ([_SAID, {"text": "三天。"}], ["七天内都可以。", "1 退货.md None", "三天。"]),
}
_CASES = [page for page in OURS if stem(page) in AGENT_PAGES]


def environment(server: VendorServer, name: str) -> dict[str, str | None]:
    """Variables that send a provider to the server, with its credentials."""
    found = _registry.find(name)
    assert found is not None
    spec = found.adapter.spec
    given = server.arguments(name)
    variables: dict[str, str | None] = dict.fromkeys(name for one in spec.credentials for name in one.env)
    variables |= {one.env[0]: given.get(one.name) for one in spec.credentials if one.env}
    return {**variables, **dict.fromkeys(spec.base_url_env, given["base_url"])}


def test_every_agent_platform_has_its_run() -> None:
    assert set(RUNS) == AGENT_PAGES


@pytest.mark.parametrize("page", _CASES, ids=name_of)
def test_code_of_an_agent_platform_runs_as_it_stands(
    page: Path, vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provider = "dify" if stem(page) == "docs/agents" else stem(page).rpartition("/")[2]
    for name, value in environment(vendor_server, provider).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    replies, wanted = RUNS[stem(page)]
    for reply in replies:
        vendor_server.reply(vendor=provider, **reply)
    [code] = blocks(page, "python")

    exec(compile(code, name_of(page), "exec", dont_inherit=True), {"__name__": "__main__"})

    assert capsys.readouterr().out.split("\n") == [*wanted, ""]
    assert [request.refused for request in vendor_server.refused] == []
    _clients.shared().close()
