"""What the environment says about a provider, and what is wrong with it. Pure: the environment is an input."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .._protocols.base import Credential, ProviderSpec

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. ``cure`` says what to do where ``state`` is not ok."""

    about: str
    check: str
    state: str
    told: str
    cure: str = ""


#: Variables that look like ours and are read by others, LiteLLM among them.
_OTHERS = re.compile(
    r"(OPENAI|ANTHROPIC|XAI|GEMINI|GOOGLE|GROQ|MISTRAL|COHERE|AZURE|AWS|HF|HUGGINGFACE|GITHUB|TOGETHERAI|OPENROUTER|"
    r"PERPLEXITY|FIREWORKS|VERTEX|NVIDIA|REPLICATE|DATABRICKS|CEREBRAS|OLLAMA|LITELLM|LANGCHAIN|LANGSMITH|WANDB)_"
)
_OF_A_KEY = re.compile(r"KEY|TOKEN|SECRET|APP_?ID|AK$|SK$|BASE|URL", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(sk-)?(x{4,}|\*{3,}|\.{3,}|…+)|<.*>|.*\b(your|my)[-_ ]?(api|app|secret)?[-_ ]?(key|token|secret)\b.*"
    r"|change[-_ ]?me|todo|none|null|test|.*(你的|密钥|替换).*",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = "\"'“”‘’`"
#: Characters; no vendor gives out shorter keys.
_SHORTEST_KEY = 8


def look_alikes(environ: Mapping[str, str], known: set[str], stems: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that nobody reads and that are named almost as one that we read.

    Args:
        known: every variable of every provider.
        stems: what people call a provider → the variable of its key.
    """
    plain = {_plain(name): name for name in known}
    by_stem = {_plain(stem): name for stem, name in stems.items()}
    for name in sorted(environ):
        if name in known or not _OF_A_KEY.search(name) or _OTHERS.match(name.upper()) or not environ[name]:
            continue
        near = difflib.get_close_matches(name.upper(), known, 1, 0.88)
        stem = re.sub(r"(API)?(KEY|TOKEN|SECRET)$", "", _plain(name))
        meant = plain.get(_plain(name)) or by_stem.get(stem) or next(iter(near), None)
        if meant is not None and not environ.get(meant):
            yield Finding(
                about="",
                check="variables",
                state=WARNING,
                told=f"{name} is set, and nothing reads it.",
                cure=f"Did you mean {meant}? Rename it.",
            )


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def credentials(spec: ProviderSpec, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the credentials of a provider are there, and look like credentials."""
    if not any(one.required for one in spec.credentials):
        yield Finding(about=spec.name, check="key", state=OK, told="No key is needed.")
        return
    held = {one.name: _held(one, spec, environ) for one in spec.credentials}
    wanted = next((names for names in spec.credential_sets if all(held.get(name) for name in names)), None)
    if wanted is None:
        yield _missing(spec, held)
    for one in spec.credentials:
        variables = held[one.name]
        if variables:
            yield from _of_value(spec, one, variables, environ)


def _held(credential: Credential, spec: ProviderSpec, environ: Mapping[str, str]) -> list[str]:
    """The variables that hold it, the one that counts first."""
    of_regions = [name for region in spec.regions for name in region.env] if credential.name == "api_key" else []
    return [name for name in (*credential.env, *of_regions) if environ.get(name)]


def _missing(spec: ProviderSpec, held: Mapping[str, list[str]]) -> Finding:
    # The set of which most is there is the one that was meant.
    names = max(spec.credential_sets, key=lambda names: sum(bool(held.get(name)) for name in names))
    missing = [one for one in spec.credentials if one.name in names and not held.get(one.name)]
    variables = " and ".join(" or ".join(one.env) for one in missing if one.env)
    return Finding(
        about=spec.name,
        check="key",
        state=FAILED,
        told=f"No {' and '.join(one.name for one in missing)}.",
        cure=f"Set {variables}. Keys are made at {spec.console}. 缺少密钥：请在 {spec.console} 创建。",
    )


def _of_value(
    spec: ProviderSpec, credential: Credential, variables: list[str], environ: Mapping[str, str]
) -> Iterator[Finding]:
    name, *others = variables
    value = environ[name]
    problem, is_certain = "", True
    if credential.name != "base_url" and not value.startswith("http"):
        problem, is_certain = value_problem(value, credential)
    if problem:
        cure = f"Copy it again from {spec.console}. 请在 {spec.console} 重新复制密钥。"
        state = FAILED if is_certain else WARNING
        yield Finding(about=spec.name, check="key", state=state, told=f"{name} {problem}.", cure=cure)
    else:
        told = f"{name} is set ({len(value.strip())} characters)."
        yield Finding(about=spec.name, check="key", state=OK, told=told)
    if different := [other for other in others if environ[other] != value]:
        told = f"{name} and {', '.join(different)} differ; {name} is the one that counts."
        cure = f"Unset {' and '.join(different)}, or pass api_key=."
        yield Finding(about=spec.name, check="key", state=WARNING, told=told, cure=cure)


def value_problem(value: str, credential: Credential) -> tuple[str, bool]:
    """What is wrong with a value, and whether that is certain; "" when nothing is. Never holds the value."""
    stripped = value.strip()
    if stripped and stripped[0] in _QUOTES and stripped[-1] in _QUOTES:
        return "stands between quotes, which are sent as part of it", True
    if stripped.lower().startswith(("bearer ", "authorization")):
        return "begins with 'Bearer': only what comes after it is the key", True
    if stripped.startswith("$"):
        return "begins with '$': it names a variable instead of holding a key", True
    if _PLACEHOLDER.fullmatch(stripped):
        return "is a placeholder", True
    shown = "".join(stripped.split()) if credential.has_lines else stripped
    if not shown.isascii() or not shown.isprintable():
        return "holds characters that no key has", True
    if " " in shown:
        return "holds a blank, which no key does", True
    return _shape_problem(shown, credential)


def _shape_problem(value: str, credential: Credential) -> tuple[str, bool]:
    if credential.name == "api_key" and len(value) < _SHORTEST_KEY:
        return f"has {len(value)} characters, fewer than any key", False
    pattern = re.escape(credential.looks_like).replace("…", ".+")
    if credential.looks_like and not re.fullmatch(pattern, value):
        return f"does not look like a key of this vendor ({credential.looks_like})", False
    return "", True


def proxies(given: Mapping[str, str], *, has_socks: bool) -> Iterator[Finding]:
    """Proxies of the environment. ``given``: scheme → proxy, as ``urllib.request.getproxies()`` tells."""
    named = {scheme: proxy for scheme, proxy in given.items() if scheme in ("http", "https", "all") and proxy}
    if not named:
        yield Finding(about="", check="proxy", state=OK, told="No proxy is set.")
    for scheme, proxy in sorted(named.items()):
        shown = _without_password(proxy)
        if proxy.startswith("socks") and not has_socks:
            yield Finding(
                about="",
                check="proxy",
                state=FAILED,
                told=f"{scheme}: {shown}, and the package that speaks SOCKS is not installed.",
                cure='Run: pip install "unionllm[socks]", or name the vendors\' hosts in NO_PROXY.',
            )
            continue
        yield Finding(about="", check="proxy", state=OK, told=f"{scheme}: {shown}.")


def _without_password(proxy: str) -> str:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = "***@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}"
