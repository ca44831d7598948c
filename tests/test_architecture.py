"""The shape of the code: who may import whom, what importing does, how large things are."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import get_overloads

import unionllm
from unionllm import _registry

ROOT = Path(unionllm.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    """The dotted name of a module, without the package's."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below one, but for what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from run_time_nodes(other)
            continue
        yield child
        yield from run_time_nodes(child)


def imports(path: Path) -> set[str]:
    """What a module imports at any time: ours as ``_call`` or ``providers.x``, others by their top name and a colon."""
    package = path.relative_to(ROOT).parent.parts
    found = set()
    for node in run_time_nodes(parse(path)):
        if isinstance(node, ast.Import):
            found |= {f"{alias.name.partition('.')[0]}:" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(f"{(node.module or '').partition('.')[0]}:")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            found.add(".".join((*base, node.module)) if node.module else "")
            if not node.module:
                found |= {".".join((*base, alias.name)) for alias in node.names}
    return found


def imported_by_name(path: Path) -> set[str]:
    """Modules that are imported by a call, such as ``import_module("x.y")``, or looked for in ``sys.modules``."""
    found = set()
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.Call):
            continue
        is_call = ast.unparse(node.func).endswith(("import_module", "find_spec", "__import__"))
        if is_call and node.args and isinstance(node.args[0], ast.Constant):
            found.add(f"{str(node.args[0].value).partition('.')[0]}:")
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name and not name.endswith(":")}


def pick(*patterns: str) -> list[Path]:
    found = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
    assert found, patterns
    return found


@pytest.mark.parametrize(
    ("name", "base"), [("schema.py", {"_object"}), ("_object.py", set()), ("exceptions.py", set())]
)
def test_what_users_receive_imports_nothing_of_ours(name: str, base: set[str]) -> None:
    assert ours(ROOT / name) == base


def test_adapters_do_not_know_the_transport() -> None:
    above = {
        "_transport",
        "_network",
        "_bodies",
        "_lines",
        "_websocket",
        "_call",
        "_clients",
        "_stream",
        "_routes",
        "_native_calls",
        "_options",
        "_finish",
        "_credentials",
        "chat",
        "main",
    }

    for path in pick("_protocols/*.py", "providers/*.py"):
        assert not ours(path) & above, path


def test_adapters_do_no_io_and_read_no_clock() -> None:
    # local starts a server in this process, behind a Perform step.
    banned = {
        f"{name}:"
        for name in [
            "socket",
            "http",
            "httpx",
            "httpcore",
            "requests",
            "urllib3",
            "asyncio",
            "threading",
            "time",
            "os",
            "subprocess",
        ]
    }

    for path in pick("_protocols/*.py", "providers/*.py"):
        if path.name != "local.py":
            assert not imports(path) & banned, path


def test_the_transport_does_not_know_adapters() -> None:
    for path in pick(
        "_transport.py",
        "_network.py",
        "_bodies.py",
        "_lines.py",
        "_websocket.py",
        "_reader.py",
        "_framing.py",
        "_retry.py",
        "_timeouts.py",
        "_wire.py",
    ):
        assert not {name for name in ours(path) if name.startswith(("_protocols", "providers", "_registry"))}, path


def test_the_http_library_shows_in_few_files_only() -> None:
    users = {name_of(path) for path in MODULES if imports(path) & {"httpx:", "httpcore:"}}

    # The last two send nothing: one has it write forms, LiteLLM's errors are made of its replies in the other.
    assert users == {
        "_aiohttp",
        "_aiohttp_requests",
        "_own_client",
        "_network",
        "_ways",
        "_lines",
        "_multipart",
        "_litellm_refusals",
    }


def test_the_websocket_library_shows_in_one_file_only() -> None:
    users = {name_of(path) for path in MODULES if "websockets:" in imports(path) | imported_by_name(path)}

    assert users == {"_websocket"}


def test_the_litellm_module_shows_in_the_bridge_only() -> None:
    users = {name_of(path) for path in MODULES if "litellm:" in imports(path) | imported_by_name(path)}

    assert users
    assert all(name.startswith("_litellm") for name in users)


def test_nothing_below_chat_knows_chat() -> None:
    users = {name_of(path) for path in MODULES if "chat" in ours(path)}

    assert {name.partition(".")[0] for name in users} <= {"__init__", "main", "cli", "__main__"}


def provider_words() -> set[str]:
    names = set(_registry.PROVIDERS)
    for entry in _registry.PROVIDERS.values():
        names |= set(entry.aliases)
    return names


