"""What lines of a conversation do, without a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import set_variables, variables_for
from test_cli_chat import PNG

from unionllm import unionchat
from unionllm.cli._answering import Whom, changes
from unionllm.cli._conversation import Conversation, take
from unionllm.cli._screen import CommandError
from unionllm.testing import VendorServer


@pytest.fixture
def vendors(vendor_server: VendorServer, monkeypatch: pytest.MonkeyPatch) -> VendorServer:
    set_variables(monkeypatch, variables_for(vendor_server, "zhipuai", "deepseek", "dify"))
    return vendor_server


@pytest.fixture
def talk(vendors: VendorServer) -> Conversation:
    return Conversation(whom=Whom(provider="zhipuai", model="glm-4.6v"))


def test_an_image_goes_with_the_next_message_only(talk: Conversation, vendors: VendorServer, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    vendors.reply(text="一个点")

    take(talk, f"/image {tmp_path / 'dot.png'}")
    take(talk, "这是什么？")

    assert [part["type"] for part in talk.messages[0]["content"]] == ["image_url", "text"]
    assert talk.images == []
    with pytest.raises(CommandError, match="cannot be read"):
        take(talk, "/image no.png")


def test_the_last_question_is_asked_again_in_place_of_its_answer(talk: Conversation, vendors: VendorServer) -> None:
    vendors.reply(text="一")
    vendors.reply(text="二")

    take(talk, "问")
    take(talk, "/retry")

    assert [message["content"] for message in talk.messages] == ["问", "二"]
    assert vendors.requests[1].json["messages"] == vendors.requests[0].json["messages"]


def test_nothing_is_lost_when_the_second_try_is_refused(talk: Conversation, vendors: VendorServer) -> None:
    vendors.reply(text="一")
    vendors.fault("no_balance")

    take(talk, "问")
    with pytest.raises(Exception, match="zhipuai"):
        take(talk, "/retry")

    assert [message["content"] for message in talk.messages] == ["问", "一"]


def test_another_provider_is_asked_at_its_own_address(talk: Conversation, vendors: VendorServer) -> None:
    talk.whom.params = {"base_url": vendors.url("zhipuai")}
    vendors.reply(text="一")
    vendors.reply(text="二")

    take(talk, "问一")
    take(talk, "/provider deepseek deepseek-v4-pro")
    take(talk, "问二")

    assert vendors.requests[1].path == "/chat/completions"
    assert vendors.requests[1].json["model"] == "deepseek-v4-pro"
    assert [message["role"] for message in vendors.requests[1].json["messages"]] == ["user", "assistant", "user"]


def test_a_platform_that_remembers_is_told_which_conversation_it_is(vendors: VendorServer) -> None:
    talk = Conversation(whom=Whom(provider="dify", model=None))
    for text in ("一", "二", "三"):
        vendors.reply(text=text)

    take(talk, "问一")
    take(talk, "问二")
    take(talk, "/clear")
    take(talk, "问三")

    told = [request.json.get("conversation_id") for request in vendors.requests if request.method == "POST"]
    assert told[1]
    assert [bool(name) for name in told] == [False, True, False]


def test_a_line_with_two_slashes_is_sent_with_one(talk: Conversation, vendors: VendorServer) -> None:
    vendors.reply(text="好")

    take(talk, "//help")

    assert talk.messages[0]["content"] == "/help"


def test_a_conversation_is_saved_as_markdown_and_never_over_a_file(
    talk: Conversation, vendors: VendorServer, tmp_path: Path
) -> None:
    vendors.reply(text="好")
    take(talk, "/system 简短")
    take(talk, "你好")

    take(talk, f"/save {tmp_path / 'talk.md'}")

    text = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert text == "# zhipuai · glm-4.6v\n\n## system\n\n简短\n\n## user\n\n你好\n\n## assistant\n\n好\n"
    for place, told in (("talk.md", "is there already"), ("no/talk.md", "cannot be written")):
        with pytest.raises(CommandError, match=told):
            take(talk, f"/save {tmp_path / place}")
    assert (tmp_path / "talk.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("line", ["/retry", "/save", "/bogus"])
def test_what_cannot_be_done_is_told_and_changes_nothing(talk: Conversation, line: str) -> None:
    with pytest.raises(CommandError):
        take(talk, line)

    assert json.dumps(talk.messages) == "[]"


@pytest.mark.parametrize("line", ["/quit", "/exit", " /QUIT "])
def test_a_conversation_ends_when_told(talk: Conversation, line: str) -> None:
    assert take(talk, line) is False


def test_what_was_changed_for_the_vendor_is_told(vendors: VendorServer) -> None:
    vendors.reply(text="好")

    response = unionchat("glm-4.6", [{"role": "user", "content": "问"}], provider="zhipuai", temperature=3)

    (line,) = changes(response)
    assert line.startswith("[temperature was clamped to 1")
    assert changes(None) == []
