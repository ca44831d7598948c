"""Coze's OAuth apps: the JWT that we sign, the token that it buys, and the key that nobody sees."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from unionllm import aunionchat, unionchat
from unionllm._secrets import Secret
from unionllm.exceptions import APIError, AuthenticationError, ProviderError
from unionllm.providers._coze_oauth import read_token, signed
from unionllm.testing import VendorServer

pytest.importorskip("jwt", reason="the extra coze is not installed")
pytest.importorskip("cryptography", reason="the extra coze is not installed")

BOT = "7400000000000000001"
MESSAGES = [{"role": "user", "content": "你好"}]
TOKENS = "/api/permission/oauth2/token"


def make_key() -> tuple[str, str]:
    """A private key and its public half, in PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return private.decode(), public.decode()


PRIVATE, PUBLIC = make_key()
APP = {"client_id": "1100000000001", "public_key_id": "kid-of-tests"}


@pytest.fixture
def server() -> Iterator[VendorServer]:
    """A platform that knows the app; its port, and so its tokens, are new for every test."""
    with VendorServer(credentials={"coze": {**APP, "public_key": PUBLIC}}) as opened:
        yield opened


def calling(server: VendorServer, **changes: Any) -> dict[str, Any]:
    given = {"provider": "coze", "base_url": server.url("coze"), "model": BOT, "messages": MESSAGES, "max_retries": 0}
    return {**given, **APP, "private_key": PRIVATE, **changes}


def bought(server: VendorServer) -> int:
    return sum(request.path == TOKENS for request in server.requests)


def test_a_token_is_bought_once_and_kept(server: VendorServer) -> None:
    for stream in (False, True, False):
        answer = unionchat(**calling(server, stream=stream))
        assert "收到" in ("".join(answer.text()) if stream else answer.choices[0].message.content)

    assert bought(server) == 1
    assert server.refused == []


def test_many_calls_at_once_buy_one_token(server: VendorServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: unionchat(**calling(server)), range(8)))

    async def together() -> None:
        await asyncio.gather(*(aunionchat(**calling(server, session_name="li")) for _ in range(8)))

    asyncio.run(together())
    # A session has a token of its own.
    assert bought(server) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_token_that_is_refused_is_bought_anew(stream: bool, server: VendorServer) -> None:
    unionchat(**calling(server))
    server.vendor("coze")._tokens.clear()  # type: ignore[attr-defined]

    answer = unionchat(**calling(server, stream=stream))

    assert "收到" in ("".join(answer.text()) if stream else answer.choices[0].message.content)
    assert bought(server) == 2


def test_a_token_that_is_refused_in_mid_flow_begins_no_second_chat(server: VendorServer) -> None:
    played = server.vendor("coze")
    answer = played.answer

    def forgetful(request: Any, desk: Any) -> Any:
        reply = answer(request, desk)
        if request.path == "/v3/chat":
            played._tokens.clear()  # type: ignore[attr-defined]
        return reply

    played.answer = forgetful  # type: ignore[method-assign]
    answered = unionchat(**calling(server))

    # Asking for what was said changes nothing, so it is done again with a new token; a chat is not begun again.
    assert answered.choices[0].message.content
    paths = [request.path for request in server.requests]
    assert (paths.count("/v3/chat"), paths.count("/api/permission/oauth2/token")) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"client_id": "1"}, "iss is not the id of the app"),
        ({"public_key_id": "other"}, "kid names no public key"),
        ({"private_key": make_key()[0]}, "the signature does not match"),
    ],
)
def test_an_app_that_is_not_known_is_refused(changes: dict[str, str], says: str, server: VendorServer) -> None:
    with pytest.raises(AuthenticationError, match=says) as raised:
        unionchat(**calling(server, **changes))

    assert [request.path for request in server.requests] == [TOKENS]
    assert raised.value.request_id == "20261123000000TESTLOGID"


@pytest.mark.parametrize("key", ["./private_key.pem", PUBLIC, PRIVATE[:200], "sk-1234"])
def test_what_is_no_private_key_is_refused_before_anything_is_sent(key: str, server: VendorServer) -> None:
    with pytest.raises(AuthenticationError, match=r"no RSA private key") as raised:
        unionchat(**calling(server, private_key=key))

    told = "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None
    assert [line for line in key.splitlines() if line in told.replace("-----BEGIN PRIVATE KEY-----", "")] in ([], [key])
    assert server.requests == []


