"""Bytes become the same events wherever they are cut."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unionllm._framing import DECODERS, MAX_EVENT_BYTES, Decoder, Event, JSONLinesDecoder, LineSplitter, SSEDecoder
from unionllm.exceptions import APIResponseError

BOM = b"\xef\xbb\xbf"

#: Framings of bytes that may be cut anywhere; a message of a WebSocket is whole.
STREAMS = sorted(set(DECODERS) - {"messages"})


def decode(pieces: Iterable[bytes], framing: str = "sse", limit: int = MAX_EVENT_BYTES) -> tuple[list[Event], bytes]:
    """Every event of a body, and what was no event stream."""
    decoder = DECODERS[framing](limit)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    events += decoder.end()
    return events, bytes(decoder.body or b"")


def data_of(*pieces: bytes) -> list[str]:
    return [event.data for event in decode(pieces)[0]]


def single_cuts(body: bytes) -> Iterator[list[bytes]]:
    for offset in range(len(body) + 1):
        yield [body[:offset], body[offset:]]


BODIES = {
    "lf": 'data: {"a":"你好"}\n\ndata: [DONE]\n\n'.encode(),
    "crlf": 'data: {"a":"你好"}\r\n\r\ndata: [DONE]\r\n\r\n'.encode(),
    "cr": 'data: {"a":"你好"}\r\rdata: [DONE]\r\r'.encode(),
    "mixed": b"data: 1\r\n\ndata: 2\n\r\n\rdata: 3\r\r\ndata: 4",
    "bom": BOM + b"data: 1\n\ndata: 2\n\n",
    "separators": 'data: "a\u2028b\u2029c\u0085d"\n\ndata: \x0b\x0c\x1c\n\n'.encode(),
    "comments": b": keep-alive\n\n:HTTP_STATUS/400\ndata: 1\n\n: ping\n\ndata: 2\n\n",
    "fields": b"event: message\nid: 7\nretry: 10\ndata:1\ndata: 2\nother: x\n\nevent: done\ndata\n\n",
    "bare error": b'data: 1\n\n{"error":{"message":"m"}}\n',
    "bare error first": b'{"error":{"message":"m"}}\n',
    "json body": b'{\n  "error": {"message": "m"}\n}\n',
    "json on one line": b'{"choices": []}',
    "html": b"<html>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n",
    "text": b"dates and other words\nid est\n",
    "blank lines first": b"\n\r\n\n  \ndata: 1\n\n",
    "blank": b"\n\n \n",
    "empty": b"",
    "unended": "data: 好".encode(),
    "broken utf-8": b"data: \xe4\xbd\n\ndata: ok\n\n",
}


@pytest.mark.parametrize("framing", STREAMS)
@pytest.mark.parametrize("name", BODIES)
def test_events_are_the_same_wherever_the_body_is_cut_once(name: str, framing: str) -> None:
    body = BODIES[name]
    whole = decode([body], framing)

    for pieces in single_cuts(body):
        assert decode(pieces, framing) == whole, pieces


@pytest.mark.parametrize("framing", STREAMS)
@pytest.mark.parametrize("name", BODIES)
def test_events_are_the_same_byte_by_byte_with_empty_pieces_between(name: str, framing: str) -> None:
    body = BODIES[name]
    pieces = [piece for offset in range(len(body)) for piece in (body[offset : offset + 1], b"")]

    assert decode(pieces, framing) == decode([body], framing)


line_ends = st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"])
words = st.sampled_from(
    [b"data:", b"data: ", b"event: ", b"id: 1", b":", b": c", b"{", b"}", b'{"a":1}', b"[", b"[DONE]", BOM, b" ", b"\t"]
)
tokens = line_ends | words | st.binary(max_size=4) | st.text(max_size=3).map(str.encode)
bodies = st.lists(tokens, max_size=25).map(b"".join)


@given(body=bodies, framing=st.sampled_from(STREAMS), cuts=st.lists(st.integers(0, 120), max_size=12))
@example(body=b"data: 1\r\n\r\n", framing="sse", cuts=[8])
@example(body=b"\xef", framing="sse", cuts=[1])
def test_no_cut_changes_what_any_bytes_mean(body: bytes, framing: str, cuts: list[int]) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]

    assert decode(pieces, framing) == decode([body], framing)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=8), line_ends)
def test_every_text_without_line_ends_comes_through(texts: list[str], end: bytes) -> None:
    line_end = end[: len(end) // 2] if len(end) in (2, 4) and end != b"\r\n" else end
    body = b"".join(b"data: " + text.encode() + line_end * 2 for text in texts)

    assert data_of(body) == texts


def test_lines_end_at_cr_lf_and_crlf_only() -> None:
    splitter = LineSplitter()

    assert splitter.feed("a\u2028b\u2029c\u0085d\x0be\nf\rg\r\nh".encode()) == [
        "a\u2028b\u2029c\u0085d\x0be".encode(),
        b"f",
        b"g",
    ]
    assert splitter.flush() == b"h"


def test_a_crlf_cut_in_half_is_one_line_end() -> None:
    splitter = LineSplitter()

    assert splitter.feed(b"a\r") == [b"a"]
    assert splitter.feed(b"\nb\n") == [b"b"]
    assert splitter.feed(b"\n") == [b""]


def test_an_event_is_handed_out_with_the_bytes_that_end_it() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: 1\n") == []
    assert decoder.feed(b"\n") == [Event("1")]
    assert decoder.feed(b"data: 2\r\n\r") == [Event("2")]


def test_lines_of_data_are_joined_and_one_space_is_taken_off() -> None:
    assert data_of(b"data:1\ndata: 2\ndata:  3\n\n") == ["1\n2\n 3"]


def test_event_names_belong_to_their_event_alone() -> None:
    events, _ = decode([b"event: error\ndata: 1\n\ndata: 2\n\nevent: x\n\ndata: 3\n\n"])

    assert [(event.event, event.data) for event in events] == [("error", "1"), ("", "2"), ("x", ""), ("", "3")]


def test_comments_are_no_events_but_come_along_with_the_next_one() -> None:
    events, _ = decode([b": keep-alive\n\n:HTTP_STATUS/400\ndata: 1\n\ndata: 2\n\n"])

    assert [event.data for event in events] == ["1", "2"]
    assert "HTTP_STATUS/400" in events[0].comments
    assert events[1].comments == ()


def test_an_event_before_the_end_of_the_body_counts_without_its_blank_line() -> None:
    assert data_of(b"data: 1\n\ndata: 2") == ["1", "2"]


def test_an_error_line_without_data_is_an_event() -> None:
    """songquanpeng/one-api#1332: it was cut off because it has no prefix."""
    assert data_of(b'data: 1\n\n{"error":{"message":"m"}}\n\n') == ["1", '{"error":{"message":"m"}}']


