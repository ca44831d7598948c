"""What may go wrong with a call, and how the call then has to end: data, for every provider alike.

``EXCEPTIONS`` says where a provider differs, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

#: What the model would have said, one piece an event. None of these is UTF-8 when it is written in GB18030.
TEXT = ("你", "好", "，", "世", "界", "。")

#: Limits that no test waits for; a fault that needs a short one names it.
PATIENT: Mapping[str, float] = {"connect": 10, "first_token": 20, "idle": 20}

#: Seconds of the limits that are waited for.
_SHORT = 0.5
#: The same where the connection has to be made within them, and the request sent, on a busy machine, too.
_SHORT_CONNECT = 1.5
_STALLED = {"seconds": 60}


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How a call ends."""

    #: The class of the exception, exactly; "": with the whole answer.
    error: str = ""
    #: Whether it may be tried again. The suite allows one retry, so that this is also seen in what the server gets.
    retryable: bool = False
    status: int | None = None
    retry_after: float | None = None
    #: Phrase of the message.
    says: str = ""
    #: Whether a stream had given chunks, which ``.partial`` then holds; None: that depends on the vendor's format.
    begun: bool | None = False
    #: Requests that arrive at the server; None: one, and another one where it may be tried again.
    requests: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One fault."""

    name: str
    #: The line of the printed table that it counts for.
    group: str
    #: Keywords of ``VendorServer.fault``; empty: nothing is scripted to go wrong with the reply.
    fault: Mapping[str, Any] = field(default_factory=dict)
    #: Keywords of ``VendorServer.reply`` in its place, for an answer that is strange and good: whole, and streamed.
    replies: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    #: Arguments of the call.
    call: Mapping[str, Any] = field(default_factory=dict)
    #: Where the call goes: see ``PLACES`` in ``fault_cells.py``.
    place: str = "server"
    whole: Ends
    stream: Ends
    #: Of a WebSocket, whose whole answers are streams that were joined; None: the fault does not exist there.
    socket: Ends | None
    #: Calls at once.
    at_once: int = 16
    #: Retries of the next call over the same connections; 0 but where leftovers may be in the way of one.
    next_retries: int = 0
    #: Of asynchronous calls over HTTP, whole and streamed, where their parser sees more than that of the others.
    aio: Ends | None = None

    def ends(self, provider: str, *, stream: bool, is_socket: bool, is_async: bool) -> Ends | None:
        """How a call of that provider ends; None where there is no such fault."""
        other = EXCEPTIONS.get((self.name, provider))
        usual = self.socket if is_socket else self.stream if stream or provider in JOINED else self.whole
        if is_async and not is_socket and self.aio is not None:
            usual = self.aio
        if other is None or usual is None:
            return usual
        changes = {**other.changes, **(other.of_streams if stream else other.of_whole)}
        return replace(usual, **changes)


@dataclass(frozen=True, kw_only=True)
class Instead:
    """Where a provider differs from the table."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    of_whole: Mapping[str, Any] = field(default_factory=dict)
    of_streams: Mapping[str, Any] = field(default_factory=dict)
    why: str


# Statuses without a word: whatever stands between vendor and caller may say them.

_CLASSES: Mapping[int, str] = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "InsufficientBalanceError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "NotFoundError",
    408: "APIStatusError",
    409: "APIStatusError",
    410: "APIStatusError",
    413: "BadRequestError",
    415: "APIStatusError",
    418: "APIStatusError",
    422: "BadRequestError",
    425: "APIStatusError",
    429: "RateLimitError",
    451: "APIStatusError",
    500: "InternalServerError",
    501: "InternalServerError",
    502: "InternalServerError",
    503: "ServiceUnavailableError",
    504: "InternalServerError",
    520: "InternalServerError",
    522: "InternalServerError",
    524: "InternalServerError",
    529: "InternalServerError",
    530: "InternalServerError",
    599: "InternalServerError",
}


#: Those that may pass.
_RETRIED = frozenset({408, 429, *(status for status in _CLASSES if status >= 500)})


def _everywhere(name: str, group: str, ends: Ends, **more: Any) -> Row:
    given = {"whole": ends, "stream": ends, "socket": ends, **more}
    return Row(name=name, group=group, **given)


