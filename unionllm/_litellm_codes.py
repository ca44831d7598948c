"""What single codes of LiteLLM's need before it can be asked: facts as data, applied to one chat. No I/O.

Some services are gone, some make no chats, some are asked at the wrong place, or in a way that does not work; for each
of them either the request is changed so that it does what the user meant, or the error says, before anything is sent,
why not and what to do instead. Measured with LiteLLM 1.110.2 (2026-11-29).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from ._request import ChatRequest
from ._secrets import Secret
from .exceptions import BadRequestError, ProviderError
from .schema import Adaptation

#: LiteLLM's code for any server that speaks OpenAI's format.
_COMPATIBLE = "custom_openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A code that LiteLLM serves no more. With a ``base_url`` it still means a server in OpenAI's format.

    ``why`` and ``instead`` are the error's words, ``variables`` may hold the key.
    """

    why: str
    instead: str
    variables: tuple[str, ...]


GONE = {
    # https://ai.google.dev/palm_docs/palm, read 2026-11-29
    "palm": Gone(
        why="Google switched PaLM off in October 2024",
        instead="Use provider='gemini'",
        variables=("PALM_API_KEY",),
    ),
    # https://docs.anyscale.com/endpoints/text-generation/query-a-model, read 2026-11-29
    "anyscale": Gone(
        why="Anyscale closed its shared endpoints on 1 August 2024",
        instead="Use provider='together_ai' or 'deepinfra', which host the same open models",
        variables=("ANYSCALE_API_KEY",),
    ),
    # https://docs.aleph-alpha.com/phariaai-dev-guide/latest/, read 2026-11-29
    "aleph_alpha": Gone(
        why="LiteLLM has dropped Aleph Alpha's old interface",
        instead="Its successor PhariaAI speaks OpenAI's format: pass its address as base_url=",
        variables=("ALEPH_ALPHA_API_KEY", "ALEPHALPHA_API_KEY"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """Another address of a vendor, where it speaks OpenAI's format.

    ``path`` is what a caller's own base URL must end in; it replaces ``old_path`` there. ``refuses``: arguments that
    are not to be sent there. ``streams_only``: whole answers go to the vendor's own interface. ``rename``: LiteLLM's
    name for a model → the one that is used there.
    """

    base_url: str
    variables: tuple[str, ...]
    base_variables: tuple[str, ...] = ()
    old_path: str = ""
    path: str = ""
    refuses: frozenset[str] = frozenset()
    streams_only: bool = False
    rename: Callable[[str], str] = str

    def base_for(self, given: str) -> str:
        """Where to ask, when the caller has given this base URL, or none."""
        if not given:
            return self.base_url
        bare = (
            given.rstrip("/")
            .removesuffix("/chat/completions")
            .removesuffix(self.old_path)
            .removesuffix(self.path)
            .rstrip("/")
        )
        return bare + self.path


def _provider_last(model: str) -> str:
    """``together/org/name`` → ``org/name:together``."""
    host, slash, rest = model.partition("/")
    return f"{rest}:{host}" if slash and "/" in rest else model


_DOORS = {
    # LiteLLM asks huggingface.co for the model's configuration several times a call, ten seconds each where that host
    # cannot be reached. https://huggingface.co/docs/inference-providers, read 2026-11-29
    "huggingface": _Door(
        base_url="https://router.huggingface.co/v1",
        variables=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        base_variables=("HF_API_BASE", "HUGGINGFACE_API_BASE"),
        path="/v1",
        rename=_provider_last,
    ),
    # LiteLLM cannot read the server-sent events in which Cohere streams: it takes them for lines of JSON.
    # https://docs.cohere.com/docs/compatibility-api, read 2026-11-29
    "cohere": _Door(
        base_url="https://api.cohere.ai/compatibility/v1",
        variables=("COHERE_API_KEY", "CO_API_KEY"),
        base_variables=("COHERE_API_BASE",),
        old_path="/v2/chat",
        path="/compatibility/v1",
        refuses=frozenset({"stream_options"}),
        streams_only=True,
    ),
}
_DOORS["cohere_chat"] = _DOORS["cohere"]

#: Vendors with embeddings and no chat.
EMBEDDINGS_ONLY = frozenset({"voyage"})
#: Codes whose calls LiteLLM sends to the vendor, key and all, whatever base_url says.
_FIXED = {"replicate": "LiteLLM sends every call, and the key, to api.replicate.com. Leave base_url= out"}
#: Codes that run a package in this process when they are given no host.
_IN_PROCESS = frozenset({"petals"})
#: Keys that LiteLLM does not look for.
_KEY_VARIABLES = {"xinference": ("XINFERENCE_API_KEY",)}
#: Codes whose models are endpoints of the caller. LiteLLM looks for a prompt template at huggingface.co, in the name
#: of the endpoint, in every call; finding none, it joins the texts with spaces.
_PLAIN_PROMPTS = frozenset({"sagemaker"})
_TEMPLATE_ARGUMENTS = frozenset({"hf_model_name", "roles", "initial_prompt_value", "final_prompt_value"})
#: Parts of names for which LiteLLM brings a template along.
_TEMPLATED = ("llama-2", "meta-llama-3")
#: Codes whose streams LiteLLM cannot read, while the whole answer is fine.
_IN_ONE_PIECE = {"nlp_cloud": "LiteLLM cannot read this vendor's streams, so the whole answer is one chunk"}
#: What LiteLLM makes up where these vendors say nothing.
_UNTOLD = {
    "nlp_cloud": frozenset({"finish_reason"}),
    "petals": frozenset({"finish_reason", "usage"}),
    "replicate": frozenset({"usage"}),
    "sagemaker": frozenset({"finish_reason", "usage"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """A chat as LiteLLM is to be asked it.

    Attributes:
        chat: the request.
        provider: what the user calls the provider; "" where only LiteLLM can tell.
        refuses: arguments for LiteLLM that are not to be given to it.
        in_one_piece: a stream is to be asked for whole.
        untold: what of an answer is LiteLLM's invention: ``usage``, ``finish_reason``.
        key_hint: what to do about a refused key; "" where LiteLLM's own route knows.
    """

    chat: ChatRequest
    provider: str = ""
    refuses: frozenset[str] = frozenset()
    in_one_piece: bool = False
    untold: frozenset[str] = frozenset()
    key_hint: str = ""


def adjust(
    chat: ChatRequest, environ: Mapping[str, str], *, is_stream: bool, templates: Callable[[], Collection[str]] = tuple
) -> Adjusted | None:
    """The chat with everything that is known of its provider's code; None when nothing is.

    Args:
        chat: the call.
        environ: the environment.
        is_stream: whether it is to be streamed.
        templates: gives the models for which the program has registered prompt templates with LiteLLM.

    Raises:
        ProviderError: the service is gone, or makes no chats.
        BadRequestError: the call would go elsewhere than the user says, or nowhere.
    """
    code, model = chat.provider, chat.model
    if not code or "/" in model:
        code, model = _code_and_model(chat)
    if code not in _SPECIAL:
        return None
    if code in EMBEDDINGS_ONLY:
        raise ProviderError(f"{code} makes embeddings and cannot chat. Use unionembed(provider={code!r}, …).")
    if code in GONE:
        return _through_gone(chat, code, model, environ)
    door = _DOORS.get(code)
    is_address = model.startswith(("http://", "https://"))  # a model of Hugging Face's may be one
    if door is not None and (is_stream or not door.streams_only) and not is_address:
        return _through_door(chat, code, model, door, environ)
    _check_host(chat, code)
    chat = _with_key(chat, _KEY_VARIABLES.get(code, ()), environ)
    if code in _OWN_WAYS:
        chat = _OWN_WAYS[code](chat, model)
    if code in _PLAIN_PROMPTS and model not in templates():
        chat = _with_plain_prompt(chat, model)
    return Adjusted(
        chat=chat,
        in_one_piece=is_stream and code in _IN_ONE_PIECE,
        untold=_UNTOLD.get(code, frozenset()),
    )


def _code_and_model(chat: ChatRequest) -> tuple[str, str]:
    """LiteLLM's code and the vendor's model, by whatever spelling they were given."""
    provider = chat.provider or str(chat.params.get("custom_llm_provider") or "").lower()
    prefix, slash, rest = chat.model.partition("/")
    if slash and (not provider or prefix.lower() == provider):
        return prefix.lower(), rest
    return provider, chat.model


def _with_key(chat: ChatRequest, variables: tuple[str, ...], environ: Mapping[str, str]) -> ChatRequest:
    found = next((environ[name] for name in variables if environ.get(name)), "")
    if chat.credentials.get("api_key") or not found:
        return chat
    return chat.changed(credentials={**chat.credentials, "api_key": Secret(found)})


def _through_gone(chat: ChatRequest, code: str, model: str, environ: Mapping[str, str]) -> Adjusted:
    gone = GONE[code]
    if not chat.base_url:
        other = "" if "base_url" in gone.instead else " A server of yours in OpenAI's format: pass base_url=."
        raise ProviderError(f"{code}: {gone.why}. {gone.instead}.{other}")
    return _compatible(_with_key(chat, gone.variables, environ), code, model, chat.base_url)


def _through_door(chat: ChatRequest, code: str, model: str, door: _Door, environ: Mapping[str, str]) -> Adjusted:
    base = chat.base_url or next((environ[name] for name in door.base_variables if environ.get(name)), "")
    chat = _with_key(chat, door.variables, environ)
    if not chat.credentials.get("api_key") and not base:
        return Adjusted(chat=chat)  # a key that was set on LiteLLM itself, or an error that says where one belongs
    hint = f"Pass api_key=… (or app_key=…), or set {' or '.join(door.variables)}."
    made = _compatible(chat, code, door.rename(model), door.base_for(base))
    return replace(made, refuses=door.refuses, key_hint=hint)


def _compatible(chat: ChatRequest, code: str, model: str, base: str) -> Adjusted:
    params = {name: value for name, value in chat.params.items() if name != "custom_llm_provider"}
    made = chat.changed(provider=_COMPATIBLE, model=f"{_COMPATIBLE}/{model}", base_url=base, params=params)
    return Adjusted(chat=made, provider=code)


def _check_host(chat: ChatRequest, code: str) -> None:
    if code in _FIXED and chat.base_url:
        cure = "or use provider='openai' for a compatible server."
        raise BadRequestError(f"{code}: {_FIXED[code]}, {cure}", provider=code, model=chat.model)
    if code in _IN_PROCESS and not chat.base_url and importlib.util.find_spec(code) is None:
        raise BadRequestError(f"{code}: no host to send this to. Pass base_url=….", provider=code, model=chat.model)


def _with_plain_prompt(chat: ChatRequest, model: str) -> ChatRequest:
    """The messages' texts one after the other, unless the caller or LiteLLM itself has a template for the model."""
    if _TEMPLATE_ARGUMENTS & chat.params.keys() or any(part in model.lower() for part in _TEMPLATED):
        return chat
    roles = {role: {"pre_message": "", "post_message": " "} for role in ("system", "user", "assistant")}
    return chat.changed(params={**chat.params, "roles": roles})


def _for_sagemaker(chat: ChatRequest, model: str) -> ChatRequest:
    """The host in the place where LiteLLM looks for it."""
    if not chat.base_url or "sagemaker_base_url" in chat.params:
        return chat.changed(base_url="")
    verb = "invocations-response-stream" if chat.stream else "invocations"
    is_whole = "/endpoints/" in chat.base_url
    url = chat.base_url if is_whole else f"{chat.base_url}/endpoints/{model}/{verb}"
    return chat.changed(params={**chat.params, "sagemaker_base_url": url}, base_url="")


def _for_nlp_cloud(chat: ChatRequest, _: str) -> ChatRequest:
    base = f"{chat.base_url}/" if chat.base_url else ""  # LiteLLM puts the model behind it as it is
    if not chat.stream:
        return chat.changed(base_url=base)
    told = Adaptation(parameter="stream", action="replaced", given=True, sent=False, reason=_IN_ONE_PIECE["nlp_cloud"])
    return chat.changed(base_url=base, adaptations=(*chat.adaptations, told))


_OWN_WAYS: dict[str, Callable[[ChatRequest, str], ChatRequest]] = {
    "nlp_cloud": _for_nlp_cloud,
    "sagemaker": _for_sagemaker,
}
#: All codes of which anything is known here.
_SPECIAL = EMBEDDINGS_ONLY | _IN_PROCESS | _PLAIN_PROMPTS
_SPECIAL |= {*GONE, *_DOORS, *_FIXED, *_KEY_VARIABLES, *_IN_ONE_PIECE, *_UNTOLD, *_OWN_WAYS}
