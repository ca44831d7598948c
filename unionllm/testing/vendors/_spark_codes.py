"""Error codes of iFlytek Spark, one table for its two APIs: xfyun.cn/doc/spark Web and HTTP pages (read 2026-11-23)."""

from __future__ import annotations

from .._exchange import Problem

_ROWS = {
    10000: (500, "websocket upgrade failed"),
    10001: (500, "websocket read failed"),
    10002: (500, "websocket write failed"),
    10003: (400, "message format error"),
    10004: (400, "schema error"),
    10005: (400, "param value error"),
    10006: (429, "concurrent connections of the same user are not allowed"),
    10007: (429, "user traffic limited: the answer before is still being given"),
    10008: (503, "service capacity is not enough"),
    10009: (500, "connecting to the engine failed"),
    10010: (500, "receiving from the engine failed"),
    10011: (500, "sending to the engine failed"),
    10012: (500, "EngineInternalError"),
    10013: (400, "input content audit failed: sensitive"),
    10014: (400, "output content audit failed: sensitive"),
    10015: (403, "appid is in the block list"),
    10016: (403, "appid authorization error"),
    10017: (500, "clearing the history failed"),
    10019: (400, "the session tends to violate the rules"),
    10021: (400, "input audit failed"),
    10022: (400, "output audit failed"),
    10110: (503, "the service is busy, please try again later"),
    10163: (400, "request parameter error"),
    10222: (500, "engine network error"),
    10313: (401, "appid and api key do not match"),
    10907: (400, "token count exceeds the limit"),
    11200: (403, "AppIdNoAuthError: no licence for this version"),
    11201: (429, "licc limit: daily flow"),
    11202: (429, "licc limit: QPS"),
    11203: (429, "licc limit: concurrency"),
}

CODES = {str(code): Problem(status=status, code=code, message=text) for code, (status, text) in _ROWS.items()}
#: The same code for a licence that was good once: only the words tell.
CODES["used up"] = Problem(status=403, code=11200, message="AppIdNoAuthError: the licence of this version is used up")
#: What the gateway in front says by itself: a text without a code.
CODES |= {
    "unauthorized": Problem(status=401, message="Unauthorized"),
    "unverified": Problem(status=401, message="HMAC signature cannot be verified"),
    "unequal": Problem(status=401, message="HMAC signature does not match"),
    "invalid user": Problem(status=401, message="invalid user"),
    "date": Problem(
        status=403,
        message="HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication",
    ),
    "path": Problem(status=404, message="no Route matched with those values"),
}

KINDS = {
    "auth": "invalid user",
    "permission": "10016",
    "no_balance": "used up",
    "rate_limit": "11202",
    "overloaded": "10110",
    "not_found": "path",
    "bad_request": "10163",
    "context": "10907",
    "policy": "10013",
    "server": "10012",
}
