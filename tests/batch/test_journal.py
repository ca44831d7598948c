"""The journal: what it finds again, whatever was done to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unionllm import JournalError
from unionllm._batch.journal import Journal, format_entry, parse_entry
from unionllm._batch.results import BatchResult, Entry

KEY, OTHER = "0" * 31 + "1", "0" * 31 + "2"


def entry(key: str = KEY, text: bytes = b'{"a":"\xe6\x99\xb4"}', **more: object) -> Entry:
    return Entry(key=key, is_ok=True, status=200, request_id='r"1', tokens=7, cost=0.25, body=text, **more)  # type: ignore[arg-type]


FAILED = Entry(key=OTHER, is_ok=False, error={"code": "c", "message": 'said "no",\n"body":1', "type": "APIError"})


@pytest.mark.parametrize(
    "given", [entry(), entry(currency="CNY"), FAILED, Entry(key=KEY, is_ok=False, status=429, body=b'{"error":{}}')]
)
def test_an_entry_survives_being_a_line(given: Entry) -> None:
    line = format_entry(given)

    assert parse_entry(line) == given
    assert line.count(b"\n") == 1


def test_answers_are_found_again_and_failures_are_not(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j")
    first.append(entry())
    first.append(FAILED)
    assert first.read(OTHER) == FAILED
    first.close()

    again = Journal(tmp_path / "j")

    assert again.read(KEY) == entry()
    assert not again.find(OTHER)
    assert (again.answers, again.tokens, again.cost) == (1, 7, 0.25)
    again.close()


@pytest.mark.parametrize("left", range(1, len(format_entry(entry(OTHER))), 7))
def test_a_line_that_was_cut_in_half_anywhere_is_cut_off(tmp_path: Path, left: int) -> None:
    path = tmp_path / "j"
    whole = format_entry(entry())
    path.write_bytes(whole + format_entry(entry(OTHER))[:left])

    journal = Journal(path)
    assert (journal.find(KEY), journal.find(OTHER)) == (True, False)
    journal.append(entry(OTHER))
    journal.close()

    assert path.read_bytes() == whole + format_entry(entry(OTHER))


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"hello", b'{"custom_id":"a"}\n', b"\x00" * 99])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)

    with pytest.raises(JournalError, match="no line of a journal"):
        Journal(path)

    assert path.read_bytes() == content


def test_two_runs_cannot_write_one_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    program = (
        f"from unionllm._batch.journal import Journal; from pathlib import Path; Journal(Path({str(tmp_path / 'j')!r}))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)

    assert "being written by another run" in done.stderr
    journal.close()


def test_a_hash_is_claimed_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(entry())

    assert [journal.claim(key) for key in (KEY, OTHER, OTHER)] == [False, True, False]
    journal.close()


def test_another_journal_is_absorbed_but_for_what_is_there_and_what_is_torn(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(format_entry(entry(text=b"1")) + format_entry(FAILED) + format_entry(entry())[:-9])
    journal = Journal(tmp_path / "j")
    journal.append(entry())

    journal.absorb(tmp_path / "part")

    assert (journal.read(KEY), journal.read(OTHER)) == (entry(), FAILED)
    assert journal.answers == 1
    journal.close()


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="'second', 'always', 'never'"):
        Journal(tmp_path / "j", "sometimes")  # type: ignore[arg-type]


def test_a_result_is_a_line_of_openais_batch_output() -> None:
    answered = BatchResult(index=0, custom_id='a"1', entry=entry()).to_dict()
    refused = BatchResult(index=1, custom_id="b", entry=Entry(key=KEY, is_ok=False, status=400, body=b'{"error":{}}'))
    failed = BatchResult(index=2, custom_id="c", entry=FAILED)

    assert answered == {
        "id": f"batch_req_{KEY}",
        "custom_id": 'a"1',
        "response": {"status_code": 200, "request_id": 'r"1', "body": {"a": "晴"}},
        "error": None,
    }
    assert refused.to_dict()["response"] == {"status_code": 400, "request_id": None, "body": {"error": {}}}
    assert (failed.to_dict()["response"], failed.to_dict()["error"]) == (None, FAILED.error)
    assert (failed.response, failed.text, failed.is_ok) == (None, None, False)


def test_a_line_that_finds_no_room_is_taken_back_so_that_later_ones_are_whole(tmp_path: Path) -> None:
    """In a process of its own: the limit of a file's size stands for a full disk that has room again."""
    program = f"""
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_journal import OTHER, entry, Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path({str(tmp_path / "j")!r}))
journal.append(entry())
resource.setrlimit(resource.RLIMIT_FSIZE, (400, resource.RLIM_INFINITY))
try:
    journal.append(entry(OTHER, b'"' + b"x" * 1000 + b'"'))
except OSError as error:
    print(error.strerror, error.filename)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(entry(OTHER))
print(journal.read(OTHER) == entry(OTHER))
journal.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == [f"File too large {tmp_path / 'j'}", "True"], done.stderr
    assert (tmp_path / "j").read_bytes() == format_entry(entry()) + format_entry(entry(OTHER))
