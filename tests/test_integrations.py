"""unionllm inside LangChain and LlamaIndex: the checks of tests/integrations, in an environment of their own."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "integrations"
FOLDER = ROOT / "tests" / "integrations"
PYTHON = ROOT / ".venv-integrations" / "bin" / "python"
#: Seconds: installing the frameworks into an empty environment takes most of it.
_LONGEST = 600


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of that environment."""
    with SCRIPT.open("rb") as script:
        # The tests may run in several processes, which share the environment.
        fcntl.flock(script, fcntl.LOCK_EX)
        subprocess.run(["bash", str(SCRIPT), "--prepare"], check=True, timeout=_LONGEST)
    return PYTHON


@pytest.mark.parametrize("of", ["langchain", "llama_index", "docs"])
def test_the_checks_of_a_framework_pass(of: str, python: Path) -> None:
    """Without the benchmark of LangChain's tests: it measures the time that it takes to make a model."""
    command = [str(python), "-m", "pytest", "-q", "-c", str(FOLDER / "pytest.ini"), "--benchmark-disable"]
    files = sorted(map(str, FOLDER.glob(f"check_{of}*.py")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LANGCHAIN", "COV_"))}

    done = subprocess.run(
        [*command, *files],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout


def test_no_check_is_left_out() -> None:
    files = {path.name for path in FOLDER.glob("check_*.py")}

    assert files == {f"check_{name}.py" for name in ("docs", "langchain", "langchain_standard", "llama_index")}


def test_the_models_are_typed_as_the_frameworks_are(python: Path) -> None:
    """mypy of this environment reads that one's packages; what it knows of them stays there for the next time."""
    cache = PYTHON.parent.parent / "mypy"
    modules = [word for name in ("langchain", "llama_index") for word in ("-m", f"unionllm.integrations.{name}")]
    command = [
        "--strict",
        "--config-file=",
        "--no-error-summary",
        f"--cache-dir={cache}",
        f"--python-executable={python}",
    ]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", *command, *modules],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [("langchain", "langchain-core", "langchain"), ("llama_index", "llama-index-core", "llama-index")],
)
def test_without_the_framework_the_error_names_the_extra(module: str, package: str, extra: str) -> None:
    top = package.replace("-core", "").replace("-", "_") if module == "llama_index" else "langchain_core"
    code = f"import sys; sys.modules[{top!r}] = None\nimport unionllm.integrations.{module}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)

    assert f"unionllm.integrations.{module} needs {package}: pip install 'unionllm[{extra}]'" in done.stderr
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_importing_the_package_loads_no_framework() -> None:
    code = (
        "import sys, unionllm.integrations\n"
        "print(sorted({'langchain_core', 'llama_index', 'pydantic', 'httpx'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)

    assert done.stdout == "[]\n"
