"""Every provider code that users were promised works through LiteLLM, or says exactly why not.

``foreign_vendors.rows`` is the table. It is measured once, in a process of its own: proxies, certificates and a guard
against connections to the outside belong to a whole process.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import litellm_vendor
import pytest
from foreign_vendors import google, table
from foreign_vendors.rows import CODES, COLUMNS, KEY, ROWS, Row
from foreign_vendors.small import Cohere, NLPCloud
from foreign_vendors.vendor import MESSAGES, TEXT
from litellm_vendor import PIECES, whole
from server import Recorded, Reply, ScriptedServer

from unionllm import AuthenticationError, BadRequestError, ProviderError, _litellm, unionchat, unionembed
from unionllm._litellm_codes import GONE

pytestmark = pytest.mark.filterwarnings("default")  # LiteLLM's own warnings are not ours to mend
isolated, one_loop, outside = litellm_vendor.isolated, litellm_vendor.one_loop, litellm_vendor.outside
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """Measured by the first of the processes that run the tests, if there are several; the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if hasattr(request.config, "workerinput") else base) / "litellm_codes.json"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_text(json.dumps(table.measure()), encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_every_promised_code_has_a_row() -> None:
    assert {row.code for row in ROWS} == set(CODES)
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_code_does_what_its_row_says(measured: dict[str, dict[str, str]], row: Row, column: str) -> None:
    """A pass: the right answer, nobody else addressed; a refusal: its words, and nothing sent at all."""
    outcome = measured[row.name][column]

    assert table.is_as_expected(row, column, outcome), f"expected {row.expected(column)!r}, found {outcome!r}"


def test_an_unexpected_outcome_is_noticed(measured: dict[str, dict[str, str]]) -> None:
    assert list(table.unexpected(measured)) == []

    broken = {**measured, "openai": {**measured["openai"], "whole": "pass | outside: connect 192.0.2.1:443"}}
    sent = {**broken, "palm": {**measured["palm"], "whole": f"{measured['palm']['whole']} | sent: POST x/y"}}

    assert [line.partition(":")[0] for line in table.unexpected(sent)] == ["openai, whole", "palm, whole"]
    assert "UNEXPECTED: pass | outside" in table.plain_table(sent)


def test_the_guard_refuses_and_notes_what_leaves_this_machine() -> None:
    code = """
        import socket
        from foreign_vendors import guard
        guard.install()
        for ask in (lambda: socket.socket().connect(("192.0.2.1", 80)), lambda: socket.getaddrinfo("api.x.test", 443)):
            try:
                ask()
            except OSError as error:
                print(error)
        print(guard.REFUSED)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    said = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=True).stdout

    assert said.count("192.0.2.1:80") == 2
    assert said.count("resolve api.x.test") == 2


def test_the_tables_of_the_docs_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "litellm_codes.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("provider", ["petals", "vllm", "xinference"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_self_hosted_code_without_a_host_is_refused(outside: ScriptedServer, provider: str, stream: bool) -> None:
    with pytest.raises(BadRequestError, match=rf"{provider}: no host.*base_url="):
        unionchat(provider=provider, model="org/m", messages=MESSAGES, stream=stream, api_key=KEY)


@pytest.mark.parametrize("code", sorted(GONE))
def test_a_closed_service_names_its_successor_however_it_is_spelt(outside: ScriptedServer, code: str) -> None:
    for spelling in ({"provider": code.upper()}, {"custom_llm_provider": code}, {"model": f"{code}/m"}):
        with pytest.raises(ProviderError) as caught:
            unionchat(**{"model": "m", "messages": MESSAGES, "api_key": KEY, **spelling})
        assert GONE[code].instead in str(caught.value)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("code", sorted(GONE))
def test_its_key_goes_to_the_server_that_is_named_and_nowhere_else(
    server: ScriptedServer, outside: ScriptedServer, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """As custom_llm_provider="anyscale" LiteLLM would send it to api.openai.com."""
    server.default(json=whole())
    for variable in GONE[code].variables:
        monkeypatch.setenv(variable, f"sk-from-{variable}")
        for spelling in ({"provider": code}, {"custom_llm_provider": code}, {"model": f"{code}/org/m"}):
            call = {"model": "org/m", "messages": MESSAGES, "base_url": f"{server.url}/v1", **spelling}
            assert unionchat(**call).provider == code
        monkeypatch.delenv(variable)
    for request in server.requests:
        assert request.headers["authorization"].startswith("Bearer sk-from-")
        assert request.json["model"] == "org/m"


def test_a_refused_key_of_a_closed_service_is_told_by_its_name(server: ScriptedServer) -> None:
    server.default(status=401, json={"error": {"message": "wrong key"}})

    with pytest.raises(AuthenticationError, match=r"^anyscale: refused with status 401") as caught:
        unionchat("m", MESSAGES, provider="anyscale", base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)

    assert (caught.value.provider, caught.value.model) == ("anyscale", "m")
    assert "custom_openai" not in str(caught.value)


def test_voyage_embeds_and_says_so_when_it_is_asked_to_chat(server: ScriptedServer, outside: ScriptedServer) -> None:
    vector = [{"object": "embedding", "index": 0, "embedding": [1.0]}]
    server.default(json={"object": "list", "data": vector, "model": "voyage-3", "usage": {"total_tokens": 1}})

    with pytest.raises(ProviderError, match=r"voyage makes embeddings.*unionembed\(provider='voyage'"):
        unionchat("voyage/voyage-3", MESSAGES, api_key=KEY)

    told = unionembed("voyage/voyage-3", "x", api_key=KEY, base_url=f"{server.url}/v1")
    assert told.data[0].embedding == [1.0]
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_stream_that_litellm_cannot_read_is_asked_for_whole_and_that_is_told(server: ScriptedServer) -> None:
    vendor = NLPCloud(KEY)
    server.default(vendor)

    with unionchat(
        NLPCloud.model, MESSAGES, provider="nlp_cloud", base_url=f"{server.url}/v1/gpu", api_key=KEY, stream=True
    ) as stream:
        [chunk] = list(stream)

    assert chunk.object == "chat.completion.chunk"
    assert (chunk.choices[0].delta.role, chunk.choices[0].delta.content) == ("assistant", TEXT)
    assert chunk.choices[0].finish_reason is None  # the vendor has no word for it
    assert [(change.parameter, change.action) for change in chunk.adaptations or ()] == [("stream", "replaced")]
    assert "one chunk" in str((chunk.adaptations or [])[0].reason)
    assert stream.response is not None
    assert stream.response.usage is not None


@pytest.mark.parametrize("base", ["/proxy/v2/chat", "/proxy/compatibility/v1", "/proxy"])
def test_streams_of_cohere_take_its_other_door_behind_the_same_host(server: ScriptedServer, base: str) -> None:
    """At /v2/chat it streams server-sent events, which LiteLLM takes for lines of JSON."""

    def without_prefix(request: Recorded) -> Reply:
        return vendor(Recorded(**{**vars(request), "path": request.path.removeprefix("/proxy")}))

    vendor = Cohere(KEY)
    server.default(without_prefix)
    call: dict[str, Any] = {"model": f"cohere/{Cohere.model}", "messages": MESSAGES, "api_key": KEY}
    with unionchat(**call, base_url=server.url + base, stream=True) as stream:
        assert "".join(stream.text()) == TEXT

    assert [request.path for request in server.requests] == ["/proxy/compatibility/v1/chat/completions"]
    assert stream.response is not None
    assert (stream.response.choices[0].finish_reason, stream.response.provider) == ("stop", "cohere")


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("org/name", "org/name"),
        ("together/org/name", "org/name:together"),
        ("huggingface/org/name", "org/name"),
        ("huggingface/together/org/name", "org/name:together"),
    ],
)
@pytest.mark.parametrize("base", ["", "/v1", "/v1/chat/completions"])
def test_models_and_addresses_of_hugging_face_mean_what_they_mean_to_litellm(
    server: ScriptedServer, outside: ScriptedServer, monkeypatch: pytest.MonkeyPatch, model: str, sent: str, base: str
) -> None:
    """But huggingface.co is not asked about the model, which takes ten seconds where it cannot be reached."""
    server.default(json=whole())
    unionchat(model, MESSAGES, provider="huggingface", api_key=KEY, base_url=f"{server.url}{base}")
    monkeypatch.setenv("HF_API_BASE", f"{server.url}{base}")
    unionchat(model, MESSAGES, provider="huggingface", api_key=KEY)

    for request in server.requests:
        assert (request.path, request.json["model"]) == ("/v1/chat/completions", sent)
        assert request.headers["authorization"] == f"Bearer {KEY}"
    assert len(server.requests) == 2


@pytest.mark.parametrize("provider", ["huggingface", "cohere"])
def test_without_a_key_the_other_door_stays_shut(outside: ScriptedServer, provider: str) -> None:
    with pytest.raises(AuthenticationError, match=r"no API key.*HF_TOKEN|no API key.*COHERE_API_KEY"):
        unionchat("org/m", MESSAGES, provider=provider, stream=True)


def test_the_key_of_replicate_does_not_leave_for_a_host_that_nobody_named(outside: ScriptedServer) -> None:
    with pytest.raises(BadRequestError, match=r"replicate: LiteLLM sends every call, and the key, to api\.replicate"):
        unionchat("replicate/org/m", MESSAGES, api_key=KEY, base_url="http://127.0.0.1:9/v1")


def test_what_litellm_makes_up_is_not_passed_on(server: ScriptedServer) -> None:
    """SageMaker's containers tell neither usage nor an end; LiteLLM counts tokens itself and says "stop"."""
    server.default(json=[{"generated_text": TEXT}])
    keys = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": KEY, "aws_region_name": "eu-west-1"}
    told = unionchat("my-endpoint", MESSAGES, provider="sagemaker", base_url=server.url, **keys)

    assert (told.choices[0].message.content, told.choices[0].finish_reason, told.usage) == (TEXT, None, None)
    assert [request.path for request in server.requests] == ["/endpoints/my-endpoint/invocations"]


@pytest.mark.parametrize(
    ("more", "prompt"),
    [
        ({}, "规则 问一下 "),
        ({"roles": {"user": {"pre_message": "U:", "post_message": "\n"}}}, "规则U:问一下\n"),
        ({"model": "llama-2-7b-chat"}, "<s>[INST] <<SYS>>\n规则\n<</SYS>>\n [/INST]\n[INST] 问一下 [/INST]\n"),
    ],
)
def test_endpoints_of_sagemaker_get_a_prompt_and_nobody_is_asked_for_it(
    server: ScriptedServer, outside: ScriptedServer, more: dict[str, Any], prompt: str
) -> None:
    """LiteLLM looks at huggingface.co for a template in the name of the endpoint."""
    server.default(json=[{"generated_text": TEXT}])
    keys = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": KEY, "aws_region_name": "eu-west-1"}
    messages = [{"role": "system", "content": "规则"}, *MESSAGES]
    unionchat(**{"model": "e", "messages": messages, "provider": "sagemaker", "base_url": server.url, **keys, **more})

    assert server.requests[0].json["inputs"] == prompt


def test_a_template_that_the_program_has_registered_is_used(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.default(json=[{"generated_text": TEXT}])
    roles = {"user": {"pre_message": "<", "post_message": ">"}}
    monkeypatch.setitem(_litellm._load().custom_prompt_dict, "mine", {"roles": roles})
    keys = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": KEY, "aws_region_name": "eu-west-1"}
    unionchat("mine", MESSAGES, provider="sagemaker", base_url=server.url, **keys)

    assert server.requests[0].json["inputs"] == "<问一下>"


def test_vertex_takes_the_file_that_googles_own_variable_names(
    server: ScriptedServer, outside: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vendor = google.Vertex()
    server.default(lambda request: (vendor.token if request.path == "/token" else vendor)(request))
    account = {**json.loads(google.service_account()[0]), "token_uri": f"{server.url}/token"}
    (tmp_path / "account.json").write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("VERTEXAI_PROJECT", google.PROJECT)
    monkeypatch.setenv("VERTEXAI_LOCATION", "us-central1")
    told = unionchat(f"vertex_ai/{google.MODEL}", MESSAGES, base_url=server.url + google.Vertex.models)

    assert told.choices[0].message.content == TEXT
    assert [request.path for request in server.requests] == ["/token", f"{google.Vertex.models}:generateContent"]


def test_a_stream_of_vllm_is_a_stream_of_its_hosted_form(server: ScriptedServer) -> None:
    server.default(sse=PIECES)
    with unionchat("vllm/org/m", MESSAGES, base_url=f"{server.url}/v1", stream=True) as stream:
        assert "".join(stream.text()) == "你好"
    assert [request.path for request in server.requests] == ["/v1/chat/completions"]
