"""The vendors that LiteLLM is measured against, judged by the vendors' own clients; and what they refuse.

The clients are imported by the tests that use them: it takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import ClientError
from foreign_vendors import aws, google
from foreign_vendors.anthropic_messages import MODEL as CLAUDE
from foreign_vendors.anthropic_messages import AnthropicMessages
from foreign_vendors.openai_chat import Azure, Dialect, OpenAIChat, WatsonX
from foreign_vendors.rows import KEY, ROWS, Row
from foreign_vendors.small import Cohere, NLPCloud, Ollama, Replicate, Voyage
from foreign_vendors.vendor import ANSWER_TOKENS, MESSAGES, PROMPT_TOKENS, QUESTION, TEXT, Vendor
from server import ScriptedServer

from scripts import Recorded

pytestmark = pytest.mark.filterwarnings("default")  # theirs, about themselves
NO_RETRIES = Config(retries={"total_max_attempts": 1})
COUNTS = (PROMPT_TOKENS, ANSWER_TOKENS)


@contextmanager
def running(vendor: Vendor) -> Iterator[str]:
    """The vendor at a URL of its own."""
    with ScriptedServer() as server:
        server.default(vendor)
        yield server.url


def test_openais_own_client_reads_its_format() -> None:
    import openai

    dialect = Dialect(path="/v1/chat/completions", model="gpt-4o")
    with running(OpenAIChat(KEY, dialect)) as url, openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        call: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES}
        told = client.chat.completions.create(**call)
        chunks = list(client.chat.completions.create(**call, stream=True, stream_options={"include_usage": True}))
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").chat.completions.create(**call)

    assert (told.choices[0].message.content, told.choices[0].finish_reason) == (TEXT, "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == COUNTS


def test_openais_own_client_reads_azures_format() -> None:
    import openai

    with running(Azure(KEY)) as url:
        client = openai.AzureOpenAI(api_key=KEY, azure_endpoint=url, api_version="2024-10-21", max_retries=0)
        told = client.chat.completions.create(model="my-deployment", messages=MESSAGES)  # type: ignore[arg-type]
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="another", messages=MESSAGES)  # type: ignore[arg-type]
        client.close()

    assert told.choices[0].message.content == TEXT


def test_anthropics_own_client_reads_its_format() -> None:
    import anthropic

    call: dict[str, Any] = {"model": CLAUDE, "max_tokens": 9, "messages": MESSAGES}
    vendor = AnthropicMessages(KEY)
    with running(vendor) as url, anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0) as client:
        told = client.messages.create(**call)
        with client.messages.stream(**call) as stream:
            text = "".join(stream.text_stream)
            last = stream.get_final_message()
        with pytest.raises(anthropic.AuthenticationError):
            client.with_options(api_key="wrong").messages.create(**call)

    assert told.content[0].text == text == TEXT  # type: ignore[union-attr]
    for message in (told, last):
        assert (message.usage.input_tokens, message.usage.output_tokens) == COUNTS
        assert message.stop_reason == "end_turn"


def test_googles_own_client_reads_geminis_format() -> None:
    from google import genai

    with running(google.Gemini(KEY)) as url:
        client = genai.Client(api_key=KEY, http_options={"base_url": url, "api_version": "v1beta"})
        told = client.models.generate_content(model=google.MODEL, contents=QUESTION)
        pieces = list(client.models.generate_content_stream(model=google.MODEL, contents=QUESTION))
        client.close()

    assert told.text == "".join(piece.text or "" for piece in pieces) == TEXT
    assert len(pieces) == 3
    for last in (told, pieces[-1]):
        assert last.usage_metadata is not None
        assert (last.usage_metadata.prompt_token_count, last.usage_metadata.candidates_token_count) == COUNTS


def test_googles_own_code_buys_the_token_of_a_service_account() -> None:
    import requests
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import Request
    from google.oauth2 import service_account

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    vendor = google.Vertex()
    with ScriptedServer() as server, requests.Session() as session:
        server.default(vendor.token)

        def credentials(text: str) -> Any:
            account = {**json.loads(text), "token_uri": f"{server.url}/token"}
            return service_account.Credentials.from_service_account_info(account, scopes=scopes)

        mine, foreign = credentials(google.service_account()[0]), credentials(google.make_service_account()[0])
        mine.refresh(Request(session))
        with pytest.raises(RefreshError, match="invalid_grant"):
            foreign.refresh(Request(session))

    assert mine.token == vendor.bought


@contextmanager
def amazon(service: str, url: str, secret: str = KEY) -> Iterator[Any]:
    import boto3

    keys = {"aws_access_key_id": aws.ACCESS_KEY, "aws_secret_access_key": secret}
    with closing(boto3.client(service, region_name=aws.REGION, endpoint_url=url, config=NO_RETRIES, **keys)) as client:
        yield client


def test_amazons_own_client_reads_bedrocks_format_and_signs_for_it() -> None:
    call = {"modelId": aws.MODEL, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
    with running(aws.Bedrock(KEY)) as url, amazon("bedrock-runtime", url) as client:
        told = client.converse(**call)
        events = list(client.converse_stream(**call)["stream"])
        with (
            amazon("bedrock-runtime", url, "another secret") as stranger,
            pytest.raises(ClientError, match="signature we calculated does not match"),
        ):
            stranger.converse(**call)

    assert told["output"]["message"]["content"] == [{"text": TEXT}]
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(texts) == TEXT
    for usage in (told["usage"], events[-1]["metadata"]["usage"]):
        assert (usage["inputTokens"], usage["outputTokens"]) == COUNTS


def test_amazons_own_client_reads_sagemakers_format() -> None:
    body = json.dumps({"inputs": QUESTION}).encode()
    call = {"EndpointName": aws.ENDPOINT, "ContentType": "application/json", "Body": body}
    with running(aws.SageMaker(KEY)) as url, amazon("sagemaker-runtime", url) as client:
        told = json.loads(client.invoke_endpoint(**call)["Body"].read())
        parts = [event["PayloadPart"]["Bytes"] for event in client.invoke_endpoint_with_response_stream(**call)["Body"]]

    assert told == [{"generated_text": TEXT}]
    tokens = [json.loads(part.removeprefix(b"data:"))["token"]["text"] for part in parts]
    assert "".join(tokens) == TEXT


def test_a_frame_with_a_broken_sum_is_noticed_by_amazons_own_client() -> None:
    """So that the sums in our frames are known to be looked at."""
    frames = EventStreamBuffer()
    whole = aws.frame("x", b"{}")
    frames.add_data(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ChecksumMismatch):
        next(frames)


def test_coheres_own_client_reads_its_format() -> None:
    import cohere
    import httpx

    with running(Cohere(KEY)) as url, httpx.Client() as connections:
        client = cohere.ClientV2(KEY, base_url=url, httpx_client=connections)
        told = client.chat(model=Cohere.model, messages=MESSAGES)  # type: ignore[arg-type]
        events = list(client.chat_stream(model=Cohere.model, messages=MESSAGES))  # type: ignore[arg-type]

    assert told.message.content is not None
    assert told.message.content[0].text == TEXT  # type: ignore[union-attr]
    assert "".join(event.delta.message.content.text for event in events if event.type == "content-delta") == TEXT  # type: ignore[union-attr,misc]
    assert events[-1].type == "message-end"
    assert events[-1].delta.usage.tokens.output_tokens == ANSWER_TOKENS  # type: ignore[union-attr]


def test_ollamas_own_client_reads_its_format() -> None:
    import ollama

    with running(Ollama()) as url, closing(ollama.Client(host=url)) as client:
        told = client.chat(Ollama.model, MESSAGES)
        chunks = list(client.chat(Ollama.model, MESSAGES, stream=True))
        generated = client.generate(Ollama.model, QUESTION)

    assert (
        told.message.content == generated.response == "".join(chunk.message.content or "" for chunk in chunks) == TEXT
    )
    assert (chunks[-1].prompt_eval_count, chunks[-1].eval_count) == COUNTS


CHAT = {"model": "m-1", "messages": MESSAGES}
#: A vendor, a path of its, a body that is fine.
DOORS: list[tuple[Vendor, str, dict[str, Any]]] = [
    (OpenAIChat(KEY, Dialect(path="/v1/chat/completions")), "/v1/chat/completions", CHAT),
    (WatsonX(KEY), "/ml/v1/text/chat", {**CHAT, "project_id": "project-1"}),
    (AnthropicMessages(KEY), "/v1/messages", {**CHAT, "max_tokens": 1}),
    (google.Gemini(KEY), f"{google.Gemini.models}:generateContent", {"contents": []}),
    (google.Vertex(), f"{google.Vertex.models}:generateContent", {"contents": []}),
    (aws.Bedrock(KEY), f"/model/{aws.MODEL}/converse", {"messages": []}),
    (aws.Bedrock(KEY, bearer=True), f"/model/{aws.MODEL}/converse", {"messages": []}),
    (aws.SageMaker(KEY), f"/endpoints/{aws.ENDPOINT}/invocations", {"inputs": QUESTION}),
    (Cohere(KEY), "/v2/chat", {"model": Cohere.model, "messages": MESSAGES}),
    (Ollama(KEY), "/api/chat", {"model": Ollama.model, "messages": MESSAGES}),
    (Replicate(KEY), f"/v1/models/{Replicate.model}/predictions", {"input": {"prompt": QUESTION}}),
    (NLPCloud(KEY), f"/v1/gpu/{NLPCloud.model}/generation", {"text": QUESTION}),
    (Voyage(KEY), "/v1/embeddings", {"model": Voyage.model, "input": [QUESTION]}),
]


def knock(vendor: Vendor, path: str, body: dict[str, Any], **headers: str) -> int:
    """The status of what the vendor answers."""
    told = {"content-type": "application/json", "host": "127.0.0.1", **headers}
    data = json.dumps(body, ensure_ascii=False).encode()
    query = {"version": "2024-03-13"}
    request = Recorded(method="POST", path=path, query=query, headers=told, body=data, connection=1, received_at=0.0)
    return vendor(request).status


@pytest.mark.parametrize(("vendor", "path", "body"), DOORS, ids=lambda one: type(one).__name__)
def test_a_vendor_refuses_a_call_without_its_key(vendor: Vendor, path: str, body: dict[str, Any]) -> None:
    keys = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
    assert knock(vendor, path, body) in (401, 403)
    for name in keys:
        assert knock(vendor, path, body, **{name: "Bearer sk-of-somebody-else"}) in (401, 403)
    if vendor.key:
        assert knock(vendor, path, {**body, "api_key": KEY}, **dict.fromkeys(keys, f"Bearer {KEY}")) == 400
    assert knock(vendor, "/no/such/path", body, **dict.fromkeys(keys, f"Bearer {KEY}")) in (401, 403, 404)
    assert vendor.answered == 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_vendor_of_a_row_is_at_its_own_address_and_no_key_is_in_it(row: Row) -> None:
    vendor, hosts = row.world()

    assert vendor in hosts.values()
    assert all(host == "" or "." in host for host in hosts)
    if row.keywords and row.variables:
        assert set(row.variables.values()) == set(row.keywords.values())
