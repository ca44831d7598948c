"""Amazon's Bedrock (Converse, ConverseStream) and SageMaker (InvokeEndpoint), with their signatures and event streams.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html,
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html and, for the frames,
https://smithy.io/2.0/aws/amazon-eventstream.html; all read 2026-11-29.
"""

from __future__ import annotations

import json
import struct
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote
from zlib import crc32

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts import Recorded, Reply

from .openai_chat import text_of
from .vendor import ANSWER_TOKENS, PIECES, PROMPT_TOKENS, QUESTION, TEXT, RefusalError, Vendor

REGION = "eu-central-1"
ACCESS_KEY = "AKIA0123456789ABCDEF"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
ENDPOINT = "my-endpoint"
_SKEW = 300


def frame(event: str, payload: bytes, content_type: bytes = b"application/json") -> bytes:
    """One message of an event stream: lengths, their CRC, headers, payload, the CRC of all."""
    named = {b":event-type": event.encode(), b":content-type": content_type, b":message-type": b"event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name + struct.pack("!BH", 7, len(value)) + value for name, value in named.items()
    )
    lengths = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack("!I", crc32(lengths)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _json_frame(event: str, payload: dict[str, Any]) -> bytes:
    return frame(event, json.dumps(payload, ensure_ascii=False).encode())


class Signed(Vendor):
    """A service of Amazon's; ``key`` is the secret key that requests must be signed with."""

    service = ""

    def check_signature(self, request: Recorded) -> None:
        """Sign the request ourselves, with Amazon's own code, and see whether the same comes out."""
        given = request.headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            self.refuse(403, "Missing Authentication Token")
        parts = dict(part.strip().partition("=")[::2] for part in given.removeprefix("AWS4-HMAC-SHA256 ").split(","))
        stamp = request.headers.get("x-amz-date", "")
        sent_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if abs((datetime.now(timezone.utc) - sent_at).total_seconds()) > _SKEW:
            self.refuse(403, "Signature expired")
        scope = f"{ACCESS_KEY}/{stamp[:8]}/{REGION}/{self.service}/aws4_request"
        if parts.get("Credential") != scope:
            self.refuse(403, "Credential should be scoped to the right date, region and service")
        signer = SigV4Auth(Credentials(ACCESS_KEY, self.key), self.service, REGION)
        signed = {name: request.headers[name] for name in parts["SignedHeaders"].split(";")}
        again = AWSRequest(
            method=request.method,
            url=f"https://{request.headers['host']}{request.path}",
            data=request.body,
            headers=signed,
        )
        again.context["timestamp"] = stamp
        text = signer.string_to_sign(again, signer.canonical_request(again))
        if parts.get("Signature") != signer.signature(text, again):
            self.refuse(403, "The request signature we calculated does not match the signature you provided")

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"message": refusal.message}


class Bedrock(Signed):
    """Converse. With ``bearer`` it takes a Bedrock API key instead of a signature."""

    service = "bedrock"

    def __init__(self, key: str, *, bearer: bool = False) -> None:
        super().__init__(key)
        self.bearer = bearer

    def answer(self, request: Recorded) -> Reply:
        model = unquote(request.path.split("/")[2]) if request.path.startswith("/model/") else ""
        self.need_route(request, *(f"/model/{quote(MODEL, safe=safe)}/{verb}" for safe in ("", ":") for verb in _VERBS))
        if self.bearer:
            self.need_header(request, "authorization", f"Bearer {self.key}")
        else:
            self.check_signature(request)
        body = self.need_json(request)
        known = {"messages", "system", "inferenceConfig", "additionalModelRequestFields", "toolConfig"}
        self.need_fields(body, known)
        asked = [(one["role"], [part["text"] for part in one["content"]]) for one in body["messages"]]
        if model != MODEL or asked != [("user", [QUESTION])]:
            self.refuse(400, "the messages are not what was asked")
        self.answered += 1
        if not request.path.endswith("converse-stream"):
            return Reply(json=_converse())
        return Reply(chunks=_converse_stream(), content_type="application/vnd.amazon.eventstream")


_VERBS = ("converse", "converse-stream")
_COUNTS = {
    "inputTokens": PROMPT_TOKENS,
    "outputTokens": ANSWER_TOKENS,
    "totalTokens": PROMPT_TOKENS + ANSWER_TOKENS,
}


def _converse() -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": TEXT}]}
    made = {"output": {"message": message}, "stopReason": "end_turn"}
    return {**made, "usage": _COUNTS, "metrics": {"latencyMs": 1}}


def _converse_stream() -> list[bytes]:
    return [
        _json_frame("messageStart", {"role": "assistant"}),
        *(_json_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}) for piece in PIECES),
        _json_frame("contentBlockStop", {"contentBlockIndex": 0}),
        _json_frame("messageStop", {"stopReason": "end_turn"}),
        _json_frame("metadata", {"usage": _COUNTS, "metrics": {"latencyMs": 1}}),
    ]


class SageMaker(Signed):
    """An endpoint that runs Hugging Face's text generation: one text in, one text out; no tokens are counted."""

    service = "sagemaker"

    def answer(self, request: Recorded) -> Reply:
        base = f"/endpoints/{ENDPOINT}/invocations"
        self.need_route(request, base, f"{base}-response-stream")
        self.check_signature(request)
        body = self.need_json(request)
        self.need_fields(body, {"inputs", "parameters", "stream"})
        if QUESTION not in text_of(body.get("inputs")):
            self.refuse(400, "the inputs are not what was asked")
        self.answered += 1
        if not request.path.endswith("stream"):
            return Reply(json=[{"generated_text": TEXT}])
        tokens = [{"index": n, "token": {"text": piece}} for n, piece in enumerate(PIECES)]
        tokens[-1]["generated_text"] = TEXT
        lines = [f"data:{json.dumps(token, ensure_ascii=False)}\n\n".encode() for token in tokens]
        # The payload of each part is what the model's server wrote, as it is.
        parts = [frame("PayloadPart", line, b"application/octet-stream") for line in lines]
        return Reply(chunks=parts, content_type="application/vnd.amazon.eventstream")
