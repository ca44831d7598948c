"""What vendors refuse, as data: small rules that rename, clamp, replace or drop a parameter, and say so.

They are named tuples: making a frozen dataclass takes seven times as long, and a first call waits for all of them.
Write their fields with names all the same.

Rules work on a copy of the caller's parameters and return the changes they made; ``param_policy`` decides what becomes
of those.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeGuard

from ..exceptions import BadRequestError
from ..schema import Adaptation
from .base import JSONObject, frozen


class Rule(Protocol):
    """One thing that a vendor does not take as given."""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:  # pyright: ignore[reportReturnType]
        """Change ``params`` in place; return what was changed. ``model`` is in lower case.

        Not asked about a call without parameters.
        """


def adaptation(parameter: str, action: str, given: Any, sent: Any, reason: str) -> Adaptation:
    """A record of one change."""
    return Adaptation(parameter=parameter, action=action, given=given, sent=sent, reason=reason)


class Rename(NamedTuple):
    """The vendor knows the parameter by another name, on ``models``. If both are given, the vendor's own name wins."""

    old: str
    new: str
    models: str = ""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        if self.old not in params or not re.match(self.models, model):
            return []
        value = params.pop(self.old)
        if self.new in params:
            return [adaptation(self.old, "dropped", value, None, f"{self.new} is given too, and means the same")]
        params[self.new] = value
        return [adaptation(self.old, "renamed", self.old, self.new, f"the vendor calls it {self.new}")]


class Drop(NamedTuple):
    """The vendor refuses or ignores these parameters, on models that match ``models`` (all by default)."""

    names: tuple[str, ...]
    reason: str = "the vendor does not know it"
    models: str = ""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        found = [name for name in self.names if name in params]
        if not found or not re.match(self.models, model):
            return []
        return [adaptation(name, "dropped", params.pop(name), None, self.reason) for name in found]


class Clamp(NamedTuple):
    """The vendor takes a number within bounds only."""

    name: str
    low: float
    high: float = math.inf
    models: str = ""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        given = params.get(self.name)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not re.match(self.models, model):
            return []
        if self.low <= given <= self.high:
            return []
        params[self.name] = sent = min(max(given, self.low), self.high)
        bounds = f"{self.low:g} or more" if self.high == math.inf else f"{self.low:g} to {self.high:g}"
        return [adaptation(self.name, "clamped", given, sent, f"the vendor takes {bounds}")]


class Only(NamedTuple):
    """The vendor takes some values only; any other one is replaced by ``instead`` (None: left out)."""

    name: str
    values: tuple[Any, ...]
    instead: Any = None
    models: str = ""
    reason: str = ""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        if self.name not in params or params[self.name] in self.values or not re.match(self.models, model):
            return []
        given = params.pop(self.name)
        reason = self.reason or f"the vendor takes only {', '.join(map(repr, self.values))}"
        if self.instead is None:
            return [adaptation(self.name, "dropped", given, None, reason)]
        params[self.name] = self.instead
        return [adaptation(self.name, "replaced", given, self.instead, reason)]


class AtMost(NamedTuple):
    """The vendor takes a list with so many entries at most; the first ones are kept. A single value becomes a list.

    Args:
        size: bytes that an entry may have; longer ones are left out, since cut short they would mean something else.
        length: characters that it may have, likewise.
    """

    name: str
    most: int
    size: int | None = None
    length: int | None = None

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        given = params.get(self.name)
        if not isinstance(given, (str, list, tuple)):
            return []
        entries = [given] if isinstance(given, str) else list(given)
        params[self.name] = sent = [entry for entry in entries if self._fits(entry)][: self.most]
        if len(sent) == len(entries):
            return []
        limit = f"{self.size} bytes" if self.size else f"{self.length} characters" if self.length else ""
        reason = f"the vendor takes {self.most} at most" + (f", of {limit} each" if limit else "")
        if not sent:
            del params[self.name]
            return [adaptation(self.name, "dropped", entries, None, reason)]
        return [adaptation(self.name, "clamped", entries, sent, reason)]

    def _fits(self, entry: Any) -> bool:
        if not isinstance(entry, str):
            return True
        return (self.size is None or len(entry.encode("utf-8")) <= self.size) and (
            self.length is None or len(entry) <= self.length
        )


class Length(NamedTuple):
    """The vendor takes a text of so many characters; a shorter or longer one is left out.

    Args:
        cut: a longer one is cut instead, where its beginning still serves.
    """

    name: str
    low: int
    high: int
    cut: bool = False

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        given = params.get(self.name)
        if not isinstance(given, str) or self.low <= len(given) <= self.high:
            return []
        reason = f"the vendor takes {self.low} to {self.high} characters"
        if self.cut and len(given) > self.high:
            params[self.name] = sent = given[: self.high]
            return [adaptation(self.name, "clamped", given, sent, reason)]
        return [adaptation(self.name, "dropped", params.pop(self.name), None, reason)]


