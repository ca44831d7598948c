"""A support bot on an agent platform: one conversation over several turns, with the sources under each answer.

python examples/support_bot.py dify                      asks you; keys as docs/providers/dify.md says
python examples/support_bot.py dify "怎么退货？"           asks this question, or several
python examples/support_bot.py dify --offline "怎么退货？" asks the platform played on this machine: no key, no network
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from unionllm import ModelResponse, UnionLLM

#: What the played platform says to the questions, in turn.
_SAID: list[dict[str, Any]] = [
    {
        "text": "七天内可以退货。",
        "context": [{"content": "自签收起七天内可以退货。", "title": "退货.md", "score": 0.96}],
    },
    {"text": "退款三天到账。", "context": [{"content": "退款在三个工作日内到账。", "title": "退款.md", "score": 0.88}]},
    {"text": "不客气，再见。"},
]

#: Where a platform tells its sources only when it is asked to.
OPTIONS: dict[str, dict[str, Any]] = {"bailian_app": {"doc_reference_type": "simple"}}


def typed_questions() -> Iterator[str]:
    """Questions of whoever sits at the terminal, until an empty line."""
    while question := input("\n问：").strip():
        yield question


def converse(client: UnionLLM, questions: Iterable[str]) -> None:
    """Ask one question after the other in one conversation."""
    messages: list[dict[str, Any]] = []
    conversation: str | None = None
    for question in questions:
        print(f"\n问：{question}\n答：", end="", flush=True)
        messages.append({"role": "user", "content": question})
        # Once the platform has given the conversation an id, it remembers what was said before.
        asked = messages if conversation is None else messages[-1:]
        stream = client.chat(messages=asked, conversation_id=conversation, stream=True)
        for piece in stream.text():
            print(piece, end="", flush=True)
        print()
        answer = stream.response
        show_sources(answer)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})
        conversation = answer.conversation_id


def show_sources(answer: ModelResponse) -> None:
    """The passages that an answer rests on."""
    for number, source in enumerate(answer.context or (), 1):
        where = source.document_name or source.url or source.id
        score = "" if source.score is None else f"，相关度 {source.score:.2f}"
        print(f"  [{number}] {where}{score}：{source.content}")


def main(platform: str, *words: str) -> None:
    """Run the bot on that platform."""
    offline = "--offline" in words
    given = [word for word in words if word != "--offline"]
    questions: Iterable[str] = given or typed_questions()
    if not offline:
        with UnionLLM(provider=platform, user="support-bot", **OPTIONS.get(platform, {})) as client:
            converse(client, questions)
        return
    from unionllm.testing import VendorServer

    with VendorServer() as server:
        for answer in _SAID:
            server.reply(vendor=platform, **answer)
        arguments = {"model": server.vendor(platform).examples["chat"], **server.arguments(platform)}
        with UnionLLM(**arguments, user="support-bot", **OPTIONS.get(platform, {})) as client:
            converse(client, questions)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
