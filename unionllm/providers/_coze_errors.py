"""How Coze and coze-studio say no. A code means the same in a body, in an event, and as a chat's last error."""

from __future__ import annotations

from .._protocols import means
from .._protocols.base import ErrorFacts, frozen

_BUSY = means.RATE_LIMIT._replace(hint="The conversation has a chat that still runs; wait for its end, or cancel it.")
_UNPUBLISHED = means.PERMISSION._replace(
    hint="Publish the bot to the channel API (Agent as API) first. 请先将智能体发布到 API 渠道。"
)
_NO_BOT = means.NOT_FOUND._replace(
    hint="Check bot_id or workflow_id, and that it is published. 请检查 bot_id 是否已发布。"
)
_FAILED = means.SERVER._replace(hint="When a chat is begun, a wrong bot_id is a common reason for this.")

ERRORS = ErrorFacts(
    codes=frozen(
        means.codes(
            {
                means.AUTH: "4100 700012006",
                means.PERMISSION: "4101 6003 103000001",
                _UNPUBLISHED: "4015",
                _NO_BOT: "4200 103100002",
                means.NOT_FOUND: "103000002",
                means.RATE_LIMIT: "4013",
                _BUSY: "4016",
                means.NO_BALANCE: "4011 4028",
                means.BAD_REQUEST: "4000 4104 103000000",
                means.POLICY: "4014 4102",
                _FAILED: "5000",
                # The bot has run: its tools are not to run twice.
                means.BROKEN: "103100001 103200002 777777775 expired failed",
            }
        )
    ),
    statuses=frozen({409: _BUSY}),
    request_id_headers=("x-tt-logid",),
)
