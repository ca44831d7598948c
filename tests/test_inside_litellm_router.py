"""LiteLLM's own machinery around native vendors: its map of providers, its Router, its closing of streams."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import litellm_vendor
import pytest
from litellm_vendor import MESSAGES, run
from replies import piece
from server import Pause, ScriptedServer
from vendors_on_loopback import environment, process_environment, python

from unionllm import _litellm, litellm_plugin
from unionllm.testing import VendorServer

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop = litellm_vendor.isolated, litellm_vendor.one_loop

MODELS = {"zhipuai": "glm-4.6", "deepseek": "deepseek-v4-flash"}


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """LiteLLM as a program finds it that has registered nothing."""
    module = _litellm._load()
    before = list(module.custom_provider_map)
    module.custom_provider_map.clear()
    yield module
    module.custom_provider_map = before


def names(litellm: Any) -> list[str]:
    return [entry["provider"] for entry in litellm.custom_provider_map]


def test_registering_twice_is_registering_once(litellm: Any) -> None:
    litellm_plugin.register()
    litellm_plugin.register()

    assert litellm.custom_provider_map == [{"provider": "unionllm", "custom_handler": litellm_plugin.handler}]
    assert "unionllm" in litellm.provider_list


def test_entries_that_were_there_before_stay(litellm: Any) -> None:
    mine = {"provider": "mine", "custom_handler": litellm_plugin.handler}
    litellm.custom_provider_map = [mine]

    litellm_plugin.register()

    assert litellm.custom_provider_map[0] is mine
    assert sorted(names(litellm)) == ["mine", "unionllm"]


def test_registering_again_puts_us_into_a_map_assigned_since(litellm: Any, vendor_server: VendorServer) -> None:
    """As LiteLLM's own pages tell everyone to do it. LiteLLM itself is left as it is."""
    litellm_plugin.register()
    litellm.custom_provider_map = [{"provider": "mine", "custom_handler": litellm_plugin.handler}]

    litellm_plugin.register()

    assert names(litellm) == ["mine", "unionllm"]
    for prefix in ("mine", "unionllm"):
        litellm.completion(
            model=f"{prefix}/zhipuai/glm-4.6",
            messages=MESSAGES,
            api_key=vendor_server.credentials("zhipuai")["api_key"],
            api_base=vendor_server.url("zhipuai"),
        )
    assert len(vendor_server.requests) == 2


def test_an_entry_of_our_name_is_not_replaced(litellm: Any) -> None:
    theirs = {"provider": "unionllm", "custom_handler": object()}
    litellm.custom_provider_map.append(theirs)

    litellm_plugin.register()

    assert litellm.custom_provider_map == [theirs]


def test_importing_the_plugin_does_not_import_litellm() -> None:
    program = "import sys; import unionllm.litellm_plugin; print('litellm' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run(
        python("-c", program),
        env=process_environment(environment()),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert done.stdout.split() == ["False", "False"]


def test_the_plugin_has_nothing_else() -> None:
    assert set(litellm_plugin.__all__) == set(dir(litellm_plugin))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = litellm_plugin.no_such_name


def deployment(server: VendorServer, group: str, vendor: str) -> dict[str, Any]:
    """A row of a Router's list of models."""
    where = {"api_base": server.url(vendor), "api_key": server.credentials(vendor)["api_key"]}
    return {"model_name": group, "litellm_params": {"model": f"unionllm/{vendor}/{MODELS[vendor]}", **where}}


def router(litellm: Any, *models: dict[str, Any], **settings: Any) -> Any:
    litellm_plugin.register()
    return litellm.Router(model_list=list(models), **{"num_retries": 0, **settings})


async def text_of(made: Any, group: str, *, stream: bool) -> str:
    """What a Router answers."""
    answer = await made.acompletion(model=group, messages=MESSAGES, stream=stream)
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])


