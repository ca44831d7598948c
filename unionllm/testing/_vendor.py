"""What the server asks of a vendor it plays: check a request, answer it, and put errors into the vendor's own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

from ._exchange import Incoming, Problem, Refusal, Reply, Whole
from ._script import Answer, Asked, Desk, Fault, problem_of


class Vendor:
    """One vendor. Subclasses are one module each in ``vendors/``, written from the vendor's documentation alone.

    An instance belongs to one server and may keep state there: conversations, uploaded files, tokens given out.
    """

    name: ClassVar[str]
    #: Path of the base URL below the server's address, without the vendor's name.
    base: ClassVar[str]
    #: What the server accepts unless it is told otherwise. Made up, in the shape the vendor gives out.
    test_credentials: ClassVar[Mapping[str, str]] = {}
    #: Every error of the vendor's page, by code, or by another label where there are no codes.
    problems: ClassVar[Mapping[str, Problem]] = {}
    #: ``KINDS`` of errors → the code that stands for it.
    kinds: ClassVar[Mapping[str, str]] = {}
    #: Where an error may stand; some vendors have places of their own.
    places: ClassVar[tuple[str, ...]] = ("status", "in_200", "in_stream")

    #: A model for each of ``chat``, ``tools``, ``image``, ``thinking``; one is missing where the vendor cannot do it.
    examples: ClassVar[Mapping[str, str]] = {}
    #: The base path of those examples whose model does not answer under ``base``.
    example_bases: ClassVar[Mapping[str, str]] = {}
    #: Whether tool calls come with ids.
    gives_call_ids: ClassVar[bool] = True

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        self.credentials = {**self.test_credentials, **(credentials or {})}

    def answer(self, request: Incoming, desk: Desk) -> Reply:
        """The reply to one request. Raises Refusal where the vendor would refuse it."""
        raise NotImplementedError

    def is_socket(self, path: str) -> bool:
        """Whether that path speaks WebSocket: ``open_socket`` then ``answer`` with the first message as the body."""
        return False

    def open_socket(self, request: Incoming) -> None:
        """Check the handshake of a WebSocket. Raises Refusal, which is answered instead of the upgrade."""

    def is_of_handshake(self, problem: Problem) -> bool:
        """Whether a scripted error is said to the handshake of a WebSocket, before there is a connection."""
        return False

    def encode_problem(self, problem: Problem) -> Whole:
        """The body of a refusal, with its HTTP status."""
        raise NotImplementedError

    def encode_in_200(self, problem: Problem) -> Whole:
        """The same inside a reply of status 200."""
        return replace(self.encode_problem(problem), status=200)

    def encode_in_stream(self, problem: Problem) -> bytes:
        """The same as an event of a stream that has begun."""
        raise NotImplementedError

    def encode_refusal(self, refusal: Refusal) -> Whole:
        """The reply that a refusal means, in the place it names and in the words of its protocol."""
        is_hidden = refusal.place == "in_200"
        if refusal.encode is not None:
            reply = refusal.encode(refusal.problem)
            return replace(reply, status=200) if is_hidden else reply
        return self.encode_in_200(refusal.problem) if is_hidden else self.encode_problem(refusal.problem)

    def take(self, desk: Desk, asked: Asked) -> Answer:
        """The next answer for this vendor. Raises Refusal where an error in place of it was scripted."""
        answer = desk.take(asked)
        fault = answer.fault
        if fault is None or not fault.error:
            return answer
        problem = self.problem_of(fault)
        if fault.place == "in_stream" and asked.stream:
            return answer
        if fault.place in ("status", "in_200", "in_stream"):
            raise Refusal(problem, "in_200" if fault.place == "in_200" else "status")
        return answer

    def problem_of(self, fault: Fault) -> Problem:
        """The problem that a scripted fault names. Raises ValueError for a name this vendor does not know."""
        return problem_of(fault, self.problems, self.kinds, self.name)

    def refuse(self, code: str, message: str = "", **changes: Any) -> NoReturn:
        """Refuse with one of the vendor's codes (or a kind), and say why in place of its usual text."""
        problem = self.problems[self.kinds.get(code, code)]
        raise Refusal(replace(problem, message=message or problem.message, **changes))

    def secrets_in(self, request: Incoming) -> Iterable[str]:
        """Credentials that this request carries where only the vendor knows to look: they are masked in the log."""
        return ()

    def require_bearer(self, request: Incoming, name: str = "api_key", code: str = "auth") -> str:
        """The name of the scheme, if ``Authorization: Bearer`` carries the right key. Raises Refusal."""
        if not request.bearer or request.bearer != self.credentials[name]:
            self.refuse(code)
        return "bearer"

    def require_json(self, request: Incoming) -> dict[str, Any]:
        """The body, an object of JSON that says so in its content type. Raises Refusal."""
        if request.media_type != "application/json":
            self.refuse("bad_request", f"Content-Type must be application/json, not {request.media_type!r}")
        if not isinstance(request.json, dict):
            self.refuse("bad_request", "the body must be a JSON object")
        body: dict[str, Any] = request.json
        return body
