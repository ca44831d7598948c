"""What is installed to develop, and what is shipped: pinned, hashed, reproducible, and nothing that does not belong."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import unionllm

ROOT = Path(unionllm.__file__).parent.parent
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def entries() -> dict[str, list[str]]:
    """The lock's packages, each with its entries: one, or one for each group of Pythons."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", LOCK)[1:]:
        match = _NAME.match(entry)
        assert match is not None
        found.setdefault(normal(match[0]), []).append(entry)
    return found


def test_every_package_that_is_named_is_locked() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = {normal(name) for name in re.findall(r'"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?[><=!]', project)}

    assert {"httpx", "litellm", "pydantic", "hypothesis", "cozepy", "websockets", "hatchling", "pyjwt"} <= wanted
    assert wanted - set(entries()) == set()


def test_every_package_is_locked_to_one_version_with_hashes_and_to_no_place() -> None:
    for name, locked in entries().items():
        for entry in locked:
            assert re.match(r"\S+==[\w.!+]+( ;|\s\\)", entry), entry[:80]
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name
        assert len(locked) == 1 or all(" ; " in entry.partition("\n")[0] for entry in locked), name
    assert not re.search(r"://|--index|--find-links|file:| @ ", LOCK)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Path]]:
    """Wheel and sdist, built twice: from copies in other places, of other times, under another umask."""
    made = []
    for number, umask in enumerate((0o022, 0o077)):
        copy = tmp_path_factory.mktemp(f"checkout{number}") / ("a" * (number + 1))
        for name in ("unionllm", "tests", "docs", "examples", "scripts", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        for path in ROOT.iterdir():
            if path.is_file() and not path.name.startswith(".coverage"):
                shutil.copyfile(path, copy / path.name)
        for path in copy.rglob("*"):
            os.utime(path, (1_600_000_000 + number * 86_400 * 365,) * 2)
        environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        command = [sys.executable, "-W", "ignore", "-m", "hatchling", "build", "-d", str(copy / "dist")]
        subprocess.run(command, cwd=copy, env=environment, umask=umask, check=True, capture_output=True)
        made.append({path.name: path for path in (copy / "dist").iterdir()})
    return made


def test_two_builds_give_the_same_bytes(builds: list[dict[str, Path]]) -> None:
    first, second = (
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in build.items()} for build in builds
    )

    assert first == second
    assert sorted(name.rpartition(".")[2] for name in first) == ["gz", "whl"]


def test_the_wheel_holds_the_package_and_nothing_else(builds: list[dict[str, Path]]) -> None:
    wheel = next(path for name, path in builds[0].items() if name.endswith(".whl"))
    names = zipfile.ZipFile(wheel).namelist()
    info = f"unionllm-{unionllm.__version__}.dist-info"
    package = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "unionllm").rglob("*") if path.suffix in (".py", "")
    }
    package = {name for name in package if (ROOT / name).is_file() and "__pycache__" not in name}

    assert {name for name in names if name.startswith("unionllm/")} == package | {
        "unionllm/py.typed",
        "unionllm/prices.json",
    }
    others = {name for name in names if not name.startswith("unionllm/")}
    assert others == {
        f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }


def test_the_sdist_holds_no_file_that_is_made(builds: list[dict[str, Path]]) -> None:
    sdist = next(path for name, path in builds[0].items() if name.endswith(".gz"))
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]

    assert {"pyproject.toml", "LICENSE", "README.md", "unionllm/py.typed"} <= set(names)
    assert [name for name in names if re.search(r"__pycache__|\.pyc$|\.venv|\.fuzz|(^|/)dist/|\.log$", name)] == []
