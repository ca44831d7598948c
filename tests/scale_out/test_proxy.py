"""Native vendors behind two instances of LiteLLM Proxy that share one Redis: all on loopback, as the example says.

Slower than the other tests (a minute, and another one to install the proxy the first time): ``-m "not scale_out"``
leaves them out.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from proxies import MASTER, ROOT, Proxies

from unionllm.testing import VendorServer

pytestmark = pytest.mark.scale_out

MESSAGES: Any = [{"role": "user", "content": "你好"}]
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def running() -> Iterator[Proxies]:
    with VendorServer() as vendors, Proxies(vendors) as proxies:
        yield proxies


@pytest.fixture
def proxies(running: Proxies) -> Proxies:
    """The same for all tests, with nothing scripted."""
    running.vendors.clear()
    return running


@pytest.fixture
def vendors(proxies: Proxies) -> VendorServer:
    return proxies.vendors


def ask(proxies: Proxies, instance: int, key: str = MASTER, model: str = "glm") -> int:
    """One call; the status of its answer."""
    body = {"model": model, "messages": MESSAGES}
    return proxies.post(instance, "/v1/chat/completions", body, key).status_code


@pytest.mark.parametrize("instance", [0, 1])
def test_openais_client_gets_the_whole_answer(proxies: Proxies, vendors: VendorServer, instance: int) -> None:
    usage = {"prompt": 5, "completion": 7, "cached": 2, "reasoning": 3}
    calls = [{"id": "call_1", "name": "weather", "arguments": '{"city": "北京"}'}]
    vendors.reply(text="晴", reasoning="想一想", tool_calls=calls, usage=usage)

    answer = proxies.client(instance).chat.completions.create(model="glm", messages=MESSAGES, tools=[TOOL])

    message: Any = answer.choices[0].message
    assert (message.content, message.reasoning_content) == ("晴", "想一想")
    assert message.tool_calls[0].function.arguments == '{"city": "北京"}'
    assert answer.choices[0].finish_reason == "tool_calls"
    check_usage(answer.usage)
    assert vendors.refused == []
    assert [request.vendor for request in vendors.requests] == ["zhipuai"]


def check_usage(usage: Any) -> None:
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 7, 12)
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize("instance", [0, 1])
def test_openais_client_streams(proxies: Proxies, vendors: VendorServer, instance: int) -> None:
    usage = {"prompt": 5, "completion": 7, "cached": 2, "reasoning": 3}
    vendors.reply(text=["晴，", "25 ", "度"], reasoning=["想", "一想"], usage=usage, pace=0.2)

    text, thought, counted, arrivals = "", "", None, []
    options = {"include_usage": True}
    with proxies.client(instance).chat.completions.create(
        model="glm", messages=MESSAGES, stream=True, stream_options=options
    ) as stream:
        for chunk in stream:
            counted = chunk.usage or counted
            for choice in chunk.choices:
                text += choice.delta.content or ""
                thought += getattr(choice.delta, "reasoning_content", None) or ""
                if choice.delta.content:
                    arrivals.append(time.monotonic())

    assert (text, thought) == ("晴，25 度", "想一想")
    # Piece by piece, not at the end.
    assert arrivals[-1] - arrivals[0] > 0.3
    check_usage(counted)


def test_anthropics_dialect_reaches_the_vendor_too(proxies: Proxies, vendors: VendorServer) -> None:
    vendors.reply(text="晴", reasoning="想一想")

    reply = proxies.post(0, "/v1/messages", {"model": "glm", "max_tokens": 50, "messages": MESSAGES})

    assert reply.status_code == 200, reply.text
    assert [part["text"] for part in reply.json()["content"] if part["type"] == "text"] == ["晴"]
    assert vendors.refused == []


def test_vendors_own_parameters_pass(proxies: Proxies, vendors: VendorServer) -> None:
    extra = {"thinking": {"type": "disabled"}, "do_sample": False}

    proxies.client(0).chat.completions.create(model="glm", messages=MESSAGES, max_tokens=9, extra_body=extra)

    sent = vendors.requests[0].json
    assert (sent["thinking"], sent["do_sample"], sent["max_tokens"]) == ({"type": "disabled"}, False, 9)


@pytest.mark.parametrize("script", ["client.py", "client.sh"])
def test_the_examples_clients_run(proxies: Proxies, vendors: VendorServer, script: str) -> None:
    for _ in range(2):
        vendors.reply(text=["晴，", "25 度"])
    program = [str(ROOT / ".venv-proxy" / "bin" / "python")] if script.endswith(".py") else ["bash"]

    done = subprocess.run(
        [*program, str(ROOT / "examples" / "proxy" / script)],
        env={"PATH": "/usr/bin:/bin", "OPENAI_BASE_URL": f"{proxies.urls[0]}/v1", "OPENAI_API_KEY": MASTER},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "晴，25 度" in done.stdout if script.endswith(".py") else "25 度" in done.stdout
    assert len(vendors.requests) == 2


def test_a_key_made_at_one_instance_works_at_the_other(proxies: Proxies) -> None:
    key = proxies.make_key(0, alias="team-a")

    assert [ask(proxies, instance, key) for instance in (0, 1)] == [200, 200]
    assert [ask(proxies, instance, f"{key}x") for instance in (0, 1)] == [401, 401]

    assert proxies.post(1, "/keys/delete", {"key": key}).json() == {"deleted": True}
    assert [ask(proxies, instance, key) for instance in (0, 1)] == [401, 401]


def test_a_key_ends_when_its_time_is_over(proxies: Proxies) -> None:
    key = proxies.make_key(0, seconds=1)
    assert ask(proxies, 1, key) == 200

    time.sleep(1.2)

    assert ask(proxies, 1, key) == 401


def test_only_the_master_key_makes_keys(proxies: Proxies) -> None:
    key = proxies.make_key(0)

    for path in ("/keys", "/keys/show", "/keys/delete"):
        assert proxies.post(1, path, {"key": key}, key).status_code == 401
    assert proxies.post(1, "/keys", {"rpm_limt": 5}).status_code == 422


def test_a_key_is_held_to_its_models(proxies: Proxies, vendors: VendorServer) -> None:
    key = proxies.make_key(0, models=["deepseek"])

    assert [ask(proxies, instance, key, "deepseek") for instance in (0, 1)] == [200, 200]
    for instance in (0, 1):
        assert ask(proxies, instance, key, "glm") in (401, 403)
    assert {request.vendor for request in vendors.requests} == {"deepseek"}


def test_a_limit_holds_across_both_instances(proxies: Proxies, vendors: VendorServer) -> None:
    """Six a minute are six in all, not six at each."""
    key = proxies.make_key(0, rpm_limit=6)

    statuses = [ask(proxies, number % 2, key) for number in range(14)]

    assert statuses == [200] * 6 + [429] * 8
    assert len(vendors.requests) == 6
    with pytest.raises(openai.RateLimitError) as refused:
        proxies.client(1, key).chat.completions.create(model="glm", messages=MESSAGES)
    assert int(refused.value.response.headers["retry-after"]) <= 60


def test_a_limit_holds_when_both_are_asked_at_once(proxies: Proxies, vendors: VendorServer) -> None:
    key = proxies.make_key(1, rpm_limit=10)

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda number: ask(proxies, number % 2, key), range(40)))

    assert (statuses.count(200), statuses.count(429)) == (10, 30)
    assert len(vendors.requests) == 10


def test_a_budget_is_one_for_both_instances(proxies: Proxies, vendors: VendorServer) -> None:
    key = proxies.make_key(0, max_budget=0.01)
    usage = {"prompt": 1000, "completion": 2000}
    # 1000 tokens at 0.0000006 and 2000 at 0.0000022.
    cost = 0.005

    for instance in (0, 1):
        vendors.reply(text="贵", usage=usage)
        assert ask(proxies, instance, key) == 200
        spent_at_least(proxies, key, cost * (instance + 1))

    for instance in (0, 1):
        reply = proxies.post(instance, "/v1/chat/completions", {"model": "glm", "messages": MESSAGES}, key)
        # Which status a budget has differs between LiteLLM's versions.
        assert reply.status_code in (400, 422, 429), reply.text
        assert reply.json()["error"]["type"] == "budget_exceeded"
    assert len(vendors.requests) == 2


def spent_at_least(proxies: Proxies, key: str, amount: float) -> None:
    """Wait until that has been booked: LiteLLM does so after the answer."""
    until = time.monotonic() + 10
    while (spent := proxies.post(0, "/keys/show", {"key": key}).json()["spent"]) < amount * 0.999:
        assert time.monotonic() < until, spent
        time.sleep(0.05)
    assert spent < amount * 1.001


def test_another_vendor_answers_when_one_has_no_money_left(proxies: Proxies, vendors: VendorServer) -> None:
    vendors.fault("no_balance", vendor="zhipuai")
    vendors.reply(vendor="deepseek", text="在")

    answer = proxies.client(0).chat.completions.create(model="glm", messages=MESSAGES)

    assert answer.choices[0].message.content == "在"


def test_a_vendors_refusal_reaches_the_client(proxies: Proxies, vendors: VendorServer) -> None:
    vendors.fault("context", vendor="deepseek")

    with pytest.raises(openai.BadRequestError) as refused:
        proxies.client(1).chat.completions.create(model="deepseek", messages=MESSAGES)

    assert "deepseek" in str(refused.value)
    assert vendors.credentials("deepseek")["api_key"] not in str(refused.value.response.text)


def read(proxies: Proxies, instance: int, key: str) -> tuple[str, str]:
    """The text of a long stream, and what broke it off."""
    text = ""
    client = proxies.client(instance, key)
    try:
        for chunk in client.chat.completions.create(model="glm", messages=MESSAGES, stream=True):
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
    except (openai.APIError, openai.APIConnectionError, OSError) as error:
        return text, type(error).__name__
    except Exception as error:  # httpx's own, when the connection is gone in mid-stream
        return text, type(error).__name__
    return text, ""


def test_an_instance_that_dies_loses_only_its_own_streams(proxies: Proxies, vendors: VendorServer) -> None:
    """It leaves one instance."""
    pieces = [f"{number} " for number in range(30)]
    key = proxies.make_key(0, rpm_limit=9)
    for _ in range(6):
        vendors.reply(text=pieces, pace=0.1)

    with ThreadPoolExecutor(6) as pool:
        streams = [pool.submit(read, proxies, number % 2, key) for number in range(6)]
        until = time.monotonic() + 10
        while len(vendors.requests) < 6 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(1)
        proxies.kill(0)
        told = [stream.result(30) for stream in streams]

    for text, broken in told[1::2]:
        assert (text, broken) == ("".join(pieces), "")
    for text, broken in told[0::2]:
        assert broken
        assert "".join(pieces).startswith(text)
        assert text != "".join(pieces)
    # The key was made at the instance that is gone; six of its nine requests are counted.
    assert [ask(proxies, 1, key) for _ in range(5)] == [200] * 3 + [429] * 2
    assert ask(proxies, 1) == 200


def test_without_redis_only_the_master_key_is_let_in(proxies: Proxies) -> None:
    """The last of these tests: it leaves no Redis."""
    key = proxies.make_key(1)
    proxies.stop_redis()

    assert ask(proxies, 1, key) == 503
    assert ask(proxies, 1) == 200
