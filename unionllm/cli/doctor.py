"""``unionllm doctor``: what is wrong with keys, proxies, clock and network, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .. import __version__
from .._registry import find, native_names
from ..chat import providers
from ..exceptions import ProviderError, UnionLLMError
from . import codes
from ._asking import choose, set_variable
from ._findings import FAILED, OK, SKIPPED, WARNING, Finding, credentials, look_alikes, proxies
from ._screen import CommandError, clean, console, is_rich, write, write_json

if TYPE_CHECKING:
    from .._protocols.base import ProviderSpec


def command(
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PROVIDER]...", help="Default: every one whose key is set.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address, of the one provider that is named.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Make one short call of each; it may cost a little.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="For --live; default: a cheap one.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Open no connection.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for each step, at most.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Write the findings as JSON.")] = False,
) -> int:
    """Check variables and keys, proxy, DNS, TLS and clock, and say what to do. Keys are never shown.

    The exit code is 1 if anything failed.
    """
    if base_url and len(names or []) != 1:
        raise CommandError("--base-url needs one provider, such as: doctor zhipuai --base-url http://…")
    if live and offline:
        raise CommandError("--live makes a call, and --offline forbids it.")
    found: list[Finding] = []
    for finding in _look(names or [], base_url, timeout=timeout, live=live, model=model, offline=offline):
        found.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        write_json([asdict(finding) for finding in found])
    else:
        _sum_up(found)
    return codes.FAILED if any(finding.state == FAILED for finding in found) else codes.DONE


def _look(
    names: list[str], base_url: str | None, *, timeout: float, live: bool, model: str | None, offline: bool
) -> Iterator[Finding]:
    told = f"unionllm {__version__}, Python {platform.python_version()}, {platform.system()}."
    yield Finding(about="", check="version", state=OK, told=told)
    yield from look_alikes(os.environ, _known_variables(), _stems())
    yield from proxies(urllib.request.getproxies(), has_socks=importlib.util.find_spec("socksio") is not None)
    chosen = names or [row["name"] for row in providers() if row["env"] and set_variable(row)]
    if not chosen:
        told = "No provider's key is set, so none was looked at."
        cure = "Set a key (`unionllm providers` lists the variables), or name a provider: unionllm doctor zhipuai"
        yield Finding(about="", check="key", state=WARNING, told=told, cure=cure)
    for name in chosen:
        yield from _of_provider(name, base_url, timeout=timeout, offline=offline)
        if live:
            provider, chosen_model = choose(name, model)
            from ._reaching import try_call

            yield try_call(provider or name, chosen_model, base_url, max(timeout, 60.0))


def _of_provider(name: str, base_url: str | None, *, timeout: float, offline: bool) -> Iterator[Finding]:
    from ._reaching import base_url_of, reach

    try:
        url = base_url_of(name, base_url)
    except UnionLLMError as error:
        yield Finding(about=name, check="address", state=FAILED, told=str(error))
        return
    spec = _spec(name)
    yield from credentials(spec, os.environ)
    told = url or "none: it runs in this process, or base_url= says where."
    yield Finding(about=spec.name, check="address", state=OK, told=told)
    if not url or "{" in url or not (base_url or any(one.required for one in spec.credentials)):
        yield Finding(about=spec.name, check="network", state=SKIPPED, told="There is no fixed host to reach.")
    elif not offline:
        yield from reach(spec.name, url, timeout)


def _spec(name: str) -> ProviderSpec:
    found = find(name)
    if found is None:
        raise ProviderError(f"the provider {name!r} has gone.")
    return found.adapter.spec


def _known_variables() -> set[str]:
    known: set[str] = set()
    for name in native_names():
        spec = _spec(name)
        known.update(variable for credential in spec.credentials for variable in credential.env)
        known.update(variable for region in spec.regions for variable in region.env)
        known.update(spec.base_url_env)
    return known


def _stems() -> dict[str, str]:
    """Every name of a provider → the variable of its first credential."""
    stems = {}
    for row in providers():
        if row["env"] and row["env"][0]:
            stems.update(dict.fromkeys((row["name"], *row["aliases"]), row["env"][0][0]))
    return stems


_MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), FAILED: ("✗", "bold red"), SKIPPED: ("-", "dim")}


def _show(finding: Finding) -> None:
    mark, style = _MARKS[finding.state]
    place = " ".join(part for part in (finding.about, finding.check) if part)
    told = clean(finding.told)
    if not is_rich():
        write(f"{finding.state.ljust(7)}  {place}: {told}\n")
        if finding.cure:
            write(f"{' ' * 9}→ {finding.cure}\n")
        return
    from rich.text import Text

    out = console()
    out.print(Text.assemble((f"{mark} ", style), (f"{place}: ", "bold"), told))
    if finding.cure:
        out.print(Text.assemble(("  → ", style), finding.cure))


def _sum_up(found: list[Finding]) -> None:
    failed = sum(finding.state == FAILED for finding in found)
    warned = sum(finding.state == WARNING for finding in found)
    told = "Nothing is wrong." if not failed + warned else f"{failed} failed, {warned} to look at."
    write(f"{told}\n")
