"""What a batch costs, and budgets in money, to the last cent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from replies import answer
from server import Reply, ScriptedServer

from unionllm import Cost, ModelResponse, Usage, batch
from unionllm._batch.results import Purse
from unionllm._priced import remember
from unionllm._request import ChatRequest
from unionllm.testing import VendorServer

PRICED = [{"provider": "zhipuai", "models": ["glm-4.5"], "currency": "CNY", "input": 1e5, "output": 1e5}]


@pytest.fixture
def vendors() -> Iterator[VendorServer]:
    with VendorServer() as server:
        yield server


def given(vendors: VendorServer, **more: Any) -> dict[str, Any]:
    return {**vendors.arguments("zhipuai"), "model": "glm-4.5", "thinking": False, **more}


def test_a_budget_in_money_stops_when_no_answer_says_its_price(vendors: VendorServer) -> None:
    """Nobody knows what a server of one's own costs; the run must not go on blindly."""
    own = given(vendors, provider="openai_compatible", thinking=None)

    run = batch([f"q{number}" for number in range(50)], budget_cost=1.0, **own)

    results = list(run)

    assert (run.stats.ending, [result.is_ok for result in results]) == ("no_price", [True])


def test_a_budget_in_money_is_kept_by_your_own_prices(vendors: VendorServer) -> None:
    run = batch([f"q{number:02}" for number in range(50)], budget_cost=20.0, prices=PRICED, **given(vendors))
    results = list(run)

    assert run.stats.ending == "budget"
    assert run.stats.cost == pytest.approx(sum(result.cost or 0 for result in results))
    assert 0 < run.stats.cost <= 20
    assert run.stats.cost == pytest.approx(run.stats.tokens / 10)


@pytest.mark.parametrize("affordable", range(1, 12))
def test_a_budget_is_spent_to_the_last_cent(vendors: VendorServer, affordable: int) -> None:
    """Each answer takes 7 tokens, 0.1 CNY each; ten times 0.7 is not 7 where numbers are binary."""
    limit = float(affordable * Decimal("0.7"))
    lines = [f"q{chr(97 + number)}" for number in range(13)]

    run = batch(lines, budget_cost=limit, prices=PRICED, concurrency=1, **given(vendors))
    results = list(run)

    assert (len(results), run.stats.cost, run.stats.ending) == (affordable, limit, "budget")


def test_a_budget_in_money_is_kept_by_the_packages_own_prices(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The vendor's own address, as a proxy plays it: from the usage in its answers to the end of the run."""
    for name in ("ALL_PROXY", "NO_PROXY", "all_proxy", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    server.default(lambda request: Reply(json=answer(usage=usage, model=request.json["model"])))
    where: dict[str, Any] = {
        "provider": "zhipuai",
        "base_url": "http://open.bigmodel.cn/api/paas/v4",
        "api_key": "sk-1",
    }
    rest: dict[str, Any] = {**where, "model": "glm-5.3", "journal": tmp_path / "j"}
    lines = [f"q{number}" for number in range(20)]

    run = batch(lines, budget_cost=0.1, **rest)

    costs = [result.cost for result in run]
    assert (costs, run.stats.cost, run.stats.ending) == ([0.022] * 4, 0.088, "budget")
    more = batch(lines, budget_cost=0.22, **rest)
    assert ([result.cost for result in more], more.stats.cost) == ([0.022] * 10, 0.22)
    assert (more.stats.asked, len(server.requests)) == (6, 10)


def test_a_job_that_costs_nothing_goes_on_under_a_budget(vendors: VendorServer, tmp_path: Path) -> None:
    free = [{**PRICED[0], "input": 0, "output": 0}]
    rest: dict[str, Any] = {"budget_cost": 1, "prices": free, "journal": tmp_path / "j", **given(vendors)}
    assert len(list(batch(["a"], **rest))) == 1

    again = batch(["a", "b"], **rest)

    assert (len(list(again)), again.stats.ending, again.stats.cost, again.stats.is_priced) == (2, "done", 0.0, True)


def test_answers_of_unknown_cost_are_no_free_ones_to_a_budget(vendors: VendorServer, tmp_path: Path) -> None:
    """Three answers of 0.7 CNY, two of them from a vendor without a price."""
    lines: list[Any] = ["qa", *({"prompt": f"q{each}", "model": "glm-4.6"} for each in "bcde")]

    run = batch(lines, budget_cost=2.1, prices=PRICED, concurrency=1, **given(vendors))

    assert [result.cost for result in run] == [0.7, None, None]
    assert (run.stats.ending, run.stats.cost) == ("budget", 0.7)


def test_a_job_keeps_its_currency_when_it_goes_on(vendors: VendorServer, tmp_path: Path) -> None:
    rest: dict[str, Any] = {"journal": tmp_path / "j", **given(vendors)}
    assert [result.cost for result in batch(["qa"], prices=PRICED, **rest)] == [0.7]
    dollars = [{**PRICED[0], "currency": "USD"}]

    run = batch(["qa", "qb"], prices=dollars, **rest)

    assert ([result.cost for result in run], run.stats.cost) == ([0.7, None], 0.7)


def test_money_of_a_second_currency_is_not_added_to_the_first() -> None:
    purse = Purse()
    answers = [ModelResponse() for _ in range(4)]
    told = [Cost(Decimal("0.5"), "CNY"), Cost(Decimal("9"), "USD"), Cost(Decimal("0.25"), "CNY"), None]
    for response, cost in zip(answers, told, strict=True):
        if cost is not None:
            usage = Usage(total_cost=cost.amount, cost_unit=cost.currency)
            response.usage = usage
            remember(response, ChatRequest(provider="dify", model="", messages=()), None)

    assert [purse.cost_of(response) for response in answers] == [0.5, None, 0.25, None]
