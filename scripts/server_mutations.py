"""Shows that the tests notice when the vendor server stops checking: switches off one check at a time, runs the tests.

python scripts/server_mutations.py            all of them, as a Markdown table; exit 1 if one is not noticed
"""

from __future__ import annotations

import sys

from mutations import Mutation, main

PLAYED = "unionllm/testing/vendors"

MUTATIONS = (
    Mutation(
        "zhipuai: the token's times are taken for seconds",
        f"{PLAYED}/zhipuai.py",
        "request.now * 1000",
        "request.now",
        ("tests/conformance/test_on_vendor_server.py", "tests/testing", "-k", "token or jwt"),
    ),
    Mutation(
        "zhipuai: temperature has no upper bound",
        f"{PLAYED}/zhipuai.py",
        '"temperature": Number(0, 1)',
        '"temperature": Number(0)',
        ("tests/testing", "-k", "zhipuai"),
    ),
    Mutation(
        "all: results of tools may answer no call",
        "unionllm/testing/_checks.py",
        "if given not in open_ids:",
        "if False:",
        ("tests/testing", "-k", "zhipuai or moonshot or qwen"),
    ),
    Mutation(
        "xunfei: any signature will do",
        f"{PLAYED}/xunfei.py",
        "not hmac.compare_digest(base64.b64encode(digest), parts[4].encode())",
        "False",
        ("tests/testing", "-k", "xunfei or spark"),
    ),
    Mutation(
        "deepseek: reasoning need not come back with tools",
        f"{PLAYED}/deepseek.py",
        'not isinstance(message.get("reasoning_content"), str)',
        "False",
        ("tests/testing", "-k", "deepseek"),
    ),
)


if __name__ == "__main__":
    sys.exit(main(MUTATIONS, "check switched off"))
