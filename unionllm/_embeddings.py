"""One embeddings call as a flow: texts split to the vendor's limit, put together in order. No I/O."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _registry
from ._call import Route
from ._routes import build_route
from ._wire import Flow, HttpReply
from .exceptions import APIResponseError, BadRequestError, ProviderError
from .schema import Embedding, EmbeddingResponse, Usage

if TYPE_CHECKING:
    from ._protocols.base import EmbeddingFacts
    from ._protocols.openai_compatible import OpenAICompatible
    from ._request import ChatRequest
    from ._timeouts import Deadline

#: Stands in for the messages that a route is checked with; it is never sent.
_NO_MESSAGES = [{"role": "user", "content": "-"}]


def read_input(given: Any) -> tuple[str, ...]:
    """The texts, checked.

    Raises:
        BadRequestError: it is neither a text nor a list of texts, or one of them is empty.
    """
    texts = (given,) if isinstance(given, str) else given
    if not isinstance(texts, (list, tuple)) or not texts:
        raise BadRequestError("input must be a text, or a list of texts that is not empty.")
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise BadRequestError(f"input[{number}] must be a text that is not empty, not {text!r:.40}.")
    return tuple(texts)


def build_embedding_route(given: Mapping[str, Any], environ: Mapping[str, str]) -> Route:
    """One way to get the texts embedded; see ``build_route``."""
    texts = read_input(given.get("input"))
    if given.get("stream"):
        raise BadRequestError("embeddings are not streamed; leave stream= out.")
    others = {name: value for name, value in given.items() if name not in ("input", "stream")}
    # The request is sent as it is: a chat's parameters mean nothing here, so that there is nothing to adapt.
    route = build_route({**others, "messages": _NO_MESSAGES, "param_policy": "raw"}, environ)
    found = _registry.find(route.chat.provider) if route.chat.provider else None
    if found is None:
        from ._litellm_embeddings import LiteLLMEmbeddings

        return route._replace(backend=LiteLLMEmbeddings(texts))
    facts = found.adapter.spec.embeddings
    if facts is None:
        offered = ", ".join(name for name in _registry.native_names() if _offers(name))
        raise ProviderError(f"{route.chat.provider} offers no embeddings. These do: {offered}; others go to LiteLLM.")
    adapter: Any
    adapter, chat = found.adapter.for_embeddings(route.chat)
    return route._replace(chat=chat, backend=NativeEmbeddings(adapter, facts, texts))


def _offers(name: str) -> bool:
    found = _registry.find(name)
    return found is not None and found.adapter.spec.embeddings is not None


class NativeEmbeddings:
    """Answers one call batch by batch. What has arrived is kept over a retry: only what is missing is asked again."""

    def __init__(self, adapter: OpenAICompatible, facts: EmbeddingFacts, texts: Sequence[str]) -> None:
        self._adapter = adapter
        self._facts = facts
        self._texts = texts
        self._done: list[EmbeddingResponse] = []

    def answer(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        """All vectors, in the order of the texts."""
        batches = list(split(self._texts, self._facts.batch_of(chat.model)))
        for texts in batches[len(self._done) :]:
            ready = yield from self._adapter.make_ready(chat)
            reply: HttpReply = yield self._adapter.build_embedding_request(ready, list(texts), self._facts.path)
            data = self._adapter.read_json(ready, reply)
            self._done.append(self._read(ready, data, len(texts), reply))
        return merge(self._done, chat)

    def stream(self, chat: ChatRequest, deadline: Deadline) -> Flow[Any]:
        """Never asked for: a streamed call is refused before."""
        return self.answer(chat, deadline)

    def _read(self, chat: ChatRequest, data: dict[str, Any], wanted: int, reply: HttpReply) -> EmbeddingResponse:
        try:
            vectors = [vector_of(row) for row in sorted(data["data"], key=lambda row: row.get("index", 0))]
        except (AttributeError, KeyError, TypeError, ValueError):
            vectors = []
        if len(vectors) != wanted:
            name = self._adapter.spec.name
            raise APIResponseError(f"{name}: {wanted} texts were sent and {len(vectors)} vectors came back. Ask again.")
        return EmbeddingResponse(
            model=str(data.get("model") or chat.model),
            data=[Embedding.build({"index": number, "embedding": vector}) for number, vector in enumerate(vectors)],
            usage=self._adapter.usage(data.get("usage")),
            provider=self._adapter.spec.name,
            request_id=self._adapter.request_id(reply) or data.get("request_id"),
        )


def split(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The texts in batches of at most so many."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def vector_of(row: Mapping[str, Any]) -> list[float]:
    """One vector: a list of numbers, or little-endian 32-bit floats in base64."""
    given = row["embedding"]
    if not isinstance(given, str):
        return [float(number) for number in given]
    numbers = array.array("f", base64.b64decode(given))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


def merge(batches: Sequence[EmbeddingResponse], chat: ChatRequest) -> EmbeddingResponse:
    """The batches as one reply: vectors numbered through, tokens added up."""
    rows = [row for batch in batches for row in batch.data]
    for number, row in enumerate(rows):
        row.index = number
    usages = [batch.usage for batch in batches if batch.usage is not None]
    prompt = sum(usage.prompt_tokens or 0 for usage in usages)
    total = sum(usage.total_tokens or 0 for usage in usages)
    return EmbeddingResponse(
        model=batches[0].model,
        data=rows,
        usage=Usage(prompt_tokens=prompt, total_tokens=total) if usages else None,
        provider=batches[0].provider,
        request_id=batches[-1].request_id,
        adaptations=list(chat.adaptations) or None,
    )
