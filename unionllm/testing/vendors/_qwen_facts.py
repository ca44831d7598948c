"""What both protocols of Alibaba Cloud Model Studio share: models, bounds and error codes (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping

from .._checks import Anything, Check, Either, Flag, Integer, ListOf, Nothing, Number, OneOf, Shape, Text, function_tool
from .._exchange import Problem
from .._openai import Model

_MEDIA = frozenset({"image_url", "video_url", "video"})
_HEARS = _MEDIA | {"input_audio"}
_SWITCH: dict[str, Check | None] = {"enable_thinking": Flag(), "thinking_budget": Integer(1)}
_NO_SWITCH: dict[str, Check | None] = {"enable_thinking": None, "thinking_budget": None}

#: Names in part: commercial models think on request; open-weight ones always, unless told not to.
MODELS = (
    Model(pattern=r"qwen3(\.8)?-omni-flash.*|qwen.*-omni.*", parts=_HEARS, thinks="on_request", fields=_SWITCH),
    Model(
        pattern=r"qwen3\.[578]-(plus|max|flash)(-\d{4}-\d\d-\d\d)?", parts=_MEDIA, thinks="on_request", fields=_SWITCH
    ),
    Model(pattern=r"qwen3-vl-.*|qwen-vl-ocr.*", parts=_MEDIA, thinks="on_request", fields=_SWITCH),
    Model(pattern=r"qwen(-plus|-flash|3-max)(-latest|-\d{4}-\d\d-\d\d)?", thinks="on_request", fields=_SWITCH),
    Model(pattern=r"qwen3-\d+b(-a\d+b)?", thinks="switch", fields=_SWITCH),
    Model(pattern=r"qwen3-(coder|next).*|qwen-long|qwen-mt-.*|qwen-plus-character", fields=_NO_SWITCH),
    Model(pattern=r"(deepseek-v4|glm-5\.2|kimi-k2\.7)[a-z0-9.-]*", thinks="on_request", fields=_SWITCH),
)
#: Models that answer in streams and in no other way, whatever else is asked for.
STREAM_ONLY = r"qwen.*omni.*"
#: Where the native protocol serves these, also when they are asked with text alone.
MULTIMODAL = r"qwen.*(-vl|omni|ocr).*|qvq.*|qwen3\.(5|7)-plus.*|qwen3\.8-.*"

FIELDS: Mapping[str, Check] = {
    "temperature": Number(0, 2, below=True),
    "top_p": Number(0, 1, above=True),
    "top_k": Integer(0),
    "max_tokens": Integer(1),
    "n": Integer(1, 4),
    "seed": Integer(0, 2**31 - 1),
    "stop": Either(Text(), ListOf(Either(Text(), Integer()))),
    "presence_penalty": Number(-2, 2),
    "repetition_penalty": Number(0, above=True),
    "logprobs": Flag(),
    "top_logprobs": Integer(0, 5),
    "response_format": Either(
        Shape({"type": OneOf("text", "json_object")}),
        Shape({"type": OneOf("json_schema"), "json_schema": Shape({"name": Text(low=1), "schema": Shape({})})}),
    ),
    "tools": ListOf(function_tool()),
    "tool_choice": Either(
        OneOf("auto", "none"),
        Shape({"type": OneOf("function"), "function": Shape({"name": Text(low=1)})}),
    ),
    "parallel_tool_calls": Flag(),
    "enable_search": Flag(),
    "search_options": Shape({"forced_search?": Flag(), "enable_source?": Flag(), "enable_citation?": Flag()}),
    "vl_high_resolution_images": Flag(),
    "translation_options": Shape({}),
    "ocr_options": Shape({}),
    "enable_code_interpreter": Flag(),
    "frequency_penalty": Nothing("is not supported, use repetition_penalty"),
    "metadata": Anything(),
}


def _problem(status: int, code: str, message: str, compatible: str = "", kind: str = "") -> Problem:
    """``compatible`` and ``kind`` are the code and type of the same error on the compatible endpoint."""
    return Problem(status=status, code=code, message=message, type=kind, extra={"compatible": compatible or code})


_INPUT = "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"
_BLOCKED = "Input data may contain inappropriate content."

PROBLEMS = {
    str(problem.code if label is None else label): problem
    for label, problem in (
        (None, _problem(401, "InvalidApiKey", "Invalid API-key provided.", "invalid_api_key", "invalid_request_error")),
        (None, _problem(403, "AccessDenied", "Access denied.", "access_denied")),
        (None, _problem(403, "AccessDenied.Unpurchased", "Access to model denied.")),
        (None, _problem(403, "Model.AccessDenied", "Model access denied.")),
        (None, _problem(403, "Workspace.AccessDenied", "Workspace access denied.")),
        (None, _problem(403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted.")),
        (None, _problem(404, "ModelNotFound", "The model does not exist.", "model_not_found", "invalid_request_error")),
        (None, _problem(400, "Model.NotExist", "Model not exist.", "model_not_supported")),
        (None, _problem(404, "WorkSpaceNotFound", "WorkSpace can not be found.")),
        (None, _problem(429, "Throttling", "Requests throttling triggered.")),
        (None, _problem(429, "Throttling.RateQuota", "Requests rate limit exceeded", "limit_requests")),
        (None, _problem(429, "Throttling.BurstRate", "Request rate increased too quickly", "limit_burst_rate")),
        (
            None,
            _problem(429, "Throttling.AllocationQuota", "Allocated quota exceeded", "insufficient_quota"),
        ),
        (None, _problem(429, "CommodityNotPurchased", "Commodity has not purchased yet.")),
        (None, _problem(429, "PrepaidBillOverdue", "The prepaid bill is overdue.")),
        (None, _problem(429, "PostpaidBillOverdue", "The postpaid bill is overdue.")),
        (None, _problem(400, "Arrearage", "Access denied, please make sure your account is in good standing.")),
        (None, _problem(400, "DataInspectionFailed", _BLOCKED, "data_inspection_failed")),
        (None, _problem(400, "FaqRuleBlocked", "Input or output data is blocked by faq rule.")),
        (None, _problem(400, "CustomRoleBlocked", "Input or output data may contain inappropriate content.")),
        (None, _problem(400, "IPInfringementSuspect", "Input data is suspected of IP infringement.")),
        (
            None,
            _problem(400, "InvalidParameter", "Required parameter is wrong.", "invalid_parameter_error"),
        ),
        ("length", _problem(400, "InvalidParameter", _INPUT, "invalid_parameter_error")),
        (None, _problem(400, "InvalidURL", "The request URL is invalid.")),
        (None, _problem(400, "InternalError.Algo.InvalidParameter", "The request parameter is invalid.")),
        (None, _problem(413, "RequestTooLarge", "The request body is too large.")),
        (None, _problem(500, "InternalError", "An internal error has occurred.", "internal_error", "internal_error")),
        (None, _problem(500, "InternalError.Algo", "inference internal error.")),
        (None, _problem(500, "InternalError.Timeout", "An internal timeout error has occurred.")),
        (None, _problem(500, "SystemError", "An system error has occurred.")),
        (None, _problem(500, "ModelServiceFailed", "Failed to request model service.")),
        (None, _problem(500, "RequestTimeOut", "Request timed out, please try again later.")),
        (None, _problem(503, "ModelServingError", "Too many requests. Your requests are being throttled.")),
        (None, _problem(503, "ModelUnavailable", "Model is unavailable, please try again later.")),
        (None, _problem(504, "GatewayTimeout", "Gateway timeout.")),
    )
}

KINDS = {
    "auth": "InvalidApiKey",
    "permission": "AccessDenied",
    "no_balance": "Arrearage",
    "rate_limit": "Throttling.RateQuota",
    "overloaded": "ModelServingError",
    "not_found": "ModelNotFound",
    "bad_request": "InvalidParameter",
    "context": "length",
    "policy": "DataInspectionFailed",
    "server": "InternalError",
}