class NoneMeansNoTools:
    """The vendor does not know ``tool_choice="none"``: the tools are left out instead."""

    __slots__ = ()

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        if params.get("tool_choice") != "none" or "tools" not in params:
            return []
        reason = 'tool_choice="none" is not known here; without tools none can be called'
        return [adaptation(name, "dropped", params.pop(name), None, reason) for name in ("tools", "tool_choice")]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether that is a number, and none that stands for true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class PenaltyScore(NamedTuple):
    """The vendor has one penalty, from 1 (none) to 2, in place of OpenAI's two from -2 to 2."""

    models: str = ""

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``."""
        names = [name for name in ("presence_penalty", "frequency_penalty") if is_number(params.get(name))]
        if not names or not re.match(self.models, model):
            return []
        given = {name: params.pop(name) for name in names}
        score = 1 + min(max(*given.values(), 0), 2) / 2
        if "penalty_score" in params or score == 1:
            reason = "penalty_score is given too" if "penalty_score" in params else "the model cannot reward repetition"
            return [adaptation(name, "dropped", value, None, reason) for name, value in given.items()]
        params["penalty_score"] = score
        reason = f"the model has one penalty: penalty_score={score:g}"
        return [adaptation(name, "replaced", value, score, reason) for name, value in given.items()]


class Nest(NamedTuple):
    """The vendor takes the parameter inside an object: ``into`` with the member ``key``."""

    name: str
    into: str
    key: str

    def apply(self, params: JSONObject, model: str) -> Iterable[Adaptation]:
        """See ``Rule``. The value stays the same, so nothing is told."""
        if self.name in params:
            given = params.get(self.into)
            params[self.into] = {self.key: params.pop(self.name), **(given if isinstance(given, Mapping) else {})}
        return []


#: ``reasoning_effort`` in the words of vendors that know three levels.
LOW_HIGH_MAX = frozen(
    {"minimal": "low", "low": "low", "medium": "high", "high": "high", "xhigh": "max", "max": "max"},
)


class Thinking(NamedTuple):
    """How a family of models is told to think, or not to.

    Args:
        models: regular expression, matched at the start of the model's name in lower case.
        types: values of ``thinking.type`` that the family knows, the one for "on" first; none: it has no such switch.
        efforts: ``reasoning_effort`` → the vendor's word for it; none: it knows no levels. The entry "none" says what
            "do not think" becomes for a family without any other switch.
        always: it cannot be told not to think.
        never: it does not think.
        on_by_default: it thinks when nobody says anything.
        keys: further keys of the ``thinking`` object that the family knows.
        flag: name of a boolean parameter that is the switch, in place of a ``thinking`` object; "" for none.
        budget: name of the parameter for the most tokens of thought (``thinking={"budget_tokens": …}``); "" for none.
        effort_when_off: the adapter says what becomes of an effort beside a thought that is switched off.
    """

    models: str = ""
    types: tuple[str, ...] = ("enabled", "disabled")
    efforts: Mapping[str, str] = frozen()
    always: bool = False
    never: bool = False
    on_by_default: bool = True
    keys: tuple[str, ...] = ()
    flag: str = ""
    budget: str = ""
    effort_when_off: bool = False

    def matches(self, model: str) -> bool:
        """Whether a model, named in lower case, is of this family."""
        return not self.models or re.match(self.models, model) is not None

    def is_on(self, params: Mapping[str, Any]) -> bool:
        """Whether a call with these (translated) parameters thinks."""
        if self.never or self.always:
            return self.always
        thinking = params.get("thinking")
        if isinstance(thinking, dict):
            return thinking.get("type") != "disabled"
        if self.flag and params.get(self.flag) is not None:
            return bool(params[self.flag])
        return self.on_by_default and params.get("reasoning_effort") not in ("none", "minimal")

    def translate(self, params: JSONObject) -> list[Adaptation]:
        """Replace ``thinking`` and ``reasoning_effort`` in ``params`` by what the family understands."""
        thinking, effort = _switch(params.pop("thinking", None)), params.pop("reasoning_effort", None)
        if thinking is None and effort is None:
            return []
        wants_off = (thinking or {}).get("type") == "disabled" or (thinking is None and effort == "none")
        if self.never and not wants_off:
            return _refused(thinking, effort, "this model does not think")
        if wants_off and self.always:
            return _refused(thinking, effort, "this model always thinks")
        if wants_off:
            lost = _left_over(thinking or {}, None if self.effort_when_off else effort)
            return lost if self.never else [*lost, *self._off(params, thinking, effort)]
        return [*self._on(params, thinking), *self._level(params, thinking, effort)]

    def _off(self, params: JSONObject, thinking: JSONObject | None, effort: Any) -> list[Adaptation]:
        if self.flag:
            params[self.flag] = False
            return []
        if "disabled" in self.types:
            params["thinking"] = {"type": "disabled"}
            return []
        params["reasoning_effort"] = sent = self.efforts.get("none", "none")
        if sent == "none":
            return []
        name, given = ("reasoning_effort", effort) if thinking is None else ("thinking", thinking)
        return [
            adaptation(name, "replaced", given, {"reasoning_effort": sent}, "it cannot be told not to think at all")
        ]

    def _on(self, params: JSONObject, thinking: JSONObject | None) -> list[Adaptation]:
        if thinking is None:
            return []
        if self.flag:
            return self._on_by_flag(params, thinking)
        if not self.types:
            # It thinks anyway, so that nothing is lost but the word.
            return _refused(thinking, None, "this model always thinks and has no switch")
        sent = {key: value for key, value in thinking.items() if key == "type" or key in self.keys}
        kind = sent.get("type")
        changes = [
            adaptation(f"thinking.{key}", "dropped", thinking[key], None, "the vendor does not know it")
            for key in thinking
            if key not in sent
        ]
        if kind not in self.types:
            sent["type"] = self.types[0]
        if kind not in ("enabled", *self.types):
            changes.append(adaptation("thinking.type", "replaced", kind, self.types[0], f"it takes {self.types}"))
        params["thinking"] = sent
        return changes

    def _on_by_flag(self, params: JSONObject, thinking: JSONObject) -> list[Adaptation]:
        params[self.flag] = True
        changes: list[Adaptation] = []
        kind = thinking.get("type")
        if kind not in (None, "enabled"):
            changes.append(adaptation("thinking.type", "replaced", kind, "enabled", "this model can think or not"))
        given = {key: value for key, value in thinking.items() if key != "type"}
        if self.budget and "budget_tokens" in given:
            budget = given.pop("budget_tokens")
            if params.setdefault(self.budget, budget) != budget:
                reason = f"{self.budget} was given too"
                changes.append(adaptation("thinking.budget_tokens", "dropped", budget, None, reason))
        for key, value in given.items():
            changes.append(adaptation(f"thinking.{key}", "dropped", value, None, "the vendor does not know it"))
        return changes

    def _level(self, params: JSONObject, thinking: JSONObject | None, effort: Any) -> list[Adaptation]:
        if effort is None:
            return []
        if not self.efforts and not self.flag and not self.types:
            return _refused(None, effort, "this model has no levels of effort")
        if not self.efforts:
            # The least of levels is not to think at all, where that is the only other one.
            is_off = effort == "minimal" and not self.always and (self.flag != "" or "disabled" in self.types)
            switch = {"type": "disabled" if is_off else next(iter(self.types), "enabled")}
            params.setdefault(self.flag or "thinking", not is_off if self.flag else switch)
            sent = {self.flag: params[self.flag]} if self.flag else params["thinking"]
            reason = "this model can think or not, but has no levels"
            return [adaptation("reasoning_effort", "replaced", effort, sent, reason)]
        sent = self.efforts.get(effort) if isinstance(effort, str) else None
        if sent is None:
            return _refused(None, effort, f"this model knows {', '.join(self.efforts)}")
        params["reasoning_effort"] = sent
        if sent == effort:
            return []
        return [adaptation("reasoning_effort", "replaced", effort, sent, f"the vendor's word for it is {sent}")]


def _left_over(thinking: JSONObject, effort: Any) -> list[Adaptation]:
    """What else was said of thinking by someone who switched it off."""
    said = {f"thinking.{key}": value for key, value in thinking.items() if key != "type"}
    if effort not in (None, "none"):
        said["reasoning_effort"] = effort
    return [adaptation(name, "dropped", value, None, "thinking is switched off") for name, value in said.items()]


class AsGiven(Thinking):
    """Nobody knows the dialect, or it differs from model to model: what the caller says is sent."""

    def translate(self, params: JSONObject) -> list[Adaptation]:
        """See ``Thinking``. True and False alone are no dialect; they become its commonest words."""
        if isinstance(params.get("thinking"), (bool, str)):
            params["thinking"] = _switch(params["thinking"])
        return []


def _switch(given: Any) -> JSONObject | None:
    if given is None:
        return None
    if isinstance(given, bool):
        return {"type": "enabled" if given else "disabled"}
    if isinstance(given, str):
        return {"type": given}
    if isinstance(given, Mapping):
        return {"type": "enabled", **given}
    raise BadRequestError(f'thinking={given!r}: give True, False or a dict such as {{"type": "enabled"}}.')


def _refused(thinking: JSONObject | None, effort: Any, reason: str) -> list[Adaptation]:
    changes = [] if thinking is None else [adaptation("thinking", "dropped", thinking, None, reason)]
    return changes if effort is None else [*changes, adaptation("reasoning_effort", "dropped", effort, None, reason)]
