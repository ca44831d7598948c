"""What Coze says: chats and their messages, in the events of a stream or as they are polled and listed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._protocols.agent_parsing import AgentParser, Chunks, as_object, count_of, decoded, objects_in, without_nulls
from .._protocols.agents import join
from .._protocols.base import JSONObject
from ..exceptions import APIError
from ..schema import ModelResponse, Step
from ._coze_objects import context_of, failure_in, text_of_answer, tool_call, usage_in

if TYPE_CHECKING:
    from .._framing import Event
    from .._protocols.agents import Agent
    from .._request import ChatRequest

#: Words for a chat that goes on; the second way to write some of the others is coze-studio's.
RUNNING = frozenset({"created", "in_progress"})
_FAILED = frozenset({"failed", "expired"})
_WAITING = frozenset({"requires_action", "required_action"})
_CANCELED = frozenset({"canceled", "cancelled"})
#: All words for a chat that has ended. One with any other word goes on.
ENDED = _FAILED | _WAITING | _CANCELED | {"completed"}
_LAST_EVENTS = frozenset({"done", "conversation.stream.done"})
_SLICE = re.compile(r"^(?:-{3,}[ \t]*\r?\n)?recall slice \d+:", re.MULTILINE)


def status_of(run: JSONObject) -> str:
    """The word for how a chat stands, in lower case; "" if it tells none."""
    status = run.get("status")
    return status.lower() if isinstance(status, str) else ""


class CozeParser(AgentParser):
    """One chat: the events of its stream, or its object and its messages.

    Only messages of the type answer are the reply; several of them are parted by a blank line.
    """

    def __init__(self, agent: Agent, chat: ChatRequest) -> None:
        super().__init__(agent, chat)
        self._is_created = False
        self._has_messages = False
        #: Answers that have come in pieces, and the one that was spoken last.
        self._in_pieces: set[str] = set()
        self._thought_in_pieces: set[str] = set()
        self._speaking = ""
        #: Calls on the server's side whose results are still to come.
        self._open_steps: deque[str] = deque()
        self._kinds: dict[str, Callable[[JSONObject], Chunks]] = {
            **{f"conversation.chat.{word}": self._run_that_is(word) for word in (*RUNNING, "completed", *_WAITING)},
            **{f"conversation.chat.{word}": self._canceled for word in _CANCELED},
            **{f"conversation.chat.{word}": self._failed for word in _FAILED},
            "conversation.message.delta": lambda message: self._message(message, is_piece=True),
            "conversation.message.completed": self._message,
            "conversation.audio.delta": self._sound,
            "error": self._failed,
        }
        self._types: dict[str, Callable[[JSONObject], Chunks]] = {
            "verbose": self._verbose,
            "knowledge": self._knowledge,
            "function_call": self._called,
            "tool_response": self._returned,
            "tool_output": self._returned,
            "follow_up": self._suggested,
        }

    # Events.

    def read(self, event: Event) -> Chunks:
        """See ``AgentParser``. Events of other names are passed over."""
        if event.event in _LAST_EVENTS or event.data.strip().strip('"') == "[DONE]":
            return self._last(decoded(event.data))
        handle = self._kinds.get(event.event)
        if handle is not None:
            return handle(self.data_of(event))
        data = None if event.event else decoded(event.data)
        return self._failed(data) if isinstance(data, dict) and self._agent.is_error(data) else ()

    def read_whole(self, data: JSONObject) -> Chunks:
        """See ``AgentParser``. There is no such body in place of a stream: what is polled is read by other methods."""
        raise ValueError(data)

    def _last(self, data: Any) -> Chunks:
        """The end of a stream. A chatflow does not tell otherwise that it is complete."""
        if isinstance(data, dict):
            self.keep(debug_url=data.get("debug_url"))
        if self._has_messages:
            self.finish("stop", "done")
        self.is_done = True
        return ()

    def _failed(self, data: JSONObject) -> Chunks:
        """A chat that failed, as an object of its own or as a bare code and text; or an error without a chat."""
        error: APIError = self._agent.error(self._chat, failure_in(data), reply=self._reply)
        if self._is_created and not self._has_begun:
            # The bot has run, perhaps with its tools, though nothing has been heard of it yet.
            error.retryable, error.partial = False, self.so_far()
        raise error

    def _run_that_is(self, word: str) -> Callable[[JSONObject], Chunks]:
        """A chat object whose status, if it tells none, is the word in the name of the event."""
        return lambda run: self.read_run({**run, "status": run.get("status") or word})

    def _canceled(self, run: JSONObject) -> Chunks:
        return self.read_run({**run, "status": "canceled"})

    # Chats.

    def read_run(self, run: JSONObject) -> Chunks:
        """A chat object, while it runs or at its end. Raises what it failed with."""
        status = status_of(run)
        self._is_created = True
        self.know(id=run.get("id"), chat_id=run.get("id"), conversation_id=run.get("conversation_id"))
        if (created := count_of(run.get("created_at"))) is not None:
            self._head.setdefault("created", created)
        if status not in ENDED:
            return ()  # its counts are no counts yet
        if status in _FAILED:
            return self._failed(run)
        self.keep(usage=usage_in(run.get("usage")))
        self.is_done = True
        if status in _WAITING:
            return self._wait(as_object(run.get("required_action")))
        self.finish("stop", status)
        return ()

    def _wait(self, action: JSONObject) -> Chunks:
        """The caller's functions have to run, or the user has to say something."""
        wanted = objects_in(as_object(action.get("submit_tool_outputs")).get("tool_calls"))
        calls = [tool_call(number, call) for number, call in enumerate(wanted) if call.get("function")]
        if not calls:
            self.keep(interactive=action)
        self.finish("tool_calls" if calls else "stop", "requires_action")
        return self.say(tool_calls=calls)

    @property
    def calls_for_tools(self) -> bool:
        """Whether the caller has to run functions now."""
        return self._ending is not None and self._ending[0] == "tool_calls"

    def read_messages(self, messages: Iterable[JSONObject]) -> Chunks:
        """The messages of a chat that has ended, in whatever order. Raises ValueError for a list without any."""
        if messages and not objects_in(messages):
            raise ValueError(messages)
        return [chunk for message in objects_in(messages) for chunk in self._message(message)]

    def so_far(self) -> ModelResponse:
        """What is known of a chat that has begun: its ids."""
        return join([self._chunk({}, {})])

    # Messages.

    def _message(self, message: JSONObject, *, is_piece: bool = False) -> Chunks:
        chat_id = message.get("chat_id")
        self._has_messages = True
        self.know(id=chat_id, chat_id=chat_id, conversation_id=message.get("conversation_id"))
        if message.get("type") == "answer":
            return self._answer(message, is_piece)
        handle = None if is_piece else self._types.get(str(message.get("type")))
        return handle(message) if handle is not None else ()

    def _answer(self, message: JSONObject, is_piece: bool) -> Chunks:
        name = str(message.get("id") or "")
        if is_piece and message.get("content"):
            self._in_pieces.add(name)
        elif not is_piece and name in self._in_pieces:
            self._in_pieces.discard("")  # the next one without an id is another one
            return ()  # all of it once more
        self.know(message_id=name)
        text = text_of_answer(message)
        if text and self.has_said and name != self._speaking:
            text = f"\n\n{text}"
        self._speaking = name if text else self._speaking
        thought = message.get("reasoning_content")
        if is_piece and thought:
            self._thought_in_pieces.add(name)
        elif name in self._thought_in_pieces:
            thought = None  # told once more
        return self.say(text, reasoning=thought)

    def _sound(self, message: JSONObject) -> Chunks:
        return self.say(audio={"data": message["content"]}) if message.get("content") else ()

    def _suggested(self, message: JSONObject) -> Chunks:
        self.keep(suggestions=[*(self.kept("suggestions") or ()), str(message.get("content") or "")])
        return ()

    def _verbose(self, message: JSONObject) -> Chunks:
        told = decoded(message.get("content"))
        kind = told.get("msg_type") if isinstance(told, dict) else None
        if kind == "knowledge_recall":
            return self._recalled(told)
        if kind == "interrupt":
            data = decoded(told.get("data"))
            self.keep(interactive=data if isinstance(data, dict) else {"data": data})
        return ()

    def _knowledge(self, message: JSONObject) -> Chunks:
        told = decoded(message.get("content"))
        if isinstance(told, dict):
            return self._recalled(told)
        slices = [part.strip() for part in _SLICE.split(str(told or ""))]
        # What stands before the first mark is none.
        return self._found([{"slice": part} for part in slices[1:]])

    def _recalled(self, told: JSONObject) -> Chunks:
        data = decoded(told.get("data", told))
        return self._found(objects_in(without_nulls(as_object(data).get("chunks", data))))

    def _found(self, chunks: list[JSONObject]) -> Chunks:
        before = len(self.kept("context") or ())
        return self.retrieved([context_of(number, chunk) for number, chunk in enumerate(chunks, before + 1)])

    # What ran on the server.

    def _called(self, message: JSONObject) -> Chunks:
        told = decoded(message.get("content"))
        told = dict(told) if isinstance(told, dict) else {"arguments": told}
        function = told.pop("function", None)  # coze-studio writes calls as OpenAI does
        told.update(function if isinstance(function, dict) else {})
        known = {
            "type": "tool",
            "id": str(message.get("id") or f"call-{len(self._steps) + 1}"),
            "name": told.pop("name", None),
            "input": decoded(told.pop("arguments", None)),
        }
        self._open_steps.append(str(known["id"]))
        extra = {name: told[name] for name in ("plugin_id", "plugin_name", "api_id", "plugin_type") if told.get(name)}
        return self.step(Step.build(known, extra))

    def _returned(self, message: JSONObject) -> Chunks:
        """A result; which call it belongs to is told by the order alone."""
        name = self._open_steps.popleft() if self._open_steps else str(message.get("id") or "")
        return self.step(Step.build({"type": "tool", "id": name or None, "output": decoded(message.get("content"))}))
