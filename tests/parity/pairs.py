"""Which official client is documented for which vendor, and what of it does not work, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from harness import Pair

PAIRS: tuple[Pair, ...] = (
    Pair(sdk="zhipuai", vendor="zhipuai"),
    Pair(sdk="zhipuai", vendor="zhipuai", protocol="jwt", options={"signs": True}, ours={"auth": "jwt"}),
    Pair(sdk="openai", vendor="zhipuai"),
    Pair(sdk="openai", vendor="moonshot", asks_usage=True),
    Pair(sdk="openai", vendor="deepseek", asks_usage=True),
    Pair(sdk="openai", vendor="stepfun"),
    Pair(sdk="openai", vendor="lingyi"),
    Pair(sdk="openai", vendor="baichuan"),
    Pair(sdk="openai", vendor="hunyuan", asks_usage=True),
    Pair(sdk="openai", vendor="siliconflow"),
    Pair(sdk="openai", vendor="modelscope", asks_usage=True),
    Pair(sdk="openai", vendor="mimo", asks_usage=True),
    Pair(sdk="openai", vendor="longcat", asks_usage=True),
    Pair(sdk="openai", vendor="sensenova", asks_usage=True),
    Pair(sdk="openai", vendor="internlm", asks_usage=True),
    Pair(sdk="openai", vendor="ai360", asks_usage=True),
    Pair(sdk="openai", vendor="ant_ling", asks_usage=True),
    Pair(sdk="openai", vendor="doubao", asks_usage=True),
    Pair(sdk="ark", vendor="doubao", asks_usage=True),
    Pair(sdk="openai", vendor="minimax", asks_usage=True),
    Pair(sdk="openai", vendor="qwen", asks_usage=True),
    Pair(sdk="dashscope", vendor="qwen", protocol="native", base="/api/v1", ours={"protocol": "native"}),
    Pair(sdk="dashscope2", vendor="qwen", protocol="compatible", options={"protocol": "openai"}),
    Pair(
        sdk="dashscope2",
        vendor="qwen",
        protocol="native",
        base="/api/v1",
        options={"protocol": "native"},
        ours={"protocol": "native"},
    ),
    Pair(sdk="dashscope_app", vendor="bailian_app"),
    Pair(sdk="openai", vendor="wenxin", asks_usage=True),
    Pair(
        sdk="qianfan",
        vendor="wenxin",
        protocol="bearer",
        base="",
        options={"protocol": "bearer"},
        ours_at_usual_base=True,
        asks_usage=True,
    ),
    Pair(
        sdk="qianfan",
        vendor="wenxin",
        protocol="iam",
        base="",
        options={"protocol": "iam"},
        ours={"api_key": None, "iam_base_url": "{root}"},
        ours_at_usual_base=True,
        asks_usage=True,
    ),
    Pair(
        sdk="qianfan",
        vendor="wenxin",
        protocol="V1",
        base="",
        models={"chat": "ERNIE-4.0-8K", "tools": "ERNIE-4.0-8K", "image": "ERNIE-4.0-8K"},
        options={"protocol": "v1"},
        ours={"api_key": None, "access_key": None, "secret_key": None, "api_version": "v1"},
    ),
    Pair(sdk="openai", vendor="xunfei_http", options={"extra_body": {"tool_calls_switch": True}}),
    Pair(sdk="cozepy", vendor="coze"),
    Pair(sdk="dify", vendor="dify"),
    # FastGPT says 1 and 1 whatever it cost, so its usage is not judged.
    Pair(sdk="openai", vendor="fastgpt", options={"ignores_usage": True}),
    Pair(
        sdk="openai",
        vendor="ragflow",
        base="/api/v1/openai/c0ffee00c0ffee00c0ffee00c0ffee00",
        options={"says_stream": True},
        ours_at_usual_base=True,
    ),
    Pair(sdk="zhipu_agents", vendor="zhipu_app"),
    Pair(sdk="sparkai", vendor="xunfei", base="/v4.0/chat"),
)

_EVENTS = "a failed stream is an event of status 200 named error, which the SDK takes for an empty chunk"
_NO_EVENTS = "a refused stream is a body of status 200 without events, which the SDK takes for an empty stream"
_NO_IDS = "calls of functions have no ids in V1"
_LINES = "splits lines at U+2028, U+2029 and U+0085 too, inside of a JSON string"

#: Pair (a protocol left out stands for all of them) → case → why the client does not pass it. Whatever is not here
#: has to pass, and what is here has to fail.
NOT_PASSED: Mapping[str, Mapping[str, str]] = {
    "zhipuai-zhipuai": {"stream_line_separators": _LINES},
    "zhipu_agents-zhipu_app": {"stream_line_separators": _LINES},
    "cozepy-coze": {"stream_line_separators": _LINES},
    "openai-fastgpt": {"bad_key_stream": _EVENTS, "rate_limit_stream": _EVENTS},
    "openai-ragflow": {"bad_key_stream": _NO_EVENTS},
    "qianfan-wenxin-V1": {"tools": _NO_IDS, "tools_stream": _NO_IDS, "image": "V1 has no model that sees"},
    "sparkai-xunfei": {"tool_result": "the WebSocket API has no role for results of tools; its SDK sends it anyway"},
}


def reason(pair: Pair, case: str) -> str:
    """Why that client is known not to pass that case; "" if it has to."""
    told = {**NOT_PASSED.get(f"{pair.sdk}-{pair.vendor}", {}), **NOT_PASSED.get(str(pair), {})}
    return told.get(case, "")