def test_the_key_may_be_written_in_one_line_and_stand_in_the_environment(
    server: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COZE_JWT_OAUTH_CLIENT_ID", APP["client_id"])
    monkeypatch.setenv("COZE_JWT_OAUTH_PUBLIC_KEY_ID", APP["public_key_id"])
    monkeypatch.setenv("COZE_JWT_OAUTH_PRIVATE_KEY", PRIVATE.replace("\n", "\\n"))
    monkeypatch.setenv("COZE_API_BASE", server.url("coze"))
    monkeypatch.setenv("COZE_BOT_ID", BOT)

    assert unionchat(provider="coze", messages=MESSAGES).choices[0].message.content == "收到：你好"


def test_nobody_sees_the_key_or_what_it_buys(server: VendorServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="unionllm")
    unionchat(**calling(server))
    server.fault("server", vendor="coze", message="you sent czs_made-up-00000001")
    with pytest.raises(APIError) as raised:
        unionchat(**calling(server))

    told = caplog.text + repr(raised.value) + str(raised.value) + str(raised.value.body)
    told += "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    lines = [line for line in PRIVATE.splitlines() if "KEY" not in line]
    assert [line for line in lines if line in told] == []
    assert "eyJ" not in told
    assert "czs_made-up" not in told
    assert "not shown: it holds a secret" in caplog.text


def test_the_jwt_says_what_the_page_wants() -> None:
    import jwt

    given = {**APP, "private_key": PRIVATE}
    made = signed(given, "https://api.coze.cn", now=1_700_000_000.5, number="n-1", session_name="li")

    assert isinstance(made, Secret)
    assert jwt.get_unverified_header(made) == {"alg": "RS256", "typ": "JWT", "kid": "kid-of-tests"}
    assert jwt.decode(made, PUBLIC, algorithms=["RS256"], audience="api.coze.cn", options={"verify_exp": False}) == {
        "iss": "1100000000001",
        "aud": "api.coze.cn",
        "iat": 1_700_000_000,
        "exp": 1_700_000_600,
        "jti": "n-1",
        "session_name": "li",
    }


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        ({"access_token": "t", "expires_in": 1_700_003_600}, 1_700_003_600),
        ({"access_token": "t", "expires_in": 900}, 1_700_000_900),
        ({"access_token": "t"}, 1_700_003_600),
        ({"access_token": ""}, None),
        ({"token": "t"}, None),
    ],
)
def test_a_token_ends_at_a_time_or_after_a_while(data: dict[str, Any], ends: float | None) -> None:
    token = read_token(data, 1_700_000_000)

    assert (token and token.ends) == ends


@pytest.mark.parametrize("missing", ["jwt", "cryptography.exceptions"])
def test_without_the_packages_the_error_names_the_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ProviderError, match=r'pip install "unionllm\[coze\]"'):
        signed({**APP, "private_key": PRIVATE}, "https://api.coze.cn", now=0, number="1")


# The played platform, judged by the official SDK, and by what it refuses.


#: In a process of its own: the SDK leaves its connections open, and changes the filters of warnings.
_SDK = """
import json, sys
from cozepy import Coze, CozeAPIError, JWTAuth, Message
told = json.load(sys.stdin)
auth = JWTAuth(**told["app"], private_key=told["key"], base_url=told["url"])
client, question = Coze(auth=auth, base_url=told["url"]), Message.build_user_question_text("你好")
done = client.chat.create_and_poll(bot_id=told["bot"], user_id="u", additional_messages=[question])
print([message.content for message in done.messages if message.type == "answer"])
try:
    JWTAuth(**told["app"], private_key=told["other"], base_url=told["url"]).token
except CozeAPIError as error:
    print(error)
"""


def test_the_official_sdk_buys_a_token_here(server: VendorServer) -> None:
    pytest.importorskip("authlib", reason="the vendor's SDK is not installed")
    server.reply(text="好")
    told = {"app": APP, "key": PRIVATE, "other": make_key()[0], "url": server.url("coze"), "bot": BOT}

    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", _SDK], input=json.dumps(told), capture_output=True, encoding="utf-8"
    )

    assert done.stdout.startswith("['好']"), done.stderr
    assert "the signature does not match" in done.stdout
    assert [request.refused for request in server.refused] == ["401 4100: the signature does not match"]


def _claims(server: VendorServer, **changes: Any) -> str:
    import time

    import jwt

    header = {"kid": changes.pop("kid", APP["public_key_id"])}
    now = int(time.time())
    claims = {"iss": APP["client_id"], "aud": f"127.0.0.1:{server.port}", "iat": now, "exp": now + 60, "jti": "1"}
    return jwt.encode({**claims, **changes}, PRIVATE, algorithm="RS256", headers=header)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kid": "other"}, "kid names no public key"),
        ({"iss": "1"}, "iss is not"),
        ({"aud": "api.coze.cn"}, "aud is not"),
        ({"exp": 1}, "iat and exp"),
        ({"iat": "now"}, "iat and exp"),
        ({"jti": ""}, "jti is missing"),
    ],
)
def test_the_platform_refuses_jwts_that_are_wrong(changes: dict[str, Any], says: str, server: VendorServer) -> None:
    bearer = _claims(server, **changes)
    order = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "duration_seconds": 60}

    reply = httpx.post(f"{server.url('coze')}{TOKENS}", headers={"Authorization": f"Bearer {bearer}"}, json=order)

    assert reply.status_code == 401
    assert says in reply.text


@pytest.mark.parametrize("bearer", ["x", "a.b", "e30.e30.x", "eyJhbGciOiJIUzI1NiJ9.e30.x", "é.e30.x"])
def test_the_platform_refuses_what_is_no_jwt(bearer: str, server: VendorServer) -> None:
    headers = {"Authorization": f"Bearer {bearer}".encode()}

    assert httpx.post(f"{server.url('coze')}{TOKENS}", headers=headers, json={}).status_code == 401


@pytest.mark.parametrize(
    "order", [{"grant_type": "password"}, {"duration_seconds": 86_400}, {"duration_seconds": True}]
)
def test_the_platform_refuses_orders_that_are_wrong(order: dict[str, Any], server: VendorServer) -> None:
    body = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", **order}
    headers = {"Authorization": f"Bearer {_claims(server)}"}

    assert httpx.post(f"{server.url('coze')}{TOKENS}", headers=headers, json=body).status_code == 400


def test_a_token_ends(server: VendorServer) -> None:
    server.vendor("coze")._tokens["old"] = 1.0  # type: ignore[attr-defined]

    headers = {"Authorization": "Bearer old"}
    assert httpx.get(f"{server.url('coze')}/v3/chat/retrieve", headers=headers).status_code == 401
