"""Points of single vendors that no transcript can say: policies, and where in a stream something stands."""

from __future__ import annotations

import pytest
from replies import MESSAGES, answer, arguments, piece
from server import ScriptedServer

from unionllm import BadRequestError, Context, StreamInterruptedError, unionchat
from unionllm._protocols.parameters import AtMost, Length
from unionllm.providers.zhipuai import sign_token

FOUND = [{"refer": "ref_1", "title": "t", "link": "https://e.example", "content": "晴"}, {"refer": 2}, "odd"]
PASSAGES = [Context(id="ref_1", content="晴"), Context(id="2")]


def test_a_signed_token_is_the_vendors_own_byte_for_byte() -> None:
    """The token that the vendor's SDK makes of the key id.secret at that moment."""
    assert sign_token("id.secret", 1_700_000_000_000) == (
        "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ."
        "eyJhcGlfa2V5IjoiaWQiLCJleHAiOjE3MDAwMDAyMTAwMDAsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0."
        "3xmhuFabRzo6ZbQKUmg6S6HK1YGNVUWBLEKrpXHh4p0"
    )


def zhipu(server: ScriptedServer, **changes: object) -> dict[str, object]:
    return arguments(server, provider="zhipuai", model="glm-4.6", **changes)


def test_what_a_search_found_is_the_context_of_the_answer_and_stays_readable(server: ScriptedServer) -> None:
    server.reply(json=answer(web_search=FOUND))

    response = unionchat(**zhipu(server))

    assert response.context == PASSAGES
    assert response["web_search"] == FOUND


def test_the_context_of_a_stream_comes_with_the_search_and_on_the_last_chunk(server: ScriptedServer) -> None:
    server.reply(
        sse=[piece({"content": "晴"}), piece({"content": "天"}, web_search=FOUND), piece({}, "stop"), "[DONE]"]
    )
    reading = unionchat(**zhipu(server), stream=True)

    assert [chunk.context for chunk in reading] == [None, PASSAGES, PASSAGES]
    assert reading.response is not None
    assert reading.response.context == PASSAGES
    assert reading.response["web_search"] == FOUND


def test_the_context_is_not_lost_with_an_event_of_its_own_or_a_cut(server: ScriptedServer) -> None:
    server.reply(sse=[piece({"content": "晴"}), piece({}, choices=[], web_search=FOUND), piece({}, "stop"), "[DONE]"])
    server.reply(sse=[piece({"content": "晴"}, web_search=FOUND)])
    whole = unionchat(**zhipu(server), stream=True)
    list(whole)

    with pytest.raises(StreamInterruptedError) as caught:
        list(unionchat(**zhipu(server), stream=True))

    assert whole.response is not None
    assert whole.response.context == PASSAGES
    assert caught.value.partial is not None
    assert caught.value.partial.context == PASSAGES


@pytest.mark.parametrize("found", [[], None, "nothing", {}])
def test_a_search_that_found_nothing_gives_no_context(server: ScriptedServer, found: object) -> None:
    server.reply(json=answer(web_search=found))

    assert unionchat(**zhipu(server)).context is None


def test_messages_without_a_user_are_sent_to_zhipu_if_that_is_wanted(server: ScriptedServer) -> None:
    server.reply(json=answer())
    messages = [{"role": "system", "content": "x"}]

    with pytest.raises(BadRequestError, match="at least one user message"):
        unionchat(**zhipu(server, messages=messages))
    unionchat(**zhipu(server, messages=messages), param_policy="raw")

    assert [request.json["messages"] for request in server.requests] == [messages]


def test_a_tool_that_is_no_function_is_sent_to_deepseek_if_that_is_wanted(server: ScriptedServer) -> None:
    server.reply(json=answer())
    tools = [{"type": "web_search"}]

    with pytest.raises(BadRequestError, match=r"tools\[0\] is of type 'web_search'"):
        unionchat(**arguments(server, tools=tools))
    unionchat(**arguments(server, tools=tools, param_policy="raw"))

    assert [request.json["tools"] for request in server.requests] == [tools]


def test_a_stop_word_that_is_too_long_is_left_out_and_told(server: ScriptedServer) -> None:
    server.reply(json=answer())

    response = unionchat(**arguments(server, provider="moonshot", model="kimi-k3", stop=["a", "好" * 11]))

    assert server.requests[0].json["stop"] == ["a"]
    assert response.adaptations is not None
    assert response.adaptations[0].given == ["a", "好" * 11]
    assert "32 bytes" in str(response.adaptations[0].reason)


def test_rules_about_length_leave_what_has_none() -> None:
    params = {"stop": [1, "ab", "abc"], "user_id": 7}

    assert [change.action for change in AtMost(name="stop", most=3, size=2).apply(params, "m")] == ["clamped"]
    assert list(Length(name="user_id", low=2, high=3).apply(params, "m")) == []
    assert params == {"stop": [1, "ab"], "user_id": 7}


def test_a_text_that_is_cut_where_it_may_be_is_still_left_out_when_it_is_too_short() -> None:
    params = {"a": "x", "b": "xxxx", "c": "xxx"}
    rules = [Length(name=name, low=2, high=3, cut=True) for name in params]
    changes = [change for rule in rules for change in rule.apply(params, "m")]

    assert [(change.parameter, change.action) for change in changes] == [("a", "dropped"), ("b", "clamped")]
    assert params == {"b": "xxx", "c": "xxx"}


def test_one_user_message_is_enough(server: ScriptedServer) -> None:
    server.reply(json=answer())

    unionchat(**zhipu(server, messages=[{"role": "system", "content": "x"}, *MESSAGES]))

    assert len(server.requests) == 1
