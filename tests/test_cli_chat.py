"""``unionllm chat``: questions from everywhere, and conversations in a terminal, against the vendor server."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cli_runs import run_here, set_variables, terminal, variables_for

from unionllm.testing import VendorServer

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def zhipuai(vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> VendorServer:
    set_variables(monkeypatch, variables_for(vendor_server, "zhipuai"))
    return vendor_server


def test_an_image_is_read_and_sent_as_a_data_url(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    zhipuai.reply(text="一个点")

    ran = run_here(capsys, "chat", "这是什么？", "-m", "glm-4.6v", "--image", str(tmp_path / "dot.png"))

    assert (ran.code, ran.out, ran.err) == (0, "一个点\n", "")
    image, text = zhipuai.requests[0].json["messages"][0]["content"]
    # Zhipu takes the bare base64 of an image.
    assert image["image_url"]["url"].rpartition(",")[2] == base64.b64encode(PNG).decode()
    assert text == {"type": "text", "text": "这是什么？"}


@pytest.mark.parametrize(("content", "told"), [(b"GIF", "is no PNG"), (None, "cannot be read: No such file")])
def test_what_is_no_image_is_told_before_anything_is_sent(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)

    ran = run_here(capsys, "chat", "这是什么？", "--image", str(path))

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert zhipuai.requests == []


@pytest.mark.parametrize(
    ("words", "sent"), [(("总结：",), "总结：\n\n第一行\n第二行"), ((), "第一行\n第二行")], ids=["added", "alone"]
)
def test_standard_input_is_the_question_or_added_to_it(
    zhipuai: VendorServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    sent: str,
) -> None:
    (tmp_path / "text").write_text("第一行\n第二行\n", encoding="utf-8")
    zhipuai.reply(text="好")
    with (tmp_path / "text").open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)

        ran = run_here(capsys, "chat", *words)

    assert (ran.code, ran.out) == (0, "好\n")
    assert zhipuai.requests[0].json["messages"] == [{"role": "user", "content": sent}]


def test_the_mark_that_begins_a_pipe_on_windows_is_no_part_of_the_question(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("一\n", encoding="utf-8-sig")
    zhipuai.reply(text="好")
    with (tmp_path / "text").open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)

        assert run_here(capsys, "chat").code == 0

    assert zhipuai.requests[0].json["messages"] == [{"role": "user", "content": "一"}]


def test_json_is_the_whole_answer(zhipuai: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    zhipuai.reply(text="好", reasoning="想一想")

    ran = run_here(capsys, "chat", "你好", "-m", "glm-4.6", "--json")

    told = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert told["choices"][0]["message"]["content"] == "好"
    assert told["choices"][0]["message"]["reasoning_content"] == "想一想"
    assert told["usage"]["total_tokens"] == 6


def test_reasoning_is_not_part_of_what_a_program_reads(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    zhipuai.reply(text="# 好", reasoning="想一想")

    assert run_here(capsys, "chat", "你好").out == "# 好\n"


def test_a_pipe_gets_plain_text_whatever_colours_are_forced(
    zhipuai: VendorServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    zhipuai.reply(text="# 好")

    ran = run_here(capsys, "chat", "你好", "--usage")

    assert ran.out == "# 好\n[usage: 2 prompt + 3 completion = 5 tokens]\n"


def test_thinking_is_switched_by_one_option(zhipuai: VendorServer, capsys: pytest.CaptureFixture[str]) -> None:
    zhipuai.reply(text="好")

    assert run_here(capsys, "chat", "你好", "-m", "glm-4.6", "--no-thinking").code == 0
    assert zhipuai.requests[0].json["thinking"] == {"type": "disabled"}


def test_a_saved_conversation_goes_on(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = [{"role": "system", "content": "简短"}, {"role": "user", "content": "一"}]
    before.append({"role": "assistant", "content": "二"})
    (tmp_path / "talk.json").write_text(json.dumps({"messages": before}), encoding="utf-8")
    zhipuai.reply(text="四")

    ran = run_here(capsys, "chat", "三", "--load", str(tmp_path / "talk.json"))

    assert (ran.code, ran.out) == (0, "四\n")
    assert zhipuai.requests[0].json["messages"] == [*before, {"role": "user", "content": "三"}]


@pytest.mark.parametrize("content", ["{", "[]", '{"messages": [1]}', '{"messages": [{"content": "x"}]}', None])
def test_what_is_no_saved_conversation_is_told(
    zhipuai: VendorServer, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "talk.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    ran = run_here(capsys, "chat", "三", "--load", str(path))

    assert ran.code == 2
    assert f"{path} " in ran.err
    assert zhipuai.requests == []


def test_a_conversation_keeps_its_history_and_obeys_its_commands(vendor_server: VendorServer, tmp_path: Path) -> None:
    saved = tmp_path / "talk.json"
    vendor_server.reply(text="## 标题\n\n甲 **乙** 丙\n", reasoning="想一想")
    vendor_server.reply(text="二")

    with terminal("chat", variables=variables_for(vendor_server, "zhipuai")) as screen:
        screen.wait_for("› ")
        screen.type("问一\r")
        screen.wait_for("甲 乙 丙")
        screen.wait_for("› ")
        for command, told in (
            ("/bogus", "There is no command /bogus"),
            ("/system 简短", "System message: 简短"),
            ("/model glm-4.6", "zhipuai · glm-4.6"),
            ("/usage", "Token counts are shown"),
        ):
            screen.type(f"{command}\r")
            screen.wait_for(told)
        screen.type("问二\r")
        screen.wait_for("completion = ")
        screen.type(f"/save {saved}\r")
        screen.wait_for("Saved 4 messages")
        screen.type("/quit\r")
        code = screen.end()

    first, second = (request.json for request in vendor_server.requests)
    history = [
        {"role": "user", "content": "问一"},
        {"role": "assistant", "content": "## 标题\n\n甲 **乙** 丙\n"},
        {"role": "user", "content": "问二"},
    ]
    system = {"role": "system", "content": "简短"}
    assert code == 0
    assert first["messages"] == history[:1]
    assert (second["model"], second["messages"]) == ("glm-4.6", [system, *history])
    told = json.loads(saved.read_text(encoding="utf-8"))
    assert told["messages"] == [system, *history, {"role": "assistant", "content": "二"}]
    # Reasoning is dimmed and the Markdown drawn.
    assert "\x1b[2;3m想一想" in screen.raw
    assert "**" not in screen.text
    assert "\x1b[1m乙" in screen.raw


def test_ctrl_c_stops_the_answer_and_keeps_what_arrived(vendor_server: VendorServer) -> None:
    vendor_server.fault("stall", text=["甲乙丙", "丁", "戊"], after=3)
    vendor_server.reply(text="好")

    with terminal("chat", variables=variables_for(vendor_server, "zhipuai")) as screen:
        screen.wait_for("› ")
        screen.type("问一\r")
        screen.wait_for("甲乙丙")
        screen.interrupt()
        screen.wait_for("Stopped.")
        screen.wait_for("› ")
        screen.interrupt_until("Ctrl-D or /quit ends")
        screen.type("问二\r")
        screen.wait_for("好")
        screen.wait_for("› ")
        screen.type("\x04")
        code = screen.end()

    asked, answered, _ = vendor_server.requests[1].json["messages"]
    assert code == 0
    assert asked == {"role": "user", "content": "问一"}
    assert answered["role"] == "assistant"
    assert answered["content"].startswith("甲乙丙")


def test_ctrl_c_ends_a_single_question_with_130(vendor_server: VendorServer) -> None:
    vendor_server.fault("stall", text=["甲乙丙", "丁", "戊"], after=3)

    with terminal("chat", "问一", variables=variables_for(vendor_server, "zhipuai")) as screen:
        screen.wait_for("甲乙丙")
        screen.interrupt()
        code = screen.end()

    assert code == 130
    assert "Traceback" not in screen.text


def test_a_refused_question_is_told_and_not_kept(vendor_server: VendorServer) -> None:
    vendor_server.fault("no_balance")
    vendor_server.reply(text="好")

    with terminal("chat", variables=variables_for(vendor_server, "zhipuai")) as screen:
        screen.wait_for("› ")
        screen.type("问一\r")
        screen.wait_for("InsufficientBalanceError")
        screen.wait_for("not kept")
        screen.type('"""问二\r')
        screen.wait_for("… ")
        screen.type('第二行"""\r')
        screen.wait_for("好")
        screen.type("/quit\r")
        assert screen.end() == 0

    assert vendor_server.requests[1].json["messages"] == [{"role": "user", "content": "问二\n第二行"}]


def test_a_dumb_terminal_gets_plain_text(vendor_server: VendorServer) -> None:
    vendor_server.reply(text="甲 **乙**")

    with terminal("chat", "问", "--plain", variables=variables_for(vendor_server, "zhipuai")) as screen:
        code = screen.end()

    assert (code, screen.raw) == (0, "甲 **乙**\r\n")
