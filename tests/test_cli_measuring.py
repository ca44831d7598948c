"""``unionllm compare`` and ``unionllm bench``, against the vendor server."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from cli_runs import run_here, set_variables, terminal, variables_for

from unionllm.cli._measuring import Measured
from unionllm.cli._screen import cost_of, money
from unionllm.cli.bench import percentile
from unionllm.cost import Cost
from unionllm.testing import VendorServer


@pytest.fixture
def vendors(vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> VendorServer:
    set_variables(monkeypatch, variables_for(vendor_server, "zhipuai", "deepseek"))
    return vendor_server


def test_every_model_is_asked_the_same_and_its_answer_shown(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    vendors.reply(vendor="zhipuai", text="甲", usage={"prompt": 3, "completion": 5})
    vendors.reply(vendor="deepseek", text="乙", usage={"prompt": 4, "completion": 6})

    ran = run_here(capsys, "compare", "你好", "zhipuai/glm-4.6", "deepseek", "--system", "简短", "--max-tokens", "9")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("== zhipuai/glm-4.6\n甲\n\n== deepseek/deepseek-v4-flash\n乙\n\n")
    head, first, second = ran.out.splitlines()[-3:]
    assert head.split() == ["MODEL", "FIRST", "TOKEN", "TOTAL", "TOKENS/S", "IN", "OUT", "COST"]
    assert first.split()[0] == "zhipuai/glm-4.6"
    assert first.split()[-3:] == ["3", "5", "–"]
    assert second.split()[-3:] == ["4", "6", "–"]
    asked = [(request.json["messages"][0]["content"], request.json["max_tokens"]) for request in vendors.requests]
    assert asked == [("简短", 9), ("简短", 9)]


def test_one_refusal_does_not_hide_the_other_answer(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    vendors.fault("no_balance", vendor="zhipuai")
    vendors.reply(vendor="deepseek", text="乙")

    ran = run_here(capsys, "compare", "你好", "zhipuai", "deepseek", "--json")

    refused, answered = json.loads(ran.out)
    assert ran.code == 1
    assert (refused["error"]["type"], refused["text"]) == ("InsufficientBalanceError", "")
    assert (answered["error"], answered["text"], answered["cost"]) == (None, "乙", None)
    assert 0 < answered["seconds_to_first_token"] <= answered["seconds"]


def test_one_model_cannot_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "compare", "你好", "zhipuai")

    assert (ran.code, ran.out) == (2, "")
    assert "name two providers or more" in ran.err


def test_ctrl_c_shows_what_has_arrived(vendor_server: VendorServer) -> None:
    vendor_server.reply(vendor="deepseek", text="乙")
    vendor_server.fault("stall", vendor="zhipuai", text=["甲乙丙", "丁", "戊"], after=3)
    variables = variables_for(vendor_server, "zhipuai", "deepseek")

    with terminal("compare", "你好", "zhipuai", "deepseek", variables=variables, columns=100) as screen:
        screen.wait_for("甲乙丙")
        screen.interrupt()
        screen.wait_for("stopped")
        code = screen.end()

    assert code == 130
    assert "Traceback" not in screen.text
    # Side by side: both titles in one line.
    assert any("zhipuai/" in line and "deepseek/" in line for line in screen.text.splitlines())


def test_known_costs_are_added_up_and_unknown_ones_counted(
    vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_variables(monkeypatch, variables_for(vendor_server, "zhipuai", "dify"))

    ran = run_here(capsys, "compare", "你好", "dify", "dify", "zhipuai/glm-4.6")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "Together: 0.00006 USD, 1 unknown"
    bare = [line.split()[-2:] for line in ran.out.splitlines() if line.startswith("dify")]
    assert bare == [["0.00003", "USD"]] * 2


class Response:
    def __init__(self, amount: str) -> None:
        self.cost = Cost(Decimal(amount), "CNY") if amount else None


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (Response("0.0125"), "0.0125 CNY"),
        (Response("0.0000123456"), "0.00001235 CNY"),
        (Response(""), "–"),
        (object(), "–"),
        (None, "–"),
    ],
)
def test_a_cost_is_shown_in_its_currency_and_never_guessed(response: object, told: str) -> None:
    assert money(cost_of(response)) == told


def test_a_speed_needs_a_first_token_and_counts() -> None:
    call = Measured(provider="acme", model="acme-1", started=1.0, ended=3.0)

    assert (call.seconds, call.seconds_to_first, call.tokens_a_second) == (2.0, None, None)


def test_a_run_makes_the_calls_it_was_told_and_tells_how_they_went(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    vendors.reply(text="先")
    for _ in range(4):
        vendors.reply(text="好", usage={"prompt": 1, "completion": 10})
    vendors.fault("rate_limit")

    ran = run_here(capsys, "bench", "deepseek", "-n", "5", "-c", "1", "--json")

    told = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    # One call more was made before, and nothing was tried again.
    assert len(vendors.requests) == 6
    assert (told["calls"], told["answered"], told["errors"]) == (5, 4, {"RateLimitError": 1})
    latency = told["seconds_of_a_call"]
    assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert told["tokens_a_second"] == pytest.approx(40 / told["seconds"])


def test_a_run_ends_when_its_time_is_up(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    vendors.reply(text="先")
    vendors.reply(text="好")
    vendors.fault("slow")
    vendors.fault("slow")

    ran = run_here(capsys, "bench", "deepseek", "-n", "9", "-c", "2", "--seconds", "1")

    assert ran.code == 0
    assert "1 of 1 calls answered" in ran.out
    assert "2 cut off at the end" in ran.out
    assert len(vendors.requests) == 4


def test_a_key_that_is_refused_ends_the_run_before_it_begins(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    vendors.fault("auth")

    ran = run_here(capsys, "bench", "deepseek")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("AuthenticationError: deepseek")
    assert len(vendors.requests) == 1


def test_the_plot_is_a_png(vendors: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")

    ran = run_here(capsys, "bench", "deepseek", "-n", "3", "--plot", str(tmp_path / "run.png"))

    assert ran.code == 0
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert ran.err == f"Plot: {tmp_path / 'run.png'}\n"


def test_a_plot_that_cannot_be_written_is_told_before_any_call(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran = run_here(capsys, "bench", "deepseek", "--plot", str(tmp_path / "no" / "run.png"))

    assert (ran.code, vendors.requests) == (2, [])
    assert "in a folder that is there" in ran.err or "needs matplotlib" in ran.err


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 2.5), (100, 4.0), (90, 3.7)])
def test_percentiles_lie_between_their_neighbours(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == pytest.approx(value)
