"""Baidu Qianfan: the signature of an access key, and the tokens that it buys."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from qianfan import told
from replies import MESSAGES, answer, stream
from server import Cut, Recorded, Reply, ScriptedServer

from unionllm import UnionLLM, aunionchat, unionchat
from unionllm._protocols.bce_auth import read_token, sign
from unionllm.exceptions import APIConnectionError, APIError, AuthenticationError
from unionllm.testing import VendorServer

ACCESS_KEY = "ALTAKmadeUpForTestsOnly1"
#: What a token looks like, but for its number.
TOKEN = "bce-v3/ALTAK-made-up/token-number"


# The signature.


def test_baidus_worked_example_is_signed_alike() -> None:
    assert sign(
        "test-ak",
        "test-sk",
        method="GET",
        path="/v1/BCE-BEARER/token",
        query={"expireInSeconds": "43200"},
        headers={"host": "iam.bj.baidubce.com", "x-bce-date": "2023-11-14T22:13:20Z"},
        now=1_700_000_000,
        seconds=300,
    ) == (
        "bce-auth-v1/test-ak/2023-11-14T22:13:20Z/300/host;x-bce-date/"
        "0916d86ad6e65f32a0e969c7bcf54263c56b3b533b28df49bc70489045fad905"
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/v1/BCE-BEARER/token", {"expireInSeconds": "43200"}, {"x-bce-date": "2023-11-14T22:13:20Z"}),
        ("GET", "/v1/a-b_c.d~e", {"b": "2", "a": "1 /&=", "中": "文"}, {"x-bce-date": " 2023-11-14T22:13:20Z "}),
        ("POST", "/", {}, {"content-type": "application/json; charset=utf-8", "x-bce-a": "!*'()"}),
    ],
)
def test_the_official_signer_says_the_same(
    method: str, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    signer = pytest.importorskip("baidubce.auth.bce_v1_signer", reason="Baidu's SDK is not installed")
    from baidubce.auth.bce_credentials import BceCredentials

    headers = {"host": "iam.bj.baidubce.com", **headers}
    names = sorted(headers)
    theirs = signer.sign(
        BceCredentials("test-ak", "test-sk"),
        method.encode(),
        path.encode(),
        {name.encode(): value.encode() for name, value in headers.items()},
        {name.encode(): value.encode() for name, value in query.items()},
        1_700_000_000,
        1800,
        [name.encode() for name in names],
    )
    ours = sign(
        "test-ak", "test-sk", method=method, path=path, query=query, headers=headers, now=1_700_000_000, seconds=1800
    )

    assert ours == theirs.decode()


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        ({"token": "t", "expireTime": "2023-11-15T10:13:20Z"}, 1_700_043_200),
        ({"token": "t", "expireTime": "2023-11-15T10:13:20"}, 1_700_043_200),
        ({"token": "t", "expireTime": "2023-11-15T18:13:20+08:00"}, 1_700_043_200),
        ({"token": "t", "expireTime": "soon"}, 1_700_043_200),
        ({"token": "t"}, 1_700_043_200),
        ({"token": ""}, None),
        ({"token": 5}, None),
        ([], None),
    ],
)
def test_a_token_ends_when_it_says_so(data: Any, ends: float | None) -> None:
    token = read_token(data, 1_700_000_000)

    assert (token and token.ends) == ends


# Tokens, over real sockets.


def calling(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    """A call with an access key that no other test has: tokens are kept from test to test."""
    given = {"provider": "wenxin", "model": "ernie-5.1", "messages": MESSAGES, "access_key": ACCESS_KEY}
    places = {"base_url": f"{server.url}/v2", "iam_base_url": f"{server.url}/iam/"}
    return {**given, **places, "secret_key": uuid.uuid4().hex, "max_retries": 0, "timeout": 5, **changes}


def is_token(request: Recorded) -> bool:
    return request.path == "/iam/v1/BCE-BEARER/token"


class Vendor:
    """Sells a token with a new number to each who asks, and answers chats; ``refused`` are tokens that it refuses."""

    def __init__(self, server: ScriptedServer, *, seconds: float = 43_200, delay: float = 0.0) -> None:
        self.refused: set[str] = set()
        self._server = server
        self._seconds, self._delay = seconds, delay
        self._lock = threading.Lock()
        self._sold = 0
        server.default(self.answer)

    def answer(self, request: Recorded) -> Reply:
        if is_token(request):
            with self._lock:
                self._sold += 1
                token = f"{TOKEN}-{self._sold}"
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self._seconds))
            reply = {"userId": "u", "token": token, "status": "enable", "createTime": "", "expireTime": ends}
            return Reply(json=reply, delay=self._delay)
        if request.headers["authorization"] in {f"Bearer {token}" for token in self.refused}:
            refusal = {"error": {"code": "invalid_iam_token", "message": "The IAM token is invalid"}, "id": "as-1"}
            return Reply(json=refusal, status=401)
        return Reply(sse=stream("好")) if request.json.get("stream") else Reply(json=answer("好"))

    @property
    def tokens(self) -> int:
        """How many were sold."""
        return len([request for request in self._server.requests if is_token(request)])

    @property
    def used(self) -> list[str]:
        """The keys that chats came with, in order."""
        return [request.headers["authorization"] for request in self._server.requests if not is_token(request)]


def ask_sync(given: dict[str, Any]) -> str:
    got = unionchat(**given)
    return "".join(got.text()) if given.get("stream") else got.choices[0].message.content


def ask_async(given: dict[str, Any]) -> str:
    return asyncio.run(ask_in_loop(given))


async def ask_in_loop(given: dict[str, Any]) -> str:
    got = await aunionchat(**given)
    return "".join([text async for text in got.text()]) if given.get("stream") else got.choices[0].message.content


Ask = Callable[[dict[str, Any]], str]
both = pytest.mark.parametrize("ask", [ask_sync, ask_async])
ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


@both
@ways
def test_an_access_key_buys_a_token_once(server: ScriptedServer, ask: Ask, streamed: bool) -> None:
    vendor = Vendor(server)
    given = calling(server, stream=streamed)

    assert [ask(given), ask(given), ask({**given, "stream": not streamed})] == ["好"] * 3

    assert vendor.tokens == 1
    assert vendor.used == [f"Bearer {TOKEN}-1"] * 3
    [bought] = filter(is_token, server.requests)
    assert (bought.method, bought.query) == ("GET", {"expireInSeconds": "43200"})
    assert bought.headers["host"] == server.url.removeprefix("http://")
    assert bought.headers["authorization"].startswith(f"bce-auth-v1/{ACCESS_KEY}/{bought.headers['x-bce-date']}/300/")


@both
def test_a_token_that_ends_in_five_minutes_is_replaced(server: ScriptedServer, ask: Ask) -> None:
    vendor = Vendor(server, seconds=290)
    given = calling(server)

    ask(given)
    ask(given)

    assert vendor.used == [f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-2"]


@both
@ways
def test_a_refused_token_is_replaced_and_the_call_made_again(server: ScriptedServer, ask: Ask, streamed: bool) -> None:
    vendor = Vendor(server)
    given = calling(server, stream=streamed)
    ask(given)
    vendor.refused.add(f"{TOKEN}-1")

    assert ask(given) == "好"

    assert vendor.used == [f"Bearer {TOKEN}-{number}" for number in (1, 1, 2)]


@both
@ways
def test_a_second_refusal_is_the_callers(server: ScriptedServer, ask: Ask, streamed: bool) -> None:
    vendor = Vendor(server)
    vendor.refused |= {f"{TOKEN}-{number}" for number in range(5)}

    with pytest.raises(AuthenticationError) as caught:
        ask(calling(server, stream=streamed))

    assert (caught.value.code, caught.value.request_id, vendor.tokens) == ("invalid_iam_token", "as-1", 2)


def test_a_refused_key_is_not_asked_about_twice(server: ScriptedServer) -> None:
    vendor = Vendor(server)
    vendor.refused.add("k")
    given = calling(server, api_key="k", access_key=None, secret_key=None)

    with pytest.raises(AuthenticationError):
        unionchat(**given)

    assert (vendor.tokens, vendor.used) == (0, ["Bearer k"])


def test_threads_and_loops_that_call_at_once_share_one_token(server: ScriptedServer) -> None:
    vendor = Vendor(server, delay=0.2)
    given = calling(server)

    async def many() -> list[str]:
        return await asyncio.gather(*(ask_in_loop(given) for _ in range(8)))

    with ThreadPoolExecutor(12) as pool:
        single = [pool.submit(ask_sync, given) for _ in range(10)]
        loops = [pool.submit(asyncio.run, many()) for _ in range(2)]
        assert [one.result() for one in single] == ["好"] * 10
        assert [loop.result() for loop in loops] == [["好"] * 8] * 2

    assert vendor.tokens == 1


def test_a_call_that_is_cancelled_while_it_buys_leaves_the_others_alive(server: ScriptedServer) -> None:
    vendor = Vendor(server, delay=0.3)
    given = calling(server)

    async def run() -> str:
        first = asyncio.ensure_future(ask_in_loop(given))
        await asyncio.to_thread(server.wait_until, lambda: vendor.tokens == 1)
        second = asyncio.ensure_future(ask_in_loop(given))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert asyncio.run(run()) == "好"
    assert vendor.tokens == 2


def test_the_event_loop_is_free_while_a_call_waits_for_anothers_token(server: ScriptedServer) -> None:
    Vendor(server, delay=0.3)
    given = calling(server)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def run() -> None:
        ticking = asyncio.ensure_future(tick())
        await asyncio.gather(*(ask_in_loop(given) for _ in range(3)))
        ticking.cancel()

    asyncio.run(run())
    assert ticks > 10


def test_a_failed_purchase_is_told_to_all_who_waited(server: ScriptedServer) -> None:
    refusal = {"error": {"code": "invalid_iam_token", "message": "the access key does not exist"}}
    server.default(json=refusal, status=401, delay=0.3)
    given = calling(server)

    with ThreadPoolExecutor(5) as pool:
        errors = [one.exception() for one in [pool.submit(ask_sync, given) for _ in range(5)]]

    assert [type(error) for error in errors] == [AuthenticationError] * 5
    assert len({id(error) for error in errors}) == 5
    assert len(server.requests) == 1


def test_another_secret_gets_no_token_of_a_known_access_key(server: ScriptedServer) -> None:
    vendor = Vendor(server)
    ask_sync(calling(server))
    ask_sync(calling(server))

    assert vendor.tokens == 2


def test_a_token_is_bought_again_after_a_call_that_could_not_reach_the_seller(server: ScriptedServer) -> None:
    vendor = Vendor(server)
    given = calling(server)

    with pytest.raises(APIConnectionError, match=r"no answer from 127\.0\.0\.1:1 "):
        ask_sync({**given, "iam_base_url": "http://127.0.0.1:1"})

    assert ask_sync(given) == "好"
    assert vendor.tokens == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (
            Reply(json={"error": {"code": "invalid_iam_token", "message": "no such key"}}, status=401),
            "iam/apikey",
        ),
        (Reply(json={"code": "AccessDenied", "message": "no"}, status=403), "AccessDenied"),
        (Reply(json={"userId": "u"}), "no token in the answer"),
        (Reply(body=f"<p>{TOKEN}</p>", content_type="text/html"), "no token in the answer"),
        (Reply(body=f"<p>{TOKEN}</p>", status=502, content_type="text/html"), "HTTP 502"),
    ],
    ids=["refused", "forbidden", "without", "page", "gateway"],
)
def test_no_token_is_an_error_that_shows_none(server: ScriptedServer, reply: Reply, says: str) -> None:
    server.default(reply)

    with pytest.raises(APIError) as caught:
        ask_sync(calling(server))

    assert says in str(caught.value)
    assert caught.value.provider == "wenxin"
    assert TOKEN not in f"{caught.value} {vars(caught.value)}"


FAILURES: dict[str, Any] = {
    "refused": Reply(json={"error": {"code": "invalid_iam_token", "message": "no"}}, status=401),
    "busy": Reply(json={"error": {"code": "internal_error", "message": "no"}}, status=500),
    "silent": Reply(json={}, delay=60),
    "page": Reply(body="<p>", content_type="text/html"),
    "cut": Reply(chunks=[b"{", Cut()]),
}


@both
@ways
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("at_token", [False, True], ids=["chat", "token"])
def test_neither_token_nor_secret_shows_in_logs_errors_and_tracebacks(
    server: ScriptedServer, ask: Ask, name: str, streamed: bool, at_token: bool, caplog: pytest.LogCaptureFixture
) -> None:
    vendor = Vendor(server)
    server.default(lambda request: FAILURES[name] if is_token(request) == at_token else vendor.answer(request))
    given = calling(server, stream=streamed, timeout={"first_token": 0.2, "idle": 0.2})

    with caplog.at_level(logging.DEBUG, "unionllm"), pytest.raises(APIError) as caught:
        ask(given)

    shown = caplog.text + told(caught.value)
    assert TOKEN not in shown
    assert given["secret_key"] not in shown
    assert "/v1/BCE-BEARER/token" in caplog.text


@both
def test_the_vendor_accepts_our_signature_and_the_token_it_sold(ask: Ask) -> None:
    pair = {"access_key": ACCESS_KEY, "secret_key": uuid.uuid4().hex}
    with VendorServer(credentials={"wenxin": pair}) as vendor:
        given = {"provider": "wenxin", "base_url": vendor.url("wenxin"), "iam_base_url": vendor.url("wenxin", "")}
        call = {"model": "ernie-5.1", "messages": MESSAGES, "max_retries": 0}
        vendor.reply(text="好")

        assert ask({**given, **pair, **call}) == "好"
        assert vendor.refused == []
        with pytest.raises(AuthenticationError, match="does not match"):
            ask({**given, **pair, **call, "secret_key": f"{pair['secret_key'][:-1]}x"})


def test_a_client_keeps_its_access_key_to_itself(server: ScriptedServer) -> None:
    vendor = Vendor(server)
    given = calling(server)
    with UnionLLM(**given) as client:
        client.completion()
        assert given["secret_key"] not in repr(client)
    assert vendor.tokens == 1
