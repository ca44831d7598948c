"""The vendor server and the adapters are two readings of the same facts, and neither may look at the other."""

from __future__ import annotations

import json
import subprocess
import sys

from test_architecture import MODULES, ROOT, imports, name_of, ours


def test_the_vendor_server_knows_nothing_of_the_adapters() -> None:
    for path in (ROOT / "testing").rglob("*.py"):
        assert {name for name in ours(path) if not name.startswith("testing")} == set(), path
        public = path.name in ("conformance.py", "plugin.py")
        assert "unionllm:" not in imports(path) or public, path


def test_nothing_but_the_command_line_knows_the_vendor_server() -> None:
    outside = [path for path in MODULES if "testing" not in path.relative_to(ROOT).parts]

    users = {name_of(path) for path in outside if any(name.startswith("testing") for name in ours(path))}

    assert users == {"cli._serving"}


def test_the_server_library_shows_in_the_server_and_in_one_transport_only() -> None:
    users = {name_of(path) for path in MODULES if "aiohttp:" in imports(path)}

    assert users == {"testing._server", "testing._play", "testing._received", "_aiohttp", "_aiohttp_requests"}


def test_the_pytest_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, json; before = set(sys.modules); import unionllm.testing.plugin, unionllm.testing; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", f"import pytest; {code}"], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "unionllm" in loaded
    assert not loaded & {"aiohttp", "httpx", "pydantic", "litellm"}


def test_without_aiohttp_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "try:\n    from unionllm.testing import VendorServer\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'unionllm[testing]'" in done.stdout