def asked(server: VendorServer) -> list[str]:
    return [request.vendor for request in server.requests]


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@both
@pytest.mark.parametrize("fault", ["auth", "no_balance", "rate_limit", "overloaded", "server", "context", "policy"])
def test_a_router_falls_back_to_another_group(
    litellm: Any, vendor_server: VendorServer, fault: str, stream: bool
) -> None:
    groups = [deployment(vendor_server, "first", "zhipuai"), deployment(vendor_server, "second", "deepseek")]
    made = router(litellm, *groups, fallbacks=[{"first": ["second"]}])
    vendor_server.fault(fault, vendor="zhipuai")
    vendor_server.reply(vendor="deepseek", text="在")

    assert run(text_of(made, "first", stream=stream)) == "在"
    assert asked(vendor_server) == ["zhipuai", "deepseek"]


@both
def test_long_messages_go_where_they_fit(litellm: Any, vendor_server: VendorServer, stream: bool) -> None:
    """Its own class is what LiteLLM's context_window_fallbacks go by."""
    groups = [deployment(vendor_server, "short", "zhipuai"), deployment(vendor_server, "long", "deepseek")]
    made = router(litellm, *groups, context_window_fallbacks=[{"short": ["long"]}])
    vendor_server.fault("context", vendor="zhipuai")
    vendor_server.reply(vendor="deepseek", text="在")

    assert run(text_of(made, "short", stream=stream)) == "在"


@both
def test_a_router_tries_again_when_the_vendor_says(litellm: Any, vendor_server: VendorServer, stream: bool) -> None:
    made = router(litellm, deployment(vendor_server, "one", "zhipuai"), num_retries=2)
    vendor_server.fault("rate_limit", retry_after=1)
    vendor_server.reply(text="好了")

    async def timed() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        return await text_of(made, "one", stream=stream), loop.time() - start

    text, seconds = run(timed())

    assert text == "好了"
    assert seconds >= 1
    assert asked(vendor_server) == ["zhipuai", "zhipuai"]


@both
def test_a_router_leaves_a_deployment_alone_that_fails(litellm: Any, vendor_server: VendorServer, stream: bool) -> None:
    same = [deployment(vendor_server, "one", vendor) for vendor in MODELS]
    made = router(litellm, *same, num_retries=2, allowed_fails=0, cooldown_time=60)
    vendor_server.fault("auth", vendor="zhipuai")

    async def work() -> list[str]:
        return [await text_of(made, "one", stream=stream) for _ in range(12)]

    texts = run(work())

    assert len(texts) == 12
    assert asked(vendor_server).count("zhipuai") <= 1
    assert asked(vendor_server).count("deepseek") == 12


def test_a_router_hands_on_what_a_stream_said_before_it_broke(litellm: Any, vendor_server: VendorServer) -> None:
    made = router(litellm, deployment(vendor_server, "one", "zhipuai"))
    vendor_server.fault("cut", text=["一", "二", "三"], after=3)

    async def work() -> tuple[str, str]:
        heard = ""
        try:
            async for chunk in await made.acompletion(model="one", messages=MESSAGES, stream=True):
                heard += chunk.choices[0].delta.content or ""
        except litellm.APIConnectionError as error:
            return heard, str(error)
        return heard, ""

    heard, error = run(work())

    assert heard
    assert "zhipuai" in error


ENDLESS = [piece({"role": "assistant", "content": "一"}), *[piece({"content": "二"})] * 3, Pause(60)]


def leave_sync(litellm: Any, arguments: dict[str, Any]) -> None:
    stream = litellm.completion(**arguments)
    next(iter(stream))
    stream.completion_stream.close()


def leave_async(litellm: Any, arguments: dict[str, Any]) -> None:
    async def work() -> None:
        stream = await litellm.acompletion(**arguments)
        async for _ in stream:
            break
        await stream.aclose()

    run(work())


@pytest.mark.parametrize("leave", [leave_sync, leave_async], ids=["sync", "async"])
def test_closing_a_stream_closes_the_connection(
    litellm: Any, server: ScriptedServer, leave: Callable[[Any, dict[str, Any]], None]
) -> None:
    """A proxy does so when its client goes; the vendor would go on writing, and billing."""
    litellm_plugin.register()
    server.default(sse=ENDLESS)

    where = {"api_base": f"{server.url}/v1", "api_key": "sk-1", "messages": MESSAGES}
    leave(litellm, {"model": "unionllm/deepseek/deepseek-v4-flash", "stream": True, **where})

    server.wait_until(lambda: server.open_connections == 0, timeout=10)
