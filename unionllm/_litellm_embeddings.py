"""Embeddings through ``litellm.embedding``, for every provider without an adapter of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._litellm import make_plan
from ._litellm_route import check_request
from ._litellm_streams import attempt, attempt_async
from ._wire import Flow, Perform
from .schema import Embedding, EmbeddingResponse, Usage

if TYPE_CHECKING:
    from ._litellm_results import Sent
    from ._request import ChatRequest
    from ._timeouts import Deadline

#: Arguments of a chat that mean nothing to an embeddings endpoint.
_OF_CHATS = ("messages", "stream", "stream_options", "allowed_openai_params")


class LiteLLMEmbeddings:
    """Answers one call. LiteLLM knows no batches: the texts go as they are."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        """All vectors, in the order of the texts. Raises what a chat through LiteLLM raises."""
        check_request(chat)
        plan = yield Perform(call=lambda: make_plan(chat, deadline, is_stream=False))
        given = {name: value for name, value in plan.arguments.items() if name not in _OF_CHATS}
        given["input"] = list(self._texts)

        def call() -> EmbeddingResponse:
            return _given(attempt(lambda: _read(plan.litellm.embedding(**given), plan.sent), plan.sent))

        async def acall() -> EmbeddingResponse:
            async def work() -> EmbeddingResponse:
                return _read(await plan.litellm.aembedding(**given), plan.sent)

            return _given(await attempt_async(work, plan.sent))

        return (yield Perform(call=call, acall=acall))

    def stream(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        """Never asked for: a streamed call is refused before."""
        return self.answer(chat, deadline)


def _given(outcome: tuple[Any, Exception | None]) -> EmbeddingResponse:
    response, failure = outcome
    if failure is not None:
        raise failure
    made: EmbeddingResponse = response
    return made


def _read(reply: Any, sent: Sent) -> EmbeddingResponse:
    data = reply.model_dump(warnings=False)
    usage = data.get("usage") or {}
    prompt, total = usage.get("prompt_tokens"), usage.get("total_tokens")
    vectors = [list(row["embedding"]) for row in data["data"] or ()]
    return EmbeddingResponse(
        model=sent.bare_model(data.get("model")),
        data=[Embedding.build({"index": number, "embedding": vector}) for number, vector in enumerate(vectors)],
        usage=Usage(prompt_tokens=prompt, total_tokens=total) if prompt or total else None,
        provider=sent.provider,
        adaptations=list(sent.adaptations) or None,
    )
