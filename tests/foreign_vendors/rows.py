"""The table: one row for each provider code that users were promised, with its vendor, its credentials, what works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import aws, google
from .anthropic_messages import MODEL as CLAUDE
from .anthropic_messages import AnthropicMessages
from .internet import Host
from .openai_chat import Azure, Dialect, OpenAIChat, WatsonX
from .small import Cohere, NLPCloud, Ollama, Petals, Replicate, Voyage
from .vendor import Vendor

#: The one key that the vendors take, and one that is lying about in the wrong place.
KEY, STALE = "sk-0123456789-of-the-call", "sk-0123456789-stale"
CODES = (
    *("openai", "azure", "sagemaker", "bedrock", "vertex_ai", "palm", "gemini", "mistral", "cloudflare", "cohere"),
    *("anthropic", "huggingface", "replicate", "together_ai", "openrouter", "ai21", "baseten", "vllm", "nlp_cloud"),
    *("aleph_alpha", "petals", "ollama", "deepinfra", "perplexity", "groq", "deepseek", "anyscale", "watsonx"),
    *("voyage", "xinference"),
)
PASS = "pass"
COLUMNS = ("whole", "streamed", "async", "keyword", "variable", "base_url")

#: A vendor, and all hosts that a call of it may address.
World = tuple[Vendor, Mapping[str, Host]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One code.

    Attributes:
        world: puts up the vendor, and the hosts at which it is looked for.
        keywords: its credentials as arguments.
        variables: the same as environment variables.
        settings: arguments that every call needs.
        environment: variables that every call needs.
        base: the path that ``base_url=`` ends in when a server of the user's own is called; None: it cannot be.
        is_self_hosted: every call needs such a base_url.
        tells: what a call tells: ``usage``, ``finish`` (its reason).
        in_one_piece: whether a stream has one chunk of text only.
        instead: for columns that are refused, before anything is sent, words of the error; in English and Chinese.
        is_gone: the service has closed; keys are tried with a ``base_url``.
        makes_embeddings: the keys are tried with ``unionembed``.
        label: its name in the table, where a code has several rows.
    """

    code: str
    model: str
    world: Callable[[], World]
    keywords: Mapping[str, Any] = field(default_factory=lambda: {"api_key": KEY})
    variables: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None
    is_self_hosted: bool = False
    tells: frozenset[str] = frozenset({"usage", "finish"})
    in_one_piece: bool = False
    instead: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    is_gone: bool = False
    makes_embeddings: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """What the row is called."""
        return self.label or self.code

    def expected(self, column: str) -> str:
        """``pass``, or words of the refusal."""
        return self.instead[column][0] if column in self.instead else PASS


def _compatible(
    code: str, host: str, path: str, variable: str, model: str = "org/m-1", key: str = KEY, **more: Any
) -> Row:
    """A vendor that speaks OpenAI's format at ``https://HOST/PATH/chat/completions``."""
    told = {name: more.pop(name) for name in ("refuses", "takes", "volunteers", "adds") if name in more}

    def world() -> World:
        vendor = OpenAIChat(key, Dialect(path=f"{path}/chat/completions", model=model, **told))
        return vendor, {host: vendor}

    variables = {variable: KEY} if variable else {}
    return Row(code=code, model=model, world=world, variables=variables, base=more.pop("base", path), **more)


def _at(host: str, make: Callable[[], Vendor]) -> Callable[[], World]:
    def world() -> World:
        vendor = make()
        return vendor, {host: vendor}

    return world


def _vertex() -> World:
    vendor = google.Vertex()
    return vendor, {"us-central1-aiplatform.googleapis.com": vendor, "oauth2.googleapis.com": vendor.token}


def _petals() -> World:
    vendor = Petals()
    return vendor, {"": vendor, "huggingface.co": vendor.hub}


def _cohere() -> World:
    vendor = Cohere(KEY)
    return vendor, {"api.cohere.com": vendor, "api.cohere.ai": vendor}


def _watsonx() -> World:
    vendor = WatsonX(KEY)
    return vendor, {"us-south.ml.cloud.ibm.com": vendor, "iam.cloud.ibm.com": vendor.token}


