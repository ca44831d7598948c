"""Gemini's generateContent, at Google AI Studio and at Vertex AI.

https://ai.google.dev/api/generate-content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and, for the token of a service
account, https://developers.google.com/identity/protocols/oauth2/service-account; all read 2026-11-29.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from scripts import Recorded, Reply

from .vendor import ANSWER_TOKENS, PIECES, PROMPT_TOKENS, QUESTION, TEXT, RefusalError, Vendor

MODEL = "gemini-2.5-flash"
TOKEN_URI = "https://oauth2.googleapis.com/token"
PROJECT = "project-1"
_FIELDS = {"contents", "generationConfig", "systemInstruction", "system_instruction", "safetySettings", "labels"}


class Gemini(Vendor):
    """Google AI Studio."""

    models = f"/v1beta/models/{MODEL}"

    def answer(self, request: Recorded) -> Reply:
        self.need_route(request, f"{self.models}:generateContent", f"{self.models}:streamGenerateContent")
        self.check_key(request)
        body = self.need_json(request)
        self.need_fields(body, _FIELDS)
        parts = [(one.get("role"), [part["text"] for part in one["parts"]]) for one in body["contents"]]
        if parts != [("user", [QUESTION])]:
            self.refuse(400, "the contents are not what was asked")
        self.answered += 1
        if "stream" not in request.path:
            return Reply(json=_answer(TEXT, is_last=True))
        pieces = [_answer(piece, is_last=piece == PIECES[-1]) for piece in PIECES]
        # Without alt=sse the stream is one JSON array.
        return Reply(sse=pieces) if request.query.get("alt") == "sse" else Reply(json=pieces)

    def check_key(self, request: Recorded) -> None:
        if request.query.get("key") is not None:
            self.refuse(400, "a key in an address ends up in logs")
        self.need_header(request, "x-goog-api-key", self.key)

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        status = {401: "UNAUTHENTICATED", 404: "NOT_FOUND"}.get(refusal.status, "INVALID_ARGUMENT")
        return {"error": {"code": refusal.status, "message": refusal.message, "status": status}}


class Vertex(Gemini):
    """Vertex AI, for a service account: a signed statement buys a token, and calls carry that."""

    models = f"/v1/projects/{PROJECT}/locations/us-central1/publishers/google/models/{MODEL}"
    bought = "ya29.token-1"

    def check_key(self, request: Recorded) -> None:
        self.need_header(request, "authorization", f"Bearer {self.bought}")

    def token(self, request: Recorded) -> Reply:
        """The token service at ``TOKEN_URI``."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.path != "/token" or form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Reply(status=400, json={"error": "unsupported_grant_type"})
        try:
            claims = jwt.decode(form["assertion"], certs=service_account()[1], audience=TOKEN_URI)
        except ValueError as error:
            return Reply(status=400, json={"error": "invalid_grant", "error_description": str(error)})
        if "cloud-platform" not in claims.get("scope", ""):
            return Reply(status=400, json={"error": "invalid_scope"})
        return Reply(json={"access_token": self.bought, "expires_in": 3599, "token_type": "Bearer"})


@cache
def service_account() -> tuple[str, bytes]:
    """The JSON file of the one account that may call, and its public key."""
    return make_service_account()


def make_service_account() -> tuple[str, bytes]:
    """The same for an account that nobody knows yet."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, fmt = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": key.private_bytes(kind, fmt, serialization.NoEncryption()).decode(),
        "client_email": f"tester@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": TOKEN_URI,
    }
    return json.dumps(account), key.public_key().public_bytes(kind, serialization.PublicFormat.SubjectPublicKeyInfo)


def _answer(text: str, *, is_last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    made: dict[str, Any] = {"candidates": [candidate], "modelVersion": MODEL, "responseId": "resp-1"}
    made["usageMetadata"] = {"promptTokenCount": PROMPT_TOKENS, "totalTokenCount": PROMPT_TOKENS}
    if is_last:
        candidate["finishReason"] = "STOP"
        counts = {"candidatesTokenCount": ANSWER_TOKENS, "totalTokenCount": PROMPT_TOKENS + ANSWER_TOKENS}
        made["usageMetadata"].update(counts)
    return made
