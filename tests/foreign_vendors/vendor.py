"""What all of the vendors share: the answer that they give, and how they look at a request before they do."""

from __future__ import annotations

from typing import Any, NoReturn

from scripts import Recorded, Reply

TEXT = "你好!"
PIECES = ["你", "好", "!"]
PROMPT_TOKENS, ANSWER_TOKENS = 3, 4
MESSAGES = [{"role": "user", "content": "问一下"}]
QUESTION = "问一下"


class RefusalError(Exception):
    """What a vendor refuses, in its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Vendor:
    """A vendor's server: called with a request, it gives the reply.

    Args:
        key: the only key that it takes.

    Subclasses read the request and answer in ``answer``, or ``refuse`` in words; ``error`` gives those the vendor's
    shape.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        #: How often an answer was given, and what was refused.
        self.answered = 0
        self.refused: list[str] = []

    def __call__(self, request: Recorded) -> Reply:
        try:
            if self.key and self.key.encode() in request.body:
                self.refuse(400, "a key has no business in a body")
            return self.answer(request)
        except RefusalError as refusal:
            self.refused.append(f"{refusal.status} {refusal.message}")
            return Reply(status=refusal.status, json=self.error(refusal))

    def answer(self, request: Recorded) -> Reply:
        """The reply to a request that is as it should be."""
        raise NotImplementedError

    def error(self, refusal: RefusalError) -> dict[str, Any]:
        """The body of a refusal."""
        return {"error": {"message": refusal.message, "type": "invalid_request_error", "code": None}}

    def refuse(self, status: int, message: str) -> NoReturn:
        raise RefusalError(status, message)

    def need_route(self, request: Recorded, *paths: str, method: str = "POST") -> None:
        """Refuse another method or path than these."""
        if request.path not in paths:
            self.refuse(404, f"no such path: {request.path}")
        if request.method != method:
            self.refuse(405, f"{request.method} is not allowed here")

    def need_header(self, request: Recorded, name: str, value: str) -> None:
        """Refuse a wrong key, without repeating it."""
        if request.headers.get(name) != value:
            what = "no key" if name not in request.headers else "a wrong key"
            self.refuse(401, f"{what} in {name}")

    def need_json(self, request: Recorded) -> dict[str, Any]:
        """The body as a JSON object, of the right type."""
        if not request.headers.get("content-type", "").startswith("application/json"):
            self.refuse(415, f"the body is {request.headers.get('content-type')}, not application/json")
        body = request.json
        if not isinstance(body, dict):
            self.refuse(400, "the body is no object")
        return body

    def need_fields(self, body: dict[str, Any], known: set[str]) -> None:
        """Refuse fields that the vendor does not know."""
        if unknown := sorted(body.keys() - known):
            self.refuse(422, f"extra fields are not permitted: {', '.join(unknown)}")
