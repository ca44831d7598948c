"""Whatever a vendor's caller is known by is told to nobody, however the vendor fails and whatever it repeats.

Every provider of the registry, with every set of its credentials, whole and streamed, in both kinds of code. The vendor
that these calls meet repeats all that it was sent: headers, query and body, as text and escaped.
"""

from __future__ import annotations

import asyncio
import functools
import html
import json
import logging
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from server import Cut, Pause, Recorded, Reply, ScriptedServer

from unionllm import aunionchat, unionchat
from unionllm._registry import find, native_names
from unionllm.exceptions import APIError, UnionLLMError

MESSAGES = [{"role": "user", "content": "你好"}]
#: A token that a vendor sells.
SOLD = "planted-token-that-was-bought"


@dataclass(frozen=True)
class Caller:
    """A provider, one of the ways to tell it who is calling, and what a call of it takes beside that."""

    provider: str
    names: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return "-".join((self.provider, *self.names, *(value for _, value in self.more)))


@functools.cache
def private_key() -> str:
    """A key in PEM, as Coze gives it out."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def callers() -> Iterator[Caller]:
    for name in native_names():
        found = find(name)
        assert found is not None
        if name == "local":
            continue  # the model in this process; a server of one's own is an openai_compatible one
        for names in found.adapter.spec.credential_sets:
            more = (("api_version", "v1"),) if "client_secret" in names else ()
            yield Caller(name, names or ("api_key",), more)
    yield Caller("zhipuai", ("api_key",), (("auth", "jwt"),))


CALLERS = tuple(callers())
#: Characters that JSON, URLs and HTML escape, where the vendor's form of a key allows any.
_ODD = '"\\/+&<%='


def secret(name: str, provider: str) -> str:
    if name == "private_key":
        return private_key()
    dot = ".planted-half-9876" if provider in ("zhipuai", "zhipu_app") else ""
    colon = ":planted-password-9876" if provider == "xunfei_http" else ""
    return f"planted-{name}-0123{_ODD}{dot}{colon}"


def arguments(caller: Caller, url: str) -> dict[str, Any]:
    given = {name: secret(name, caller.provider) for name in caller.names}
    places = {"base_url": url, "iam_base_url": f"{url}/iam"} if "access_key" in given else {"base_url": url}
    ids = {"coze": {"bot_id": "7400000000000000001"}, "bailian_app": {"app_id": "a1"}, "appbuilder": {"app_id": "a1"}}
    ids |= {"zhipu_app": {"agent_id": "a1"}}
    model = {"bailian_app": None, "ragflow": "chat/a1"}.get(caller.provider, "m-1")
    call = {"provider": caller.provider, "model": model, "messages": MESSAGES, "max_retries": 0}
    return {**call, **given, **places, **dict(caller.more), **ids.get(caller.provider, {})}


def sale(request: Recorded) -> Reply | None:
    """The answer to whoever buys a token; None for everybody else."""
    if request.path == "/iam/v1/BCE-BEARER/token":
        return Reply(json={"token": SOLD, "expireTime": "2000-01-01T00:00:00Z"})  # too old to be kept
    if request.path.endswith(("/oauth/2.0/token", "/oauth2/token")):
        return Reply(json={"access_token": SOLD, "expires_in": 1})
    return None


def sent(request: Recorded) -> str:
    """All that the vendor was sent, as text and escaped in the usual ways."""
    whole = [*request.headers.values(), *request.query.values(), request.body.decode(), urlencode(request.query)]
    bare = [value.partition(" ")[2] for value in request.headers.values()]
    told = "\n".join([*whole, *bare])
    escaped = [json.dumps(told), json.dumps(json.dumps(told)), repr(told), quote(told), quote_plus(told, safe="")]
    return "\n".join([told, *escaped, html.escape(told), json.dumps(told).replace("/", "\\/").replace("&", "\\u0026")])


def refused(status: int) -> Callable[[Recorded], Reply]:
    def answer(request: Recorded) -> Reply:
        told = sent(request)
        key = request.headers.get("authorization") or request.headers.get("app_key") or "none"
        error = {"message": told, "msg": key, "code": "invalid_api_key", "type": key, "request_id": key}
        headers = {"x-request-id": key, "request-id": key, "x-tt-logid": key, "www-authenticate": key}
        return Reply(
            json={**error, "error": error} if status == 200 else {"error": error}, status=status, headers=headers
        )

    return answer


def page(status: int, before: int) -> Callable[[Recorded], Reply]:
    """A page in no format, with the key at some place: half of it is no less a secret."""
    return lambda request: Reply(body="x" * before + sent(request), status=status, content_type="text/html")


FAULTS: dict[str, Any] = {
    "refused": refused(401),
    "refused in a 200": refused(200),
    "a page": page(502, 0),
    "a page cut within the key": page(502, 180),
    "a good page": page(200, 0),
    "a good page cut within the key": page(200, 190),
    "an event": lambda request: Reply(sse=["{oops " + sent(request)]),
    "an error event": lambda request: Reply(sse=[{"error": {"message": sent(request), "code": sent(request)}}]),
    "cut": Reply(chunks=[b'data: {"a', Cut()]),
    "redirect": lambda request: Reply(
        status=302, headers={"location": f"/x?{urlencode({'key': quote(sent(request))})[:900]}"}, body=sent(request)
    ),
    "silent": Reply(chunks=[b"", Pause(60)]),
}


async def _ask(given: dict[str, Any]) -> None:
    got = await aunionchat(**given)
    if given["stream"]:
        [chunk async for chunk in got]


def ask_sync(given: dict[str, Any]) -> None:
    got = unionchat(**given)
    if given["stream"]:
        list(got)


def ask_async(given: dict[str, Any]) -> None:
    asyncio.run(_ask(given))


def told(error: BaseException | None) -> str:
    """All that can be printed or stored of an error, but for the variables of tests, which hold keys by right."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error), repr(vars(error))]
        walked = traceback.walk_tb(error.__traceback__)
        frames = [pair for pair in walked if Path(pair[0].f_code.co_filename).parent != Path(__file__).parent]
        parts += traceback.StackSummary.extract(iter(frames), capture_locals=True).format()
        parts.append(pickle.dumps(error).decode("latin-1"))
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def shown(secrets: set[str], text: str) -> list[str]:
    """Where secrets stand in the text, in whatever form, or their first or last twelve characters."""
    parts = {part for secret in secrets for part in (secret[:12], secret[-12:], secret)}
    places = [(part, text.find(part)) for part in sorted(parts)]
    return [f"{part} in {text[max(0, place - 60) : place + 40]}" for part, place in places if place >= 0]


