"""Codes of Baidu's Qianfan, which its models and its apps share: cloud.baidu.com, error codes (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping

_ROWS = {
    400: "malformed_json invalid_model invalid_messages characters_too_long invalid_argument invalid_image_url"
    " invalid_plugin_argument tokens_too_long image_url_unsafe",
    401: "invalid_iam_token invalid_appid no_parameter_permission",
    402: "account_overdue",
    403: "system_unsafe user_setting_unsafe functions_unsafe access_denied",
    404: "not_found",
    405: "method_not_supported",
    429: "rpm_rate_limit_exceeded tpm_rate_limit_exceeded input_tpm_rate_limit_exceeded"
    " output_tpm_rate_limit_exceeded preemptible_rate_limit_exceeded user_rate_limit_exceeded"
    " cluster_rate_limit_exceeded Offline_batch_reasoning_refused",
    500: "internal_error dispatch_internal_error",
}

#: Code → the status that it comes with.
STATUSES: Mapping[str, int] = {code: status for status, codes in _ROWS.items() for code in codes.split()}
