"""What fields of a request may hold as OpenAI defined them, for the vendors that kept it so."""

from __future__ import annotations

from ._checks import NAMED_TOOL, Either, Flag, ListOf, OneOf, Shape, Text

STOP = Either(Text(), ListOf(Text()))
STREAM_OPTIONS = Shape({"include_usage?": Flag()})
TOOL_CHOICE = Either(OneOf("none", "auto", "required"), NAMED_TOOL)