def derived(requests: list[Recorded]) -> set[str]:
    """What was made of the credentials: signatures and signed tokens."""
    names = ("sign", "authorization", "access_token")
    values = [
        place.get(name, "") for request in requests for place in (request.headers, request.query) for name in names
    ]
    return {value.removeprefix("Bearer ") for value in values if len(value) > 12}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize("caller", CALLERS, ids=str)
def test_no_failure_tells_who_called(
    caller: Caller, ask: Any, stream: bool, server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("cryptography", reason="the extra coze is not installed")
    url = server.url.replace("http", "ws") if caller.provider == "xunfei" else server.url
    given = {**arguments(caller, url), "stream": stream}
    secrets = {secret(name, caller.provider) for name in caller.names if name not in ("client_id", "public_key_id")}
    caplog.set_level(logging.DEBUG, "unionllm")

    for fault, reply in FAULTS.items():
        for at_sale in (False, True) if caller.names != ("api_key",) else (False,):
            server.requests.clear()
            server.default(functools.partial(_answered, reply, at_sale))
            with pytest.raises(UnionLLMError) as caught:
                ask({**given, "timeout": 0.05 if fault == "silent" else 20})
            text = told(caught.value) + caplog.text
            assert shown(secrets | {SOLD} | derived(server.requests), text) == [], (fault, at_sale)
            caplog.clear()


def _answered(reply: Any, at_sale: bool, request: Recorded) -> Reply:
    sold = None if at_sale else sale(request)
    return sold or (reply(request) if callable(reply) else reply)


@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize("caller", CALLERS, ids=str)
def test_no_connection_that_fails_tells_who_called(caller: Caller, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("cryptography", reason="the extra coze is not installed")
    caplog.set_level(logging.DEBUG, "unionllm")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    scheme = "ws" if caller.provider == "xunfei" else "http"
    with pytest.raises(APIError) as caught:
        ask({**arguments(caller, f"{scheme}://127.0.0.1:{port}"), "stream": True})

    secrets = {secret(name, caller.provider) for name in caller.names if name not in ("client_id", "public_key_id")}
    assert shown(secrets, told(caught.value) + caplog.text) == []
