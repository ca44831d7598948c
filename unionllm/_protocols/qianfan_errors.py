"""How Baidu Qianfan says no, since its second protocol: to models and to apps.

Follows https://cloud.baidu.com/doc/qianfan-api/s/Om9b4yj3w (read 2026-11-23).
"""

from __future__ import annotations

from . import means
from .qianfan_v1 import NO_MONEY

CODES = means.codes(
    {
        means.BAD_REQUEST: "malformed_json invalid_model invalid_messages characters_too_long invalid_argument"
        " invalid_image_url invalid_plugin_argument method_not_supported",
        means.CONTEXT: "tokens_too_long",
        means.POLICY: "image_url_unsafe unsafe_request system_unsafe user_setting_unsafe functions_unsafe",
        means.AUTH: "invalid_iam_token invalid_appid",
        means.PERMISSION: "no_parameter_permission access_denied",
        means.NOT_FOUND: "not_found",
        means.NO_BALANCE: "account_overdue",
        means.RATE_LIMIT: "rpm_rate_limit_exceeded tpm_rate_limit_exceeded input_tpm_rate_limit_exceeded"
        " output_tpm_rate_limit_exceeded preemptible_rate_limit_exceeded user_rate_limit_exceeded"
        " cluster_rate_limit_exceeded Offline_batch_reasoning_refused",
        means.SERVER: "internal_error dispatch_internal_error",
    }
)
TEXTS = (
    # Said with status 401 and the code of a model that does not exist.
    ("no permission to use the model", means.PERMISSION),
    ("the max input", means.CONTEXT),
    *NO_MONEY,
)
