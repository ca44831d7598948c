"""LangChain's tools and schemas → what a call takes; answers of a given form → what the caller wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]

_CHOICES = {"any": "required", "required": "required", "auto": "auto", "none": "none", True: "required", False: "none"}


def to_tools(
    tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], *, strict: bool | None
) -> list[dict[str, Any]]:
    """Tools as a call takes them; those of a vendor's own kind as they are."""
    return [
        dict(tool) if _is_vendors(tool) else convert_to_openai_tool(tool, strict=strict)  # type: ignore[arg-type]
        for tool in tools
    ]


def _is_vendors(tool: Any) -> bool:
    """Whether that is a tool such as ``{"type": "web_search", …}``: neither a function nor a JSON schema."""
    return isinstance(tool, dict) and isinstance(kind := tool.get("type"), str) and kind not in ("function", "object")


def choose_tool(choice: dict[str, Any] | str | bool | None) -> dict[str, Any] | str | None:
    """LangChain's ``tool_choice`` in OpenAI's words; None: not given."""
    if choice is None or isinstance(choice, dict):
        return choice
    if choice in _CHOICES:
        return _CHOICES[choice]
    return {"type": "function", "function": {"name": choice}}


def structured(
    model: BaseChatModel,
    schema: dict[str, Any] | type,
    *,
    method: Method,
    include_raw: bool,
    strict: bool | None,
    **kwargs: Any,
) -> Runnable[LanguageModelInput, Any]:
    """See ``ChatUnionLLM.with_structured_output``.

    Raises:
        ValueError: there is no such method.
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is none of {', '.join(map(repr, _METHODS))}.")
    told = {} if strict is None else {"strict": strict}
    traced = {"ls_structured_output_format": {"kwargs": {"method": method, **told}, "schema": schema}}
    asking, parser = _METHODS[method](model, schema, strict, {**traced, **kwargs})
    return _with_raw(asking, parser) if include_raw else asking | parser


_Made: TypeAlias = tuple[Runnable[LanguageModelInput, Any], Any]


def _by_tool(model: BaseChatModel, schema: dict[str, Any] | type, strict: bool | None, kwargs: dict[str, Any]) -> _Made:
    tool = convert_to_openai_tool(schema, strict=strict)
    name = tool["function"]["name"]
    asking = model.bind_tools([tool], tool_choice=name, **kwargs)
    if _is_class(schema):
        return asking, PydanticToolsParser(tools=[schema], first_tool_only=True)  # type: ignore[list-item]
    return asking, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _by_schema(model: BaseChatModel, schema: Any, strict: bool | None, kwargs: dict[str, Any]) -> _Made:
    wanted = convert_to_json_schema(schema)
    described = {"description": wanted["description"]} if wanted.get("description") else {}
    told = {} if strict is None else {"strict": strict}
    form = {"name": wanted.get("title", "answer"), **described, "schema": wanted, **told}
    return model.bind(response_format={"type": "json_schema", "json_schema": form}, **kwargs), _parser(schema)


def _by_json(model: BaseChatModel, schema: Any, _strict: bool | None, kwargs: dict[str, Any]) -> _Made:
    return model.bind(response_format={"type": "json_object"}, **kwargs), _parser(schema)


_METHODS: dict[str, Callable[[BaseChatModel, Any, bool | None, dict[str, Any]], _Made]] = {
    "json_schema": _by_schema,
    "function_calling": _by_tool,
    "json_mode": _by_json,
}


def _is_class(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema)


def _parser(schema: Any) -> Any:
    return PydanticOutputParser(pydantic_object=schema) if _is_class(schema) else JsonOutputParser()


def _with_raw(asking: Runnable[LanguageModelInput, Any], parser: Any) -> Runnable[LanguageModelInput, Any]:
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asking) | parsed.with_fallbacks([failed], exception_key="parsing_error")