def _status(status: int, cls: str) -> Row:
    is_retryable = status in _RETRIED
    # At once: the suite waits for no retry.
    fault = {"name": "gateway", "status": status, "headers": {"Retry-After": "0"}}
    ends = Ends(error=cls, retryable=is_retryable, status=status, retry_after=0.0, says=f"HTTP {status}")
    alike = [one for one, other in _CLASSES.items() if other == cls and (one in _RETRIED) == is_retryable]
    return _everywhere(f"status_{status}", f"status {', '.join(map(str, alike))}", ends, fault=fault)


def _redirect(status: int) -> Row:
    fault = {"name": "gateway", "status": status, "headers": {"Location": "{elsewhere}/v1/chat/completions"}}
    ends = Ends(error="APIStatusError", status=status, says="A redirect is not followed")
    return _everywhere(f"redirect_{status}", "redirect to another host", ends, fault=fault)


_IN_2001 = datetime(2001, 1, 1, tzinfo=timezone.utc)
#: What a full queue says about when to come back, and how many seconds that is.
_WAITS: Mapping[str, tuple[Mapping[str, str], float | None]] = {
    "seconds": ({"Retry-After": "7"}, 7.0),
    "part_of_a_second": ({"Retry-After": "0.25"}, 0.25),
    "milliseconds": ({"Retry-After-Ms": "1500", "Retry-After": "2"}, 1.5),
    "date_gone_by": ({"Retry-After": _IN_2001.strftime("%a, %d %b %Y %H:%M:%S GMT")}, 0.0),
    "garbage": ({"Retry-After": "soon"}, None),
    "year": ({"Retry-After": "31536000"}, 31_536_000.0),
    "negative": ({"Retry-After": "-5"}, 0.0),
    "endless": ({"Retry-After": "inf"}, None),
}


def _wait(name: str, headers: Mapping[str, str], seconds: float | None) -> Row:
    ends = Ends(error="RateLimitError", retryable=True, status=429, retry_after=seconds)
    fault = {"name": "gateway", "status": 429, "headers": headers}
    return _everywhere(f"retry_after_{name}", "429 with Retry-After", ends, fault=fault, call={"max_retries": 0})


# The connection ends, or falls silent.

_NO_ANSWER = Ends(error="APIConnectionError", retryable=True)
_CUT_SHORT = Ends(error="APIConnectionError", says="cut short")
_INTERRUPTED = Ends(error="StreamInterruptedError")


def _begun(ends: Ends, begun: bool | None = True) -> Ends:
    return replace(ends, begun=begun)


def _cut(name: str, group: str, whole: Ends, stream: Ends, socket: Ends | None = None, **fault: Any) -> Row:
    return Row(
        name=name,
        group=f"cut {group}",
        fault={"name": "cut", **fault},
        whole=whole,
        stream=stream,
        socket=socket or stream,
    )


def _timeout(limit: str, *, begun: bool | None = False, retryable: bool = False) -> Ends:
    seconds = _SHORT_CONNECT if limit == "connect" else _SHORT
    return Ends(error="APITimeoutError", says=f"{limit} limit of {seconds:g} s", begun=begun, retryable=retryable)


def _stall(name: str, group: str, limit: str, socket: Ends, begun: bool | None, **fault: Any) -> Row:
    # Nothing but the limit that is meant may run out.
    timeout = {**PATIENT, limit.replace(" ", "_"): _SHORT}
    if socket.says.startswith("connect"):
        timeout["connect"] = _SHORT_CONNECT
    return Row(
        name=name,
        group=f"stall {group}",
        fault={"name": "stall", **_STALLED, **fault},
        call={"timeout": timeout},
        whole=_timeout(limit),
        stream=_timeout(limit, begun=begun),
        socket=socket,
    )


# Replies that nobody can read.

_UNREADABLE = Ends(error="APIResponseError", status=200)
_GARBLED = Ends(error="APIResponseError", begun=None)


def _reply(title: str, whole: Ends, stream: Ends, socket: Ends | None, **fault: Any) -> Row:
    return Row(name=title, group=title.replace("_", " "), fault=fault, whole=whole, stream=stream, socket=socket)


_OK = Ends()

