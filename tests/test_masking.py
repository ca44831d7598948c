"""A secret is masked in whatever form it comes back, and nothing else is."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unionllm._log import Shown, redact, redact_json

ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON with its slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON for HTML": lambda text: json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c"),
    "repr": repr,
    "repr of JSON": lambda text: repr(json.dumps(text)),
    "a path": quote,
    "a query": lambda text: urlencode({"key": text}),
    "a query in a query": lambda text: quote_plus(quote_plus(text)),
    "JSON in a query": lambda text: quote(json.dumps(text)),
    "HTML": html.escape,
    "JSON in HTML": lambda text: html.escape(json.dumps(text)),
    "HTML in HTML": lambda text: html.escape(html.escape(text)),
}
#: What keys are made of, and what escapes them: no key is without a letter or digit.
keys = st.text("abcXYZ0189-_.:/+=\"'\\&<>% \n\t", min_size=4, max_size=40).filter(
    lambda key: any(map(str.isalnum, key))
)


@pytest.mark.parametrize("form", ESCAPES)
@settings(deadline=None, max_examples=60)
@given(key=keys)
def test_a_secret_is_masked_however_it_is_escaped(form: str, key: str) -> None:
    marked = f"Qq{key}qQ"  # so that what is left of it can be told from what stands around it

    text = redact(f"[{ESCAPES[form](marked)}]", [marked])

    assert "Qq" not in text
    assert "qQ" not in text
    assert text.count("***") == 1


@given(key=keys, text=st.text())
def test_what_is_no_secret_stays(key: str, text: str) -> None:
    assert redact(text, [f"{key}Qq"]) == text or "Qq" in text


def test_of_two_secrets_the_longer_is_masked_first() -> None:
    assert redact("abcdef-123", ["abcdef", "abcdef-123"]) == "***"


def test_a_secret_of_three_characters_could_be_any_word() -> None:
    assert redact("the key is the", ["the"]) == "the key is the"


def test_names_and_values_of_json_are_masked_and_the_rest_is_kept() -> None:
    value: Any = {"se/cret": [1, None, {"a": "x se%2fcret y"}], "b": True}

    assert redact_json(value, ("se/cret",)) == {"***": [1, None, {"a": "x *** y"}], "b": True}
    assert value["b"] is True


def test_a_text_of_backslashes_is_read_in_no_time() -> None:
    """Any number of them may stand before an escaped character: tried in every combination, this would never end."""
    secret = "\\" * 40 + 'begin"' + "\\" * 40 + '"key"\\"'
    text = "\\" * 50_000 + 'begin"' + "\\" * 50_000 + "key"

    assert redact(text, [secret]) == text


def test_what_is_no_utf8_is_shown_as_far_as_it_goes() -> None:
    assert str(Shown(b"\xffsecret", ["secret"])) == "\ufffd***"
    assert str(Shown(None, [])) == ""
