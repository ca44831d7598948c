"""OpenAI's chat completions, and the many that speak them with a rule or two of their own.

https://platform.openai.com/docs/api-reference/chat, read 2026-11-29.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts import Recorded, Reply

from .vendor import ANSWER_TOKENS, PIECES, PROMPT_TOKENS, QUESTION, TEXT, RefusalError, Vendor

USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": ANSWER_TOKENS,
    "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
}
#: Every field of the request body that OpenAI's reference names and that a plain call may have.
FIELDS = {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature"}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a vendor of this format differs from OpenAI.

    ``auth`` is the header and, before the key, its scheme. ``refuses``: fields that are OpenAI's and not this one's,
    ``takes``: the other way round. ``volunteers``: usage comes in the last chunk without being asked for. ``adds``:
    fields of a whole answer.
    """

    path: str
    auth: tuple[str, str] = ("authorization", "Bearer ")
    model: str = "m-1"
    refuses: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    volunteers: bool = False
    adds: tuple[tuple[str, Any], ...] = ()


class OpenAIChat(Vendor):
    def __init__(self, key: str, dialect: Dialect) -> None:
        super().__init__(key)
        self.dialect = dialect

    def answer(self, request: Recorded) -> Reply:
        header, scheme = self.dialect.auth
        self.need_route(request, self.dialect.path)
        if self.key:
            self.need_header(request, header, scheme + self.key)
        body = self.need_json(request)
        self.check(body)
        self.answered += 1
        return self.stream(body) if body.get("stream") else Reply(json=self.whole())

    def check(self, body: dict[str, Any]) -> None:
        self.need_fields(body, FIELDS - self.dialect.refuses | self.dialect.takes)
        if body.get("model") != self.dialect.model:
            self.refuse(404, f"the model {body.get('model')!r} does not exist")
        if "stream_options" in body and not body.get("stream"):
            self.refuse(400, "stream_options is only allowed when stream is true")
        if [(one.get("role"), text_of(one.get("content"))) for one in body["messages"]] != [("user", QUESTION)]:
            self.refuse(400, "the messages are not what was asked")

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": TEXT}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        made = {"id": "chat-1", "object": "chat.completion", "created": 1764400000, "model": self.dialect.model}
        return {**made, "choices": [choice], "usage": USAGE, **dict(self.dialect.adds)}

    def stream(self, body: dict[str, Any]) -> Reply:
        shared = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1764400000}
        shared["model"] = self.dialect.model

        def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            return {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        events: list[Any] = [chunk({"role": "assistant", "content": ""})]
        events += [chunk({"content": piece}) for piece in PIECES]
        last = chunk({}, "stop")
        events.append({**last, "usage": USAGE} if self.dialect.volunteers else last)
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append({**shared, "choices": [], "usage": USAGE})
        return Reply(sse=[*events, "[DONE]"])

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"error": {"message": refusal.message, "type": "invalid_request_error", "param": None, "code": None}}


def text_of(content: Any) -> str:
    """The text of a message, which may be a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return str(content)


class Azure(OpenAIChat):
    """Deployments: https://learn.microsoft.com/azure/ai-services/openai/reference, read 2026-11-29."""

    def __init__(self, key: str, deployment: str = "my-deployment", version: str = "2024-10-21") -> None:
        path = f"/openai/deployments/{deployment}/chat/completions"
        super().__init__(key, Dialect(path=path, auth=("api-key", ""), model=deployment))
        self.version = version

    def answer(self, request: Recorded) -> Reply:
        if request.query.get("api-version") != self.version:
            self.refuse(404, f"Resource not found: api-version {request.query.get('api-version')!r}")
        return super().answer(request)


class WatsonX(OpenAIChat):
    """watsonx.ai: https://cloud.ibm.com/apidocs/watsonx-ai (text chat), read 2026-11-29.

    The key buys a token at IBM's token service; calls carry the token, and say which project pays.
    """

    def __init__(self, key: str, project: str = "project-1", model: str = "ibm/granite-4") -> None:
        super().__init__("", Dialect(path="/ml/v1/text/chat", model=model, volunteers=True))
        self.iam_key = key
        self.project = project

    def token(self, request: Recorded) -> Reply:
        """The token service at iam.cloud.ibm.com."""
        form = dict(part.partition("=")[::2] for part in request.body.decode().split("&"))
        if request.path != "/identity/token" or "grant-type" not in form.get("grant_type", ""):
            return Reply(status=400, json={"errorCode": "BXNIM0137E", "errorMessage": "bad grant"})
        if form.get("apikey") != self.iam_key:
            return Reply(status=400, json={"errorCode": "BXNIM0415E", "errorMessage": "Provided API key not found"})
        return Reply(json={"access_token": "iam-token-1", "token_type": "Bearer", "expires_in": 3600})

    def answer(self, request: Recorded) -> Reply:
        body = self.need_json(request)
        self.need_route(request, "/ml/v1/text/chat", "/ml/v1/text/chat_stream")
        self.need_header(request, "authorization", "Bearer iam-token-1")
        if not request.query.get("version"):
            self.refuse(400, "version is a required query parameter")
        if body.pop("project_id", None) != self.project:
            self.refuse(400, "project_id or space_id is required")
        if body.pop("model_id", None) != self.dialect.model:
            self.refuse(404, "the model does not exist")
        is_stream = request.path.endswith("_stream")
        self.check({**body, "model": self.dialect.model, "stream": is_stream})
        self.answered += 1
        return self.stream({}) if is_stream else Reply(json=self.whole())

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        return {"errors": [{"code": "invalid_request", "message": refusal.message}], "status_code": refusal.status}