_STATUSES = tuple(_status(status, cls) for status, cls in _CLASSES.items())
_REDIRECTS = tuple(_redirect(status) for status in (301, 302, 303, 307, 308))
_RETRY_AFTER = tuple(_wait(name, *wait) for name, wait in _WAITS.items())
_CUTS = (
    _cut("cut_before_the_head", "before the head", _NO_ANSWER, _NO_ANSWER, after=-1),
    _cut("reset_before_the_head", "before the head", _NO_ANSWER, _NO_ANSWER, after=-1, reset=True),
    _cut("cut_in_the_head", "in the head", _NO_ANSWER, _NO_ANSWER, after=-0.5),
    _cut("cut_behind_the_head", "behind the head", _CUT_SHORT, _INTERRUPTED, after=0),
    _cut("cut_in_the_body", "between events, in the body", _CUT_SHORT, _begun(_INTERRUPTED)),
    _cut("reset_in_the_body", "between events, in the body", _CUT_SHORT, _begun(_INTERRUPTED), reset=True),
    _cut("cut_in_an_event", "inside an event", _CUT_SHORT, _begun(_INTERRUPTED, None), after=1.5),
)
_AT_CONNECT = replace(_timeout("connect", retryable=True))
_STALLS = (
    _stall("stall_before_the_head", "before the first byte", "first token", _AT_CONNECT, False, after=-1),
    _stall("stall_in_the_head", "before the first byte", "first token", _AT_CONNECT, False, after=-0.5),
    _stall("stall_behind_the_head", "behind the head", "first token", _timeout("first token"), False, after=0),
    _stall("stall_in_the_body", "after the first event", "idle", _timeout("idle", begun=None), None, after=1),
    _stall("stall_in_an_event", "inside an event", "idle", _timeout("idle", begun=None), None, after=1.5),
)
_HOTEL = replace(_UNREADABLE, says="Welcome to the hotel")
_BAD_GATEWAY = Ends(error="InternalServerError", status=502, retryable=True)
_PAGE = b"<html><body>Welcome to the hotel</body></html>"
_CONTENTS = (
    _reply("malformed_JSON", _UNREADABLE, _GARBLED, _GARBLED, name="malformed"),
    _reply("HTML_page", _HOTEL, _HOTEL, _UNREADABLE, name="html", status=200, body=_PAGE),
    _reply("HTML_page_of_a_502", _BAD_GATEWAY, _BAD_GATEWAY, _BAD_GATEWAY, name="html"),
    _reply("empty_body", _UNREADABLE, _UNREADABLE, None, name="empty"),
    _reply("wrong_content_type", _OK, _OK, None, name="content_type"),
    _reply("wrong_charset", _UNREADABLE, _GARBLED, None, name="charset"),
    _reply("gzip_cut_short", _UNREADABLE, _begun(_INTERRUPTED, None), None, name="gzip"),
    _reply("Content-Length_too_large", _CUT_SHORT, _OK, None, name="content_length"),
    replace(
        _reply(
            "Content-Length_too_small", _UNREADABLE, _begun(_INTERRUPTED, None), None, name="content_length", after=-0.5
        ),
        next_retries=2,
        # What is left over is no HTTP, and their parser gives out nothing of an answer that is followed by such.
        aio=Ends(error="APIConnectionError", retryable=True),
    ),
)
_DRIPS = (
    Row(
        name="slow_drip",
        group="slow drip",
        # Longer altogether than the limit between two arrivals.
        replies=({"split": 4, "pace": 0.01}, {"split": 12, "pace": 0.01}),
        call={"timeout": {**PATIENT, "idle": 0.7}},
        whole=_OK,
        stream=_OK,
        socket=_OK,
        at_once=20,
    ),
    Row(
        name="slow_drip_beyond_the_total",
        group="slow drip beyond the total",
        replies=({"split": 1, "pace": 0.2}, {"split": 8, "pace": 0.2}),
        call={"timeout": {**PATIENT, "total": 1}},
        whole=replace(_timeout("total"), says="total limit of 1 s"),
        stream=replace(_timeout("total", begun=None), says="total limit of 1 s"),
        socket=replace(_timeout("total", begun=None), says="total limit of 1 s"),
        at_once=20,
    ),
)
_TOO_LARGE = Ends(error="APIResponseError", says="more than")
_LARGE = Row(
    name="too_large",
    group="too large",
    fault={"name": "large"},
    call={"max_response_bytes": 1_000_000},
    whole=_TOO_LARGE,
    stream=_begun(_TOO_LARGE, None),
    socket=_begun(_TOO_LARGE, None),
)