def compared_words(path: Path) -> set[str]:
    """Every text that a module compares something with."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Compare):
            for operand in (node.left, *node.comparators):
                found |= {leaf.value for leaf in ast.walk(operand) if isinstance(leaf, ast.Constant)}
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            found.add(node.value.value)
    return {word.lower() for word in found if isinstance(word, str)}


def test_no_code_asks_for_the_name_of_a_vendor() -> None:
    for path in MODULES:
        own = (
            {path.stem, *getattr(_registry.PROVIDERS.get(path.stem), "aliases", ())}
            if path.parent.name == "providers"
            else set()
        )
        assert not compared_words(path) & (provider_words() - own), path


def test_every_module_of_a_vendor_is_in_the_table_and_the_other_way_round() -> None:
    modules = {path.stem for path in (ROOT / "providers").glob("*.py") if not path.stem.startswith("_")}

    assert {entry.module for entry in _registry.PROVIDERS.values()} <= modules
    for module in modules:
        loaded = importlib.import_module(f"unionllm.providers.{module}")
        assert hasattr(loaded, "adapter") == (module in {entry.module for entry in _registry.PROVIDERS.values()})
    for name, entry in _registry.PROVIDERS.items():
        assert importlib.import_module(f"unionllm.providers.{entry.module}").adapter.spec.name == name


def test_a_vendors_adapter_is_the_last_thing_that_its_module_makes() -> None:
    """Whoever finds it while another thread imports the module finds everything that it uses."""
    for entry in _registry.PROVIDERS.values():
        last = parse(ROOT / "providers" / f"{entry.module}.py").body[-1]
        assert isinstance(last, ast.Assign), entry.module
        assert [ast.unparse(target) for target in last.targets] == ["adapter"], entry.module


def test_no_alias_means_two_vendors() -> None:
    words = [word for name, entry in _registry.PROVIDERS.items() for word in (name, *entry.aliases)]

    assert sorted(words) == sorted(set(words))
    assert all(word == word.lower() for word in words)


def long_functions(path: Path) -> list[str]:
    functions = [node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        f"{path.name}:{node.lineno} {node.name}" for node in functions if (node.end_lineno or 0) - node.lineno + 1 > 50
    ]


def test_no_function_is_longer_than_fifty_lines() -> None:
    assert [found for path in (*MODULES, *TESTS.rglob("*.py")) for found in long_functions(path)] == []


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    files = [*MODULES, *TESTS.rglob("*.py")]

    assert [path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_no_function_is_too_complex() -> None:
    command = [
        "ruff",
        "check",
        "--no-cache",
        "--isolated",
        "--select",
        "C901",
        "--config",
        "lint.mccabe.max-complexity=10",
    ]

    done = subprocess.run(
        [sys.executable, "-m", *command, str(ROOT), str(TESTS)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_what_is_exported_is_what_is_declared() -> None:
    assert unionllm.__all__ == sorted(unionllm.__all__)
    for name in unionllm.__all__:
        assert getattr(unionllm, name) is not None
    assert set(unionllm.__all__) <= set(dir(unionllm))
    typed = {alias.asname or alias.name for alias in type_checking_imports(ROOT / "__init__.py")}
    assert typed | {"__version__"} == set(unionllm.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        unionllm.no_such_name  # noqa: B018  # the access is what is tested


def type_checking_imports(path: Path) -> Iterator[ast.alias]:
    for node in parse(path).body:
        if is_type_checking(node):
            for child in ast.walk(node):
                if isinstance(child, ast.ImportFrom):
                    yield from child.names


@pytest.mark.parametrize("name", ["schema", "exceptions", "chat", "main", "utils", "models"])
def test_every_public_module_declares_its_names(name: str) -> None:
    module = importlib.import_module(f"unionllm.{name}")
    own = {key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}

    assert {key for key in own if not key.startswith("_")} <= set(module.__all__) | {"new_id", "class_for_status"} | {
        "PromptTokensDetails",
        "CompletionTokensDetails",
    }
    assert all(hasattr(module, key) for key in module.__all__)


def shape(function: Any) -> list[tuple[str, Any, Any, str]]:
    """The arguments of a function, with the names of async classes as those of their sync twins."""
    given = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default, str(one.annotation).replace("Async", "")) for one in given]


def result(function: Any) -> str:
    return str(inspect.signature(function).return_annotation).replace("Async", "")


PAIRS = [
    (unionllm.unionchat, unionllm.aunionchat),
    (unionllm.UnionLLM.completion, unionllm.UnionLLM.acompletion),
    (unionllm.UnionLLM.chat, unionllm.UnionLLM.achat),
    (unionllm.UnionLLM.close, unionllm.UnionLLM.aclose),
    (unionllm.Stream.text, unionllm.AsyncStream.text),
    (unionllm.Stream.close, unionllm.AsyncStream.close),
    (unionllm.Stream.close, unionllm.AsyncStream.aclose),
]


@pytest.mark.parametrize(("sync", "twin"), PAIRS, ids=lambda function: function.__qualname__)
def test_sync_and_async_take_and_give_the_same(sync: Any, twin: Any) -> None:
    assert shape(sync) == shape(twin)
    assert result(sync) == result(twin)
    assert [(shape(one), result(one)) for one in get_overloads(sync)] == [
        (shape(one), result(one)) for one in get_overloads(twin)
    ]


def test_both_kinds_of_stream_offer_the_same() -> None:
    asynchronous = {
        "__aiter__": "__iter__",
        "__anext__": "__next__",
        "__aenter__": "__enter__",
        "__aexit__": "__exit__",
    }
    sync = {name for name in vars(unionllm.Stream) if not name.startswith("_")} | set(asynchronous.values())
    twin = {
        asynchronous.get(name, name) for name in vars(unionllm.AsyncStream) if name in asynchronous or name[0] != "_"
    }

    assert twin - {"aclose"} == sync


def test_the_table_of_providers_is_plain_data() -> None:
    rows = unionllm.providers()

    assert json.loads(json.dumps(rows)) == rows
    assert {"zhipuai", "moonshot", "deepseek"} <= {row["name"] for row in rows}
    rows[0]["aliases"].append("x")
    assert "x" not in unionllm.providers()[0]["aliases"]


def test_the_public_types_are_what_callers_see() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file=",
        str(TESTS / "typing/api.py"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT.parent)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
