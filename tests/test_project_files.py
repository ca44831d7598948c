"""Workflows, hooks and templates name what is there, and hold no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from vendors_on_loopback import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the word `on` as true.
    return {str(key).replace("True", "on"): value for key, value in yaml.safe_load(path.read_text("utf-8")).items()}


def jobs() -> list[Any]:
    found = [(path, name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items()]
    return [pytest.param(path, job, id=f"{path.stem}-{name}") for path, name, job in found]


@pytest.mark.parametrize(("path", "job"), jobs())
def test_a_job_has_steps_that_can_run(path: Path, job: dict[str, Any]) -> None:
    if "uses" in job:
        assert (ROOT / job["uses"]).is_file()
        return
    assert job["runs-on"]
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(?:v\d+|release/v\d+)", step["uses"])
        for script in re.findall(r"(?:bash )?((?:scripts|\.ci)/\w+)", step.get("run", "")):
            assert (ROOT / script).is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_needs_no_secret(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_every_supported_python_is_tested() -> None:
    told = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == told


def test_only_the_job_that_publishes_can_prove_who_it_is() -> None:
    publish = read(ROOT / ".github/workflows/release.yml")["jobs"]["publish"]

    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "release"
    assert not any("run" in step for step in publish["steps"])


def test_hooks_are_run_with_the_projects_own_tools() -> None:
    [repository] = read(ROOT / ".pre-commit-config.yaml")["repos"]

    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")


def test_templates_are_there_in_both_languages_and_ask_the_same() -> None:
    english = [path for path in TEMPLATES if ".zh-CN" not in path.name and path.name != "config.yml"]

    assert [path.name for path in english] == ["bug.yml", "vendor.yml"]
    for path in english:
        twin = read(path.with_suffix(".zh-CN.yml"))
        told = read(path)
        assert [(part["type"], part.get("id"), part.get("validations")) for part in told["body"]] == [
            (part["type"], part.get("id"), part.get("validations")) for part in twin["body"]
        ]
        assert (told["labels"], bool(told["name"] and told["description"])) == (twin["labels"], True)
