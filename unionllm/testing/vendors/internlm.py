"""InternLM, played after what lobe-chat's client sends (read 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .._checks import Check, Flag
from .._exchange import Problem
from .._openai import Model
from ._plain import IMAGES, Plain


class Played(Plain):
    """A flag for thinking that only some models know, and codes of its own for tokens that have expired."""

    name = "internlm"
    base = "/api/v1"
    test_credentials = {"api_key": "sk-internlm0123456789abcdefghijklmnopqrs"}
    problems: ClassVar[Mapping[str, Problem]] = {
        **{label: one for label, one in Plain.problems.items() if label != "402"},
        "401": Problem(status=401, code="A0202", message="the token is not valid, or has expired"),
    }
    kinds: ClassVar[Mapping[str, str]] = {name: code for name, code in Plain.kinds.items() if name != "no_balance"}
    switch = "thinking_mode"
    examples = {"chat": "intern-s1", "tools": "intern-s1", "image": "internvl3.5-241b-a28b", "thinking": "intern-s1"}
    models = (
        Model(pattern=r"intern-(s1(-mini)?|latest)", thinks="switch", parts=IMAGES, fields={"thinking_mode": Flag()}),
        Model(pattern=r"internvl3\.5[\w.-]*", parts=IMAGES),
        Model(pattern=r"internlm3[\w.-]*"),
    )
    fields: ClassVar[Mapping[str, Check]] = Plain.fields

    def check_rules(self, body: Mapping[str, Any], model: Model) -> None:
        """The flag is refused where it is not known."""
        if "thinking_mode" in body and not model.thinks:
            self.refuse("400", "thinking_mode is not supported by this model")

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """The gateway in front says it in other words."""
        is_gateway = str(problem.code).startswith("A")
        return {"msgCode": problem.code, "msg": problem.message} if is_gateway else super().error_body(problem)