def test_an_error_line_right_after_data_ends_that_event() -> None:
    assert data_of(b'data: 1\n{"error":1}\n') == ["1", '{"error":1}']


def test_a_bare_error_line_is_told_without_waiting_for_the_end() -> None:
    assert SSEDecoder().feed(b'{"error":{"code":1113}}\n') == [Event('{"error":{"code":1113}}')]


@pytest.mark.parametrize("name", ["json body", "json on one line", "html", "text"])
def test_what_is_no_event_stream_is_kept_whole(name: str) -> None:
    events, body = decode([BODIES[name]])

    assert (events, body) == ([], BODIES[name])


def test_a_whole_json_body_is_no_event_whatever_its_white_space() -> None:
    body = json.dumps({"choices": [{"message": {"content": "data: x\n\n"}}]}, indent=1).encode()

    assert decode([b"\n\n" + body]) == ([], body)


@pytest.mark.parametrize("body", [b"", b"\n", b"  \r\n", BOM])
def test_a_body_with_nothing_in_it_has_no_events(body: bytes) -> None:
    decoder = SSEDecoder()

    assert decoder.feed(body) == []
    assert decoder.end() == []
    assert decoder.body is not None


def test_blank_lines_sent_for_minutes_to_keep_a_connection_alive_are_not_hoarded() -> None:
    decoder = SSEDecoder(max_bytes=100_000)
    tracemalloc.start()
    for _ in range(20_000):
        decoder.feed(b"\n" * 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100_000
    assert decoder.feed(b"data: 1\n\n") == [Event("1")]


@pytest.mark.parametrize("blanks", [1, 2047, 2048, 2049, 4095, 4096, 4097, 10_000])
@pytest.mark.parametrize("events", [1, 3000])
def test_no_event_is_lost_after_any_number_of_blank_lines(blanks: int, events: int) -> None:
    """deepseek-ai/DeepSeek-V3#599: a busy vendor sends them for minutes before its first event."""
    pieces = [b"\n" * blanks, *(b"data: %d\n\n" % number for number in range(events))]

    assert data_of(*pieces) == [str(number) for number in range(events)]


@pytest.mark.parametrize("framing", STREAMS)
@pytest.mark.parametrize("size", [1, 100, 5000])
def test_an_event_beyond_the_limit_is_refused(framing: str, size: int) -> None:
    decoder = DECODERS[framing](10_000)

    with pytest.raises(APIResponseError, match="10,000 bytes"):
        feed_all(decoder, b"data: ", b"x" * size, 20_000 // size)


def test_data_lines_without_end_of_event_count_together() -> None:
    with pytest.raises(APIResponseError, match="10,000 bytes"):
        feed_all(SSEDecoder(10_000), b"data: 1\n\n", b"data: " + b"x" * 94 + b"\n", 200)


def test_a_body_that_is_no_event_stream_is_limited_too() -> None:
    with pytest.raises(APIResponseError, match="10,000 bytes"):
        feed_all(SSEDecoder(10_000), b"<html>", b"x" * 100, 200)


def test_many_events_may_exceed_the_limit_together() -> None:
    decoder = SSEDecoder(1000)

    assert len(feed_all(decoder, b"", b"data: " + b"x" * 90 + b"\n\n", 500)) == 500


def feed_all(decoder: Decoder, first: bytes, piece: bytes, times: int) -> list[Event]:
    events = decoder.feed(first) if first else []
    for _ in range(times):
        events += decoder.feed(piece)
    return events


@pytest.mark.parametrize("framing", STREAMS)
@pytest.mark.parametrize("prefix", [b"data: ", b'{"a": "', b"<html>"])
def test_a_long_event_in_small_pieces_is_not_copied_again_and_again(framing: str, prefix: bytes) -> None:
    """5 MB in pieces of 50 bytes: quadratic work would be 250 GB; counted by the interpreter's own allocations."""
    decoder = DECODERS[framing](MAX_EVENT_BYTES)
    decoder.feed(prefix)
    largest = 0
    tracemalloc.start()
    for number in range(100_000):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        decoder.feed(b"x" * 50)
        if number % 1000 == 999:
            _, peak = tracemalloc.get_traced_memory()
            largest = max(largest, peak - before)
    tracemalloc.stop()

    # A piece may cause the growth of a buffer, which is rare; a copy of all that came before, at each piece, is not.
    assert largest < 100_000
    assert sum(len(event.data) for event in decoder.end()) + len(decoder.body or b"") >= 5_000_000


def test_json_lines_are_events_and_blank_lines_are_not() -> None:
    decoder = JSONLinesDecoder()

    assert decoder.feed(b'{"a":1}\r\n\n  \n{"b"') == [Event('{"a":1}')]
    assert decoder.feed(b":2}") == []
    assert decoder.end() == [Event('{"b":2}')]


def test_a_message_is_an_event_whatever_it_holds() -> None:
    decoder = DECODERS["messages"](100)

    assert decoder.feed("data: a\n\n{\u2028".encode()) == [Event("data: a\n\n{\u2028")]
    assert decoder.feed(b"a\xff") == [Event("a\ufffd")]
    assert decoder.end() == []
    assert decoder.body is None
