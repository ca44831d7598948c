"""What FastGPT's nodes tell: tokens and prices added up, passages found in every corner, each once."""

from __future__ import annotations

from typing import Any

import pytest

from unionllm.providers._fastgpt_nodes import Nodes


def search(*quotes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A node that searched."""
    return {"moduleType": "datasetSearchNode", "quoteList": list(quotes), **more}


def quote(name: str, **more: Any) -> dict[str, Any]:
    """A passage."""
    return {"id": name, "q": f"q {name}", "a": "", **more}


def ids(*nodes: Any) -> list[Any] | None:
    """The passages of a run, by their ids."""
    context = Nodes(nodes).context()
    return None if context is None else [passage.id for passage in context]


def spent(*nodes: Any) -> dict[str, Any] | None:
    """What a run cost, as far as it is told."""
    usage = Nodes(nodes).usage()
    return None if usage is None else {name: value for name, value in usage.to_dict().items() if value is not None}


# Tokens.


def test_tokens_of_all_nodes_are_added_up() -> None:
    nodes = [
        {"inputTokens": 1, "outputTokens": 2},
        {"toolCallInputTokens": 10, "toolCallOutputTokens": 20},
        {"queryExtensionResult": {"inputTokens": 100, "outputTokens": 200}, "embeddingTokens": 6},
        {"reRankInputTokens": 5, "embeddingTokens": 1},
    ]

    assert spent(*nodes) == {
        "prompt_tokens": 111,
        "completion_tokens": 222,
        "total_tokens": 333,
        "embeddingTokens": 7,
        "reRankInputTokens": 5,
    }


@pytest.mark.parametrize("place", ["childrenResponses", "pluginDetail", "toolDetail", "loopDetail"])
def test_nodes_inside_of_others_count_once(place: str) -> None:
    child = {"id": "c", "parentId": "p", "inputTokens": 1, "outputTokens": 2, "totalPoints": 3}
    parent = {"id": "p", "inputTokens": 10, "outputTokens": 20, "totalPoints": 30, place: [child]}
    expected = {
        "prompt_tokens": 11,
        "completion_tokens": 22,
        "total_tokens": 33,
        "total_cost": 30,
        "cost_unit": "points",
    }

    assert spent(parent) == expected
    assert spent(child, parent) == expected  # told by itself, too, and before
    assert spent(child, {**parent, place: []}) == expected  # told by itself alone


def test_a_price_is_that_of_the_nodes_inside_where_the_outer_one_has_none() -> None:
    child = {"id": "c", "totalPoints": 1.5}

    assert spent({"id": "p", "loopDetail": [child, {"id": "d", "totalPoints": 2}]}, {"totalPoints": 1}) == {
        "total_cost": 4.5,
        "cost_unit": "points",
    }
    assert spent({"id": "p"}, {**child, "parentId": "p"}) == {"total_cost": 1.5, "cost_unit": "points"}


def test_older_servers_tell_a_sum_alone() -> None:
    assert spent({"tokens": 30}, {"toolCallTokens": 5}) == {"total_tokens": 35}


@pytest.mark.parametrize("nodes", [[], [{"moduleType": "answerNode"}], ["odd", None], [{"inputTokens": "x"}]])
def test_what_is_not_told_is_not_made_up(nodes: list[Any]) -> None:
    assert spent(*nodes) is None


# Passages.


def test_nothing_searched_for_is_none_and_nothing_found_is_an_empty_list() -> None:
    assert ids({"moduleType": "chatNode"}) is None
    assert ids(search()) == []
    assert ids({"moduleType": "datasetSearchNode"}) == []


def test_what_the_model_was_shown_counts_more_than_what_was_found() -> None:
    shown = {"moduleType": "chatNode", "quoteList": [quote("2")]}

    assert ids(search(quote("1"), quote("2")), shown) == ["2"]
    assert ids(search(quote("1")), {**shown, "quoteList": []}) == ["1"]


def test_passages_are_found_in_every_corner_and_stand_there_once() -> None:
    inner = search(quote("1"), quote("1"))
    deep = {"toolDetail": [{"pluginDetail": [inner]}, {"loopDetail": [{"childrenResponses": [search(quote("2"))]}]}]}

    assert ids(deep, search(quote("2"), retrievalResults=[quote("3")])) == ["1", "2", "3"]
    assert ids(search({"q": "a"}, {"q": "b"})) == [1, 2]


@pytest.mark.parametrize(
    ("told", "score"),
    [
        (0.5, 0.5),
        (1, 1.0),
        (None, None),
        ([], None),
        ("0.5", None),
        ([{"type": "fullText", "value": 0.1}], 0.1),
        ([{"type": "fullText", "value": 0.1}, {"type": "embedding", "value": 0.2}], 0.2),
        ([{"type": "embedding", "value": 0.2}, {"type": "rrf", "value": 0.03}], 0.03),
        ([{"type": "rrf", "value": 0.03}, {"type": "reRank", "value": 0.9}, {"type": "embedding", "value": 0.2}], 0.9),
        ([{"type": "new", "value": 0.1}], None),
    ],
)
def test_of_several_scores_the_last_ranking_counts(told: Any, score: float | None) -> None:
    [passage] = Nodes([search(quote("1", score=told))]).context() or ()

    assert passage.score == score
    assert passage.get("scores") == (told if isinstance(told, list) and told else None)


def test_a_passage_has_its_answer_and_where_it_comes_from() -> None:
    told = quote("1", a="a", sourceName="f.csv", sourceId="s", collectionId="c", datasetId="d", chunkIndex=0, new=1)
    [passage] = Nodes([search(told)]).context() or ()

    assert {name: value for name, value in passage.to_dict().items() if value is not None} == {
        "id": "1",
        "content": "q 1\na",
        "document_name": "f.csv",
        "document_id": "c",
        "dataset_id": "d",
        "position": 0,
        "source_id": "s",
        "new": 1,
    }
    assert repr(passage).startswith("Context(id='1', content='q 1\\na', score=None")


def test_what_a_plugin_ends_with_is_found_inside_of_others_too() -> None:
    ending = {"moduleType": "pluginOutput", "pluginOutput": {"a": 1}}

    assert Nodes([{"pluginDetail": [ending]}]).outputs() == {"a": 1}
    assert Nodes([{"moduleType": "pluginOutput"}]).outputs() is None
