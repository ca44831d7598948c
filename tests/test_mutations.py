"""The mutations that scripts/mutations.py and scripts/server_mutations.py make can be made: their places are there."""

from __future__ import annotations

import runpy
import sys
from typing import Any

import pytest
from vendors_on_loopback import ROOT


@pytest.mark.parametrize("script", ["mutations", "server_mutations"])
def test_every_mutation_changes_one_place_of_the_code_as_it_is(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose place has moved would change nothing, and whoever runs the script would learn it only then."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])

    mutations: Any = runpy.run_path(str(ROOT / "scripts" / f"{script}.py"))["MUTATIONS"]

    places = {each.what: (ROOT / each.file).read_text(encoding="utf-8").count(each.before) for each in mutations}
    assert places
    assert set(places.values()) == {1}, places
