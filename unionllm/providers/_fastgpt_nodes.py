"""What the nodes of a FastGPT workflow tell of a run: what it cost, what it found, what came out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeGuard

from .._protocols.agent_parsing import usage_of
from .._protocols.base import JSONObject
from ..schema import Context

if TYPE_CHECKING:
    from ..schema import Usage

#: Where a node lists those that ran inside it.
_INSIDE = ("childrenResponses", "pluginDetail", "toolDetail", "loopDetail")
#: Where a search lists passages, and a model those that it was shown.
_LISTS = ("quoteList", "retrievalResults")
_SEARCH, _MODEL, _OUTPUT = "datasetSearchNode", "chatNode", "pluginOutput"
_PROMPT = ("inputTokens", "toolCallInputTokens")
_COMPLETION = ("outputTokens", "toolCallOutputTokens")
#: Servers before the two counts told their sum.
_OLD_TOTAL = ("tokens", "toolCallTokens")
#: What is counted besides, and is not shown to a model.
_BESIDES = ("embeddingTokens", "reRankInputTokens")
#: Kinds of scores; the first that a passage has is the one it was ranked by last.
_SCORES = ("reRank", "rrf", "embedding", "fullText")
#: Members of a passage that have places of their own in our schema, or make up its content.
_PLACES = {
    "document_name": "sourceName",
    "document_id": "collectionId",
    "dataset_id": "datasetId",
    "source_id": "sourceId",
    "position": "chunkIndex",
}
_CONTENT = frozenset({"id", "q", "a", "score", *_PLACES.values()})


class Nodes:
    """The nodes of one run, those inside of others among them; each counts once.

    Args:
        told: nodes as they were told, in any order: whole trees, or one by one with the ``parentId`` of each.
    """

    def __init__(self, told: Iterable[Any]) -> None:
        tops = [node for node in told if isinstance(node, dict)]
        nested = {found for top in tops for node in _below(top) if (found := _id(node))}
        self.all = list(_once(node for top in tops for node in (top, *_below(top))))
        known = {found for node in self.all if (found := _id(node))}
        self._tops = list(_once(top for top in tops if _id(top) not in nested and _id(top, "parentId") not in known))

    def usage(self) -> Usage | None:
        """Tokens and price of the whole run; None if no node tells any."""
        prompt = completion = old = 0
        has_split = has_old = False
        for node in self.all:
            query = node.get("queryExtensionResult")
            parts = [node, query] if isinstance(query, dict) else [node]
            if any(_is_count(part.get(name)) for part in parts for name in (*_PROMPT, *_COMPLETION)):
                has_split = True
                prompt += sum(_sum(part, _PROMPT) for part in parts)
                completion += sum(_sum(part, _COMPLETION) for part in parts)
            elif any(_is_count(node.get(name)) for name in _OLD_TOTAL):
                has_old = True
                old += _sum(node, _OLD_TOTAL)
        besides = {name: sum(_sum(node, (name,)) for node in self.all) or None for name in _BESIDES}
        price = _added(self._price(top) for top in self._tops)
        cost = {} if price is None else {"total_cost": price, "cost_unit": "points"}
        total = prompt + completion + old if has_split or has_old else None
        return usage_of(prompt if has_split else None, completion if has_split else None, total, **besides, **cost)

    def _price(self, node: JSONObject) -> Any:
        """Its own price, which holds that of the nodes inside it; theirs, if it tells none."""
        if _is_number(node.get("totalPoints")):
            return node["totalPoints"]
        inside = [child for name in _INSIDE for child in _listed(node.get(name))]
        inside += [child for child in self.all if node.get("id") and child.get("parentId") == node["id"]]
        return _added(self._price(child) for child in _once(inside) if child is not node)

    def context(self) -> list[Context] | None:
        """What the models were shown, or else what was found; None if nothing was searched for."""
        has_searched = False
        seen: list[JSONObject] = []
        found: list[JSONObject] = []
        for node in self.all:
            lists = [node[name] for name in _LISTS if isinstance(node.get(name), list)]
            has_searched = has_searched or bool(lists) or node.get("moduleType") == _SEARCH
            quotes = [quote for each in lists for quote in _listed(each)]
            (seen if node.get("moduleType") == _MODEL else found).extend(quotes)
        if not has_searched:
            return None
        return contexts(seen or found)

    def outputs(self) -> JSONObject | None:
        """What a plugin ended with; None if the app is none."""
        outputs = [node.get("pluginOutput") for node in self.all if node.get("moduleType") == _OUTPUT]
        return next((told for told in outputs if isinstance(told, dict)), None)


def contexts(quotes: Iterable[JSONObject]) -> list[Context]:
    """Passages, each once."""
    return [_context(number, quote) for number, quote in enumerate(_once(quotes), 1)]


def quotes_of(node: JSONObject) -> list[JSONObject] | None:
    """The passages that a search has found; None if the node is no search."""
    if node.get("moduleType") != _SEARCH:
        return None
    return [quote for name in _LISTS for quote in _listed(node.get(name))]


def _context(number: int, quote: JSONObject) -> Context:
    question, answer, score = quote.get("q") or "", quote.get("a") or "", quote.get("score")
    known: JSONObject = {"id": quote.get("id") or number, "score": _score(score)}
    known["content"] = f"{question}\n{answer}" if answer else question
    places = {ours: quote[theirs] for ours, theirs in _PLACES.items() if quote.get(theirs) is not None}
    scores = {"scores": score} if isinstance(score, list) and score else {}
    others = {name: value for name, value in quote.items() if name not in _CONTENT and value is not None}
    return Context.build(known, {**others, **places, **scores})


def _score(told: Any) -> float | None:
    """One number, or the one of several that counts most."""
    if _is_number(told):
        return told
    by_kind = {str(one.get("type")): one.get("value") for one in _listed(told)}
    values = (by_kind.get(kind) for kind in _SCORES)
    return next((value for value in values if _is_number(value)), None)


def _below(node: JSONObject) -> Iterator[JSONObject]:
    for name in _INSIDE:
        for child in _listed(node.get(name)):
            yield child
            yield from _below(child)


def _once(told: Iterable[JSONObject]) -> Iterator[JSONObject]:
    """Each object once, by its id; those without one are all different."""
    ids: set[str] = set()
    for one in told:
        found = _id(one)
        if found and found in ids:
            continue
        ids.add(found)
        yield one


def _id(one: JSONObject, name: str = "id") -> str:
    """What an object is called; "" if it tells nothing that could be a name."""
    return str(one[name]) if isinstance(one.get(name), (str, int)) else ""


def _listed(value: Any) -> list[JSONObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _sum(node: JSONObject, names: Iterable[str]) -> int:
    return sum(node[name] for name in names if _is_count(node.get(name)))


def _added(prices: Iterable[Any]) -> Any:
    """The sum of those that are told; None if none is."""
    told = [price for price in prices if price is not None]
    return sum(told) if told else None
