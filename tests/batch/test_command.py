"""``unionllm batch``: files in, files out, exit codes, and processes that are stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet
from vendors_on_loopback import ROOT

from unionllm._batch.journal import Journal
from unionllm.cli import main
from unionllm.testing import VendorServer

#: Seconds that a process may take; a busy machine needs several to start one.
_LONGEST = 120


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VendorServer]:
    with VendorServer() as server:
        monkeypatch.setenv("ZHIPUAI_API_KEY", server.credentials("zhipuai")["api_key"])
        monkeypatch.chdir(tmp_path)
        yield server


def words(vendors: VendorServer, *more: str, source: str = "in.jsonl", target: str = "out.jsonl") -> list[str]:
    where = ["--provider", "zhipuai", "--base-url", vendors.url("zhipuai"), "--model", "glm-4.5"]
    return ["batch", source, "-o", target, *where, "--set", "thinking=false", *more]


def write(lines: list[Any], name: str = "in.jsonl") -> None:
    Path(name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def rows(name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_bytes().splitlines()]


def said(row: dict[str, Any]) -> str:
    return str(row["response"]["body"]["choices"][0]["message"]["content"])


def questions(count: int) -> list[Any]:
    return [{"custom_id": f"c{number}", "prompt": f"q{number}"} for number in range(count)]


def test_a_file_is_answered_line_by_line(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"messages": [{"role": "user", "content": "三"}], "model": "glm-4.6"}
    write([{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}, {"prompt": "二"}, "一"])

    code = main(words(vendors, "--system", "短", "--set", "temperature=0.2"))

    assert (code, [row["custom_id"] for row in rows()]) == (0, ["a", "line-2", "line-3"])
    assert [said(row) for row in rows()] == ["收到：三", "收到：二", "收到：一"]
    sent = {request.json["messages"][-1]["content"]: request.json for request in vendors.requests}
    assert (sent["三"]["model"], sent["一"]["model"], sent["二"]["temperature"]) == ("glm-4.6", "glm-4.5", 0.2)
    assert [len(sent[text]["messages"]) for text in "一二三"] == [2, 2, 1]
    assert "3 lines in out.jsonl: 3 answered, 0 failed; 3 requests asked" in " ".join(capsys.readouterr().err.split())
    assert not Path("out.jsonl.part").exists()


def test_the_same_command_again_sends_nothing(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    write(questions(20))
    assert main(words(vendors)) == 0
    before = Path("out.jsonl").read_bytes()

    assert main(words(vendors, "--json")) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["asked"], told["stored"], told["handed_out"], told["cost"]) == (0, 20, 20, None)
    assert (Path("out.jsonl").read_bytes(), len(vendors.requests)) == (before, 20)


def test_lines_that_fail_have_an_exit_code_and_are_asked_again(vendors: VendorServer) -> None:
    Path("in.jsonl").write_bytes(b'{"prompt": "a"}\nno json\n\n\xff\xfe\n{"prompt": "b"}\n')
    vendors.fault("bad_request")

    assert main(words(vendors, "--concurrency", "1")) == 3
    assert [(row["response"] or {}).get("status_code") for row in rows()] == [400, None, None, 200]
    assert [row["error"] and row["error"]["code"] for row in rows()] == [None, "invalid_line", "invalid_line", None]

    assert main(words(vendors)) == 3
    assert [(row["response"] or {}).get("status_code") for row in rows()] == [200, None, None, 200]
    assert len(vendors.requests) == 3


def test_a_budget_and_refused_keys_have_exit_codes(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(questions(40))

    assert main(words(vendors, "--budget-tokens", "100")) == 4
    assert 8 <= len(rows()) == len(vendors.requests) <= 15
    told = capsys.readouterr().err
    assert "The budget is used up" in told
    assert "To go on: " in told

    monkeypatch.setenv("MY_KEYS", "wrong.1, wrong.2")
    assert main(words(vendors, "--keys-from", "MY_KEYS")) == 5
    assert "Every key was refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--set", "temperature"], 2, "name=value"),
        (["--keys-from", "NOT_SET"], 2, "not set"),
        (["--fallback", "deepseek"], 2, "provider/model"),
        (["--engine", "cloud"], 2, "cloud"),
        (["-o", "in.jsonl"], 1, "Name another file"),
        (["-o", "out.docx"], 1, "what to write"),
        (["--journal", "in.jsonl"], 1, "Name another file"),
        (["--journal", "out.jsonl"], 1, "is the output"),
        (["--journal", "out.jsonl.part"], 1, "is the output"),
        (["-o", "nowhere/out.jsonl"], 1, "nowhere"),
        (["-o", "folder.jsonl"], 1, "Is a directory"),
        (["--journal", "other.txt"], 1, "no line of a journal"),
    ],
)
def test_commands_that_cannot_work_say_why(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str], more: list[str], code: int, told: str
) -> None:
    write(questions(1))
    Path("other.txt").write_text("mine\n", encoding="utf-8")
    Path("folder.jsonl").mkdir()

    assert main(words(vendors, *more)) == code

    assert told in " ".join(capsys.readouterr().err.split())
    assert vendors.requests == []
    assert Path("other.txt").read_text(encoding="utf-8") == "mine\n"


def test_an_input_that_is_not_there_is_told(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(vendors, source="nothing.jsonl")) == 1
    assert "nothing.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("in.csv", b"", "cannot be read as .csv"),
        ("in.csv", b"prompt,prompt\na,b\n", "two columns of one name"),
        ("in.parquet", b"PAR1 but no more", "cannot be read as .parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str], name: str, content: bytes, told: str
) -> None:
    Path(name).write_bytes(content)

    assert main(words(vendors, source=name)) == 1
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_row_that_is_no_utf8_is_a_failed_line(vendors: VendorServer) -> None:
    Path("in.csv").write_bytes("prompt\n一\n".encode() + "二\n".encode("gbk") + "三\n".encode())

    assert main(words(vendors, source="in.csv")) == 3
    assert [row["error"] and row["error"]["code"] for row in rows()] == [None, "invalid_line", None]


def test_half_a_surrogate_pair_ends_nothing(vendors: VendorServer) -> None:
    Path("in.jsonl").write_bytes(b'{"custom_id": "\\ud83d", "prompt": "a"}\n{"prompt": "\\ud83d"}\n"b"\n')

    assert main(words(vendors)) == 3
    assert [(row["custom_id"], row["response"]["status_code"]) for row in rows()] == [
        ("\ud83d", 200),
        ("line-2", 400),
        ("line-3", 200),
    ]


def test_a_file_of_a_byte_order_mark_alone_is_empty(vendors: VendorServer) -> None:
    Path("in.jsonl").write_bytes(b"\xef\xbb\xbf")

    assert (main(words(vendors)), rows()) == (0, [])


def test_a_second_run_of_the_same_job_leaves_the_output_of_the_first_alone(
    vendors: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write(questions(3))
    journal = Journal(Path("out.jsonl.journal"))  # as the first run holds it
    Path("out.jsonl.part").write_bytes(b"half of it\n")

    assert main(words(vendors)) == 1

    assert "is being written by another run" in capsys.readouterr().err
    assert Path("out.jsonl.part").read_bytes() == b"half of it\n"
    journal.close()


def test_prompts_a_line(vendors: VendorServer) -> None:
    Path("in.txt").write_text("\ufeff一\r\n\r\n二，\u2028二\n三", encoding="utf-8")

    assert main(words(vendors, source="in.txt")) == 0

    assert [said(row) for row in rows()] == ["收到：一", "收到：二，\u2028二", "收到：三"]


CSV = 'id,custom_id,text,temperature,other\n1,x1,"007",0.5,a\n2,,"two\nlines, 二",,\n3,x3,only,three\n4,x4,四,,\n'


def test_csv_in_and_csv_out(vendors: VendorServer) -> None:
    Path("in.csv").write_text(CSV, encoding="utf-8")

    code = main(words(vendors, "--prompt-column", "text", source="in.csv", target="out.csv"))

    table = arrow_csv.read_csv("out.csv", parse_options=arrow_csv.ParseOptions(newlines_in_values=True)).to_pylist()
    assert code == 3  # one row has too few columns
    assert [row["custom_id"] for row in table] == ["x1", "line-2", "x4", "line-4"]
    assert [row["content"] for row in table[:3]] == ["收到：007", "收到：two\nlines, 二", "收到：四"]
    assert (table[0]["status_code"], table[0]["total_tokens"], table[3]["error_code"]) == (200, 9, "invalid_line")
    assert {request.json.get("temperature") for request in vendors.requests} == {0.5, None}


def test_parquet_in_and_parquet_out(vendors: VendorServer) -> None:
    columns = {"custom_id": ["a", "b"], "prompt": ["一", None], "messages": [None, '[{"role":"user","content":"二"}]']}
    parquet.write_table(pa.table(columns), "in.parquet")
    vendors.fault("bad_request")

    code = main(words(vendors, "--concurrency", "1", source="in.parquet", target="out.parquet"))

    table = parquet.read_table("out.parquet").to_pylist()
    assert (code, [(row["custom_id"], row["status_code"]) for row in table]) == (3, [("a", 400), ("b", 200)])
    assert (table[1]["content"], table[1]["finish_reason"], table[0]["content"]) == ("收到：二", "stop", None)


def test_a_table_without_prompts_says_what_it_has(vendors: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_text("a,b\n1,2\n", encoding="utf-8")

    assert main(words(vendors, source="in.csv")) == 1
    assert "has no column 'prompt'" in capsys.readouterr().err


def start(vendors: VendorServer, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "unionllm", *words(vendors, *more)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8")


def wait_for_lines(process: subprocess.Popen[str], count: int) -> None:
    journal = Path("out.jsonl.journal")
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < count):
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_finishes_what_is_under_way_and_says_how_to_go_on(vendors: VendorServer, number: signal.Signals) -> None:
    write(questions(5000))

    with start(vendors, "--concurrency", "4") as process:
        wait_for_lines(process, 10)
        process.send_signal(number)
        told = process.communicate(timeout=_LONGEST)[1]

    assert process.returncode == 130
    assert "requests that are under way" in told
    assert "To go on: unionllm batch in.jsonl -o out.jsonl" in " ".join(told.split())
    assert 10 <= len(rows()) == len(vendors.requests) < 5000


def test_the_second_stop_ends_at_once_and_loses_nothing(vendors: VendorServer) -> None:
    write(questions(5))
    vendors.fault("stall", seconds=3600, after=-1)

    with start(vendors) as process:
        wait_for_lines(process, 4)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        told += process.communicate(timeout=_LONGEST)[1]

    assert (process.returncode, "Stopped at once" in told) == (130, True), told
    assert main(words(vendors)) == 0
    assert (len(rows()), len(vendors.requests)) == (5, 6)


def test_killed_at_any_moment_it_goes_on_where_it_was() -> None:
    """A small run of scripts/kill_batch.py, which judges: nothing sent again, every line there once, in order."""
    command = [sys.executable, str(ROOT / "scripts" / "kill_batch.py"), "--kills", "2", "--requests", "120"]

    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_LONGEST, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["kills"], told["lines"], told["sent_again_after_their_answer_was_journalled"]) == (2, 120, 0)


def test_the_benchmark_runs_and_prints_what_the_page_quotes() -> None:
    """Its figures are not judged: machines differ."""
    few = ["--requests", "40", "--fewer", "20", "--at-once", "8", "--server", "fast", "--ways", "batch"]

    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "bulk.py"), *few],
        capture_output=True,
        encoding="utf-8",
        timeout=_LONGEST,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.rpartition("\n\n")[2])
    assert [(row["way"], row["requests"]) for row in told["results"]] == [
        *((way, 20) for way in ("bare", "split", "batch")),
        ("batch", 40),
    ]
    assert all(row["rate"] > 0 and row["peak_mb"] > 0 for row in told["results"])