def _nobody(name: str, group: str, ends: Ends) -> Row:
    return _everywhere(name, group, ends, place=name, call={"max_retries": 0})


_UNTRUSTED = Ends(error="APIConnectionError", says="no trusted TLS connection")
_PLACES = (
    _nobody("untrusted_certificate", "TLS failure", _UNTRUSTED),
    _nobody("plain_port_asked_for_TLS", "TLS failure", _UNTRUSTED),
    _nobody("TLS_port_asked_in_plain", "TLS failure", _NO_ANSWER),
    _nobody("unknown_name", "DNS failure", replace(_NO_ANSWER, says="could not be resolved")),
    _nobody("refused", "connection refused", replace(_NO_ANSWER, says="no answer from 127.0.0.1")),
)

ROWS: tuple[Row, ...] = (
    *_STATUSES,
    *_REDIRECTS,
    *_RETRY_AFTER,
    *_CUTS,
    *_STALLS,
    *_CONTENTS,
    *_DRIPS,
    _LARGE,
    *_PLACES,
)

#: Providers whose whole answers are streams that were joined, as over a WebSocket.
JOINED: Mapping[str, str] = {"adp": "every answer of the platform is events"}


def _as(cls: str, why: str, **changes: Any) -> Instead:
    return Instead(changes={"error": cls, **changes}, why=why)


_BUSY = Instead(changes={"retryable": True}, why="409 means busy, by the vendor's table")
_OVERLOADED = _as("ServiceUnavailableError", "the gateway in front of the platform, by its table")
_GONE = "the vendor's API seems to be withdrawn; its host answers with these"
_OLDER = Instead(changes={"requests": 2}, why="an older server has another path, which is asked next")

#: Name of a row, and provider → what is otherwise there, and why.
EXCEPTIONS: Mapping[tuple[str, str], Instead] = {
    ("status_403", "tiangong"): _as("AuthenticationError", "the vendor says 403 to a wrong key"),
    ("status_404", "tiangong"): _as("ServiceUnavailableError", _GONE),
    ("status_502", "tiangong"): _as("ServiceUnavailableError", _GONE),
    ("HTML_page_of_a_502", "tiangong"): _as("ServiceUnavailableError", _GONE),
    ("status_404", "ragflow"): _OLDER,
    ("status_405", "ragflow"): _OLDER,
    ("status_405", "wenxin"): _as("BadRequestError", "the vendor's table"),
    ("status_405", "appbuilder"): _as("BadRequestError", "the vendor's table"),
    ("status_409", "qwen"): _BUSY,
    ("status_409", "bailian_app"): _BUSY,
    ("status_409", "coze"): _as(
        "RateLimitError", "a chat of the conversation still runs, by its table", retryable=True
    ),
    ("status_415", "dify"): _as("BadRequestError", "a file of a type that the app does not take"),
    ("status_451", "stepfun"): _as("ContentPolicyViolationError", "the vendor's table: moderation"),
    ("status_500", "fastgpt"): Instead(changes={"retryable": False}, why="most often an app that is not set up"),
    ("status_504", "siliconflow"): _as("ServiceUnavailableError", "the vendor's table"),
    ("status_529", "lingyi"): _as("ServiceUnavailableError", "the vendor's table"),
    **{(f"status_{status}", name): _OVERLOADED for status in (502, 504) for name in ("adp", "ragflow", "zhipu_app")},
    **{("HTML_page_of_a_502", name): _OVERLOADED for name in ("adp", "ragflow", "zhipu_app")},
    ("HTML_page", "fastgpt"): _as(
        "NotFoundError", "the platform answers a path that it does not know with its web page", status=404, says=""
    ),
    ("empty_body", "tiangong"): Instead(
        of_streams={"error": "StreamInterruptedError", "status": None}, why="a body of no lines is one without the last"
    ),
    ("gzip_cut_short", "tiangong"): Instead(
        of_streams={"error": "APIResponseError"}, why="not even its first line has come to its end"
    ),
    ("HTML_page", "tiangong"): Instead(of_streams={"status": None}, why="it is read as the line of a stream"),
    ("wrong_charset", "coze"): Instead(
        of_whole={"error": ""}, why="the reply to the request has no text; that comes with a later one"
    ),
    ("wrong_charset", "dify"): Instead(
        of_streams={"error": ""}, why="its events are ASCII, with other characters escaped"
    ),
}