def _gone(code: str, variable: str, why: str, why_zh: str) -> Row:
    """A service that has closed: only a server of the user's own can be meant."""
    refused = dict.fromkeys(("whole", "streamed", "async"), (why, why_zh))
    return _compatible(code, "", "/v1", variable, instead=refused, is_gone=True)


_FIXED = "LiteLLM 总是把请求和密钥发往 api.replicate.com"
_AWS = {"aws_access_key_id": aws.ACCESS_KEY, "aws_secret_access_key": KEY}
_AWS_VARIABLES = {"AWS_ACCESS_KEY_ID": aws.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": KEY}
_STREAM_OPTIONS = frozenset({"stream_options"})
_ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

ROWS = (
    _compatible("openai", "api.openai.com", "/v1", "OPENAI_API_KEY", "gpt-4o"),
    Row(
        code="azure",
        model="my-deployment",
        world=_at("my-resource.openai.azure.com", lambda: Azure(KEY)),
        variables={"AZURE_API_KEY": KEY},
        settings={"base_url": "https://my-resource.openai.azure.com", "api_version": "2024-10-21"},
        base="",
    ),
    Row(
        code="sagemaker",
        model=aws.ENDPOINT,
        world=_at(f"runtime.sagemaker.{aws.REGION}.amazonaws.com", lambda: aws.SageMaker(KEY)),
        keywords=_AWS,
        variables=_AWS_VARIABLES,
        settings={"aws_region_name": aws.REGION},
        base="",
        tells=frozenset(),
    ),
    Row(
        code="bedrock",
        model=aws.MODEL,
        world=_at(f"bedrock-runtime.{aws.REGION}.amazonaws.com", lambda: aws.Bedrock(KEY)),
        keywords=_AWS,
        variables=_AWS_VARIABLES,
        settings={"aws_region_name": aws.REGION},
        base="",
    ),
    Row(
        code="bedrock",
        label="bedrock, API key",
        model=aws.MODEL,
        world=_at(f"bedrock-runtime.{aws.REGION}.amazonaws.com", lambda: aws.Bedrock(KEY, bearer=True)),
        variables={"AWS_BEARER_TOKEN_BEDROCK": KEY},
        settings={"aws_region_name": aws.REGION},
        base="",
    ),
    Row(
        code="vertex_ai",
        model=google.MODEL,
        world=_vertex,
        keywords={"vertex_credentials": google.service_account()[0]},
        variables={"VERTEXAI_CREDENTIALS": google.service_account()[0]},
        settings={"vertex_project": google.PROJECT, "vertex_location": "us-central1"},
        base=google.Vertex.models,
    ),
    Row(
        code="gemini",
        model=google.MODEL,
        world=_at("generativelanguage.googleapis.com", lambda: google.Gemini(KEY)),
        variables={"GEMINI_API_KEY": KEY},
        base="/v1beta",
    ),
    _gone(
        "palm",
        "PALM_API_KEY",
        "Google switched PaLM off in October 2024. Use provider='gemini'",
        "Google 已于 2024 年 10 月关闭 PaLM，请用 provider='gemini'",
    ),
    _compatible("mistral", "api.mistral.ai", "/v1", "MISTRAL_API_KEY", "mistral-small-latest", volunteers=True),
    _compatible(
        "cloudflare",
        "api.cloudflare.com",
        f"/client/v4/accounts/{_ACCOUNT}/ai/v1",
        "CLOUDFLARE_API_KEY",
        "@cf/meta/llama-3.1-8b-instruct",
        environment={"CLOUDFLARE_ACCOUNT_ID": _ACCOUNT},
    ),
    Row(
        code="cohere",
        model=Cohere.model,
        world=_cohere,
        variables={"COHERE_API_KEY": KEY},
        base="/v2/chat",
    ),
    Row(
        code="anthropic",
        model=CLAUDE,
        world=_at("api.anthropic.com", lambda: AnthropicMessages(KEY)),
        variables={"ANTHROPIC_API_KEY": KEY},
        base="",
    ),
    _compatible("huggingface", "router.huggingface.co", "/v1", "HF_TOKEN", "meta-llama/Llama-3.1-8B-Instruct"),
    Row(
        code="replicate",
        model=Replicate.model,
        world=_at("api.replicate.com", lambda: Replicate(KEY)),
        variables={"REPLICATE_API_KEY": KEY},
        instead={"base_url": ("LiteLLM sends every call, and the key, to api.replicate.com", _FIXED)},
        tells=frozenset({"finish"}),
        base="/v1",
    ),
    _compatible("together_ai", "api.together.ai", "/v1", "TOGETHERAI_API_KEY"),
    _compatible("openrouter", "openrouter.ai", "/api/v1", "OPENROUTER_API_KEY", takes=frozenset({"usage"})),
    _compatible(
        "ai21", "api.ai21.com", "/studio/v1", "AI21_API_KEY", "jamba-large", refuses=_STREAM_OPTIONS, volunteers=True
    ),
    _compatible("baseten", "inference.baseten.co", "/v1", "BASETEN_API_KEY"),
    _compatible("vllm", "", "/v1", "HOSTED_VLLM_API_KEY", is_self_hosted=True),
    Row(
        code="nlp_cloud",
        model=NLPCloud.model,
        world=_at("api.nlpcloud.io", lambda: NLPCloud(KEY)),
        variables={"NLP_CLOUD_API_KEY": KEY},
        base="/v1/gpu/",
        in_one_piece=True,
        tells=frozenset({"usage"}),
    ),
    _gone(
        "aleph_alpha",
        "ALEPH_ALPHA_API_KEY",
        "LiteLLM has dropped Aleph Alpha's old interface. Its successor PhariaAI speaks OpenAI's format",
        "LiteLLM 已不支持 Aleph Alpha 的旧接口；其后继 PhariaAI 使用 OpenAI 格式，请传 base_url",
    ),
    Row(
        code="petals",
        model=Petals.model,
        world=_petals,
        keywords={},
        instead=dict.fromkeys(("keyword", "variable"), ("takes no key", "不需要密钥")),
        in_one_piece=True,
        tells=frozenset(),
        is_self_hosted=True,
        base="/api/v1/generate",
    ),
    Row(
        code="ollama",
        model=Ollama.model,
        world=_at("", lambda: Ollama(KEY)),
        variables={"OLLAMA_API_KEY": KEY},
        is_self_hosted=True,
        base="",
    ),
    _compatible("deepinfra", "api.deepinfra.com", "/v1/openai", "DEEPINFRA_API_KEY", volunteers=True),
    _compatible("perplexity", "api.perplexity.ai", "", "PERPLEXITYAI_API_KEY", "sonar", volunteers=True),
    _compatible("groq", "api.groq.com", "/openai/v1", "GROQ_API_KEY", adds=(("service_tier", "on_demand"),)),
    _compatible(
        "deepseek", "api.deepseek.com", "", "DEEPSEEK_API_KEY", "deepseek-v4-flash", takes=frozenset({"thinking"})
    ),
    _gone(
        "anyscale",
        "ANYSCALE_API_KEY",
        "Anyscale closed its shared endpoints on 1 August 2024. Use provider='together_ai' or 'deepinfra'",
        "Anyscale 已于 2024 年 8 月 1 日关闭公共服务，请用 provider='together_ai' 或 'deepinfra'",
    ),
    Row(
        code="watsonx",
        model="ibm/granite-4",
        world=_watsonx,
        variables={"WATSONX_API_KEY": KEY},
        settings={"base_url": "https://us-south.ml.cloud.ibm.com", "project_id": "project-1"},
        base="",
    ),
    Row(
        code="voyage",
        model=Voyage.model,
        world=_at("api.voyageai.com", lambda: Voyage(KEY)),
        variables={"VOYAGE_API_KEY": KEY},
        makes_embeddings=True,
        base="/v1",
        instead=dict.fromkeys(
            ("whole", "streamed", "async"),
            ("makes embeddings and cannot chat. Use unionembed", "只有向量，没有对话，请用 unionembed"),
        ),
    ),
    _compatible("xinference", "", "/v1", "XINFERENCE_API_KEY", is_self_hosted=True),
)
