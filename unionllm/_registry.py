"""Which adapter a provider name means. A table that a person can read; modules are imported when looked up."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from .exceptions import ProviderError

if TYPE_CHECKING:
    from ._protocols.base import Adapter

ENTRY_POINT_GROUP = "unionllm.providers"


class Entry(NamedTuple):
    """A row of the table: the module, what else people type, and the region that such a name implies."""

    module: str
    aliases: Mapping[str, str | None] = MappingProxyType({})


def _names(*names: str, **implied: str) -> Mapping[str, str | None]:
    return MappingProxyType({**dict.fromkeys(names), **{name.replace("_", "-"): to for name, to in implied.items()}})


PROVIDERS: Mapping[str, Entry] = MappingProxyType(
    {
        "zhipuai": Entry(
            "zhipuai",
            MappingProxyType(
                {
                    **_names("zhipu", "glm", "bigmodel", "chatglm"),
                    **dict.fromkeys(("zai", "z.ai", "z-ai"), "intl"),
                    "zhipuai-coding-plan": "coding",
                    "zai-coding-plan": "coding-intl",
                }
            ),
        ),
        "moonshot": Entry(
            "moonshot", _names("kimi", "moonshotai", "moonshot-ai", moonshotai_cn="cn", kimi_for_coding="coding")
        ),
        "deepseek": Entry("deepseek", _names("deep-seek", "deepseek-ai")),
        "stepfun": Entry(
            "stepfun",
            _names(
                *("step", "stepai", "jieyue"),
                stepfun_ai="intl",
                stepfun_step_plan="plan",
                stepfun_ai_step_plan="plan-intl",
            ),
        ),
        "lingyi": Entry("lingyi", _names("yi", "01ai", "01-ai", "zeroone", "lingyiwanwu", "lingyi-ai")),
        "baichuan": Entry("baichuan", _names("baichuan-ai", "baichuanai", "bc")),
        "qwen": Entry(
            "qwen",
            _names(
                "dashscope", "tongyi", "ali", "aliyun", "bailian", "alibailian", "qwen_ai_platform", qwencloud="intl"
            ),
        ),
        "doubao": Entry(
            "doubao",
            MappingProxyType(
                {
                    **_names("volcengine", "volc", "ark", "bytedance", "volcengine_ark", "volcengine_maas"),
                    **dict.fromkeys(("byteplus", "modelark"), "intl"),
                }
            ),
        ),
        "hunyuan": Entry("hunyuan", _names("tencent", "tokenhub")),
        "siliconflow": Entry("siliconflow", _names("siliconcloud", siliconflow_cn="cn")),
        "modelscope": Entry("modelscope", _names("model-scope")),
        "mimo": Entry("mimo", _names("xiaomi", "xiaomi_mimo", "xiaomi-mimo")),
        "longcat": Entry("longcat", _names("meituan")),
        "sensenova": Entry("sensenova", _names("sensetime")),
        "internlm": Entry("internlm", _names("intern")),
        "ai360": Entry("ai360", _names("360", "zhinao")),
        "ant_ling": Entry("ant_ling", _names("ant-ling", "ling", "bailing")),
        "openai_compatible": Entry("openai_compatible", _names("openai-compatible", "openai-like", "custom")),
        "tiangong": Entry("tiangong", _names("skywork", "skychat", "kunlun", "sky")),
        "minimax": Entry("minimax", _names("minimaxi", "mini-max", "hailuo", "abab", minimax_cn="cn")),
        "wenxin": Entry("wenxin", _names("qianfan", "baidu", "ernie", "baidu_v2", "wenxinworkshop")),
        "xunfei": Entry("xunfei", _names("spark", "iflytek", "sparkdesk", "xinghuo")),
        "xunfei_http": Entry("xunfei_http"),
        "dify": Entry("dify", _names("dify-ai", "langgenius")),
        "fastgpt": Entry("fastgpt", _names("fast-gpt", "labring")),
        "bailian_app": Entry("bailian_app", _names("bailian-app", "dashscope-app", "bailian-application")),
        "appbuilder": Entry("appbuilder", _names("baidu-appbuilder", "qianfan-app")),
        "ragflow": Entry("ragflow", _names("infiniflow")),
        "adp": Entry("adp", _names("lke", "tencent-adp", "tencent_adp")),
        "zhipu_app": Entry("zhipu_app", _names("zhipu-app", "zhipu_agent", "zhipu-agent")),
        "coze": Entry(
            "coze",
            MappingProxyType(
                {
                    **_names("coze_studio", "coze-studio", "coze.com"),
                    **dict.fromkeys(("coze_cn", "coze-cn", "coze.cn", "kouzi", "扣子"), "cn"),
                }
            ),
        ),
        "local": Entry("local", _names("llamacpp", "llama.cpp")),
    }
)


#: Every name that people type → the module that it means, and the region that it implies.
_MEANT: Mapping[str, tuple[str, str | None]] = {
    **{alias: (entry.module, region) for entry in PROVIDERS.values() for alias, region in entry.aliases.items()},
    **{name: (entry.module, None) for name, entry in PROVIDERS.items()},
}


class Found(NamedTuple):
    """A native provider: its adapter, and the region that the name used for it implies."""

    adapter: Adapter
    region: str | None = None


def find(name: str) -> Found | None:
    """The native provider of that name or alias, in any case; None when we have none."""
    wanted = name.strip().lower()
    meant = _MEANT.get(wanted)
    return _find_plugin(wanted) if meant is None else Found(_load(meant[0]), meant[1])


def is_native(name: str) -> bool:
    """Whether there is a native provider of that name or alias; its module is not loaded for that."""
    wanted = name.strip().lower()
    return wanted in _MEANT or wanted in _plugins()


def native_names() -> list[str]:
    """Names of the table, then those of plugins."""
    return [*PROVIDERS, *(name for name in _plugins() if name not in PROVIDERS)]


def near_names(name: str, others: Iterable[str] = ()) -> list[str]:
    """Known names that look like a mistyped one, nearest first."""
    import difflib

    aliases = [alias for entry in PROVIDERS.values() for alias in entry.aliases]
    known = dict.fromkeys([*native_names(), *aliases, *others])
    return difflib.get_close_matches(name.strip().lower(), known, n=3, cutoff=0.6)


def describe() -> list[dict[str, Any]]:
    """The native providers as plain data, for tables and the command line."""
    from ._log import logger

    rows = []
    for name in native_names():
        try:
            found = find(name)
        except ProviderError as error:
            logger.warning("%s", error)
            continue
        if found is None:
            continue
        spec = found.adapter.spec
        rows.append(
            {
                "name": name,
                "title": spec.title,
                "aliases": sorted(PROVIDERS[name].aliases) if name in PROVIDERS else [],
                "env": [list(credential.env) for credential in spec.credentials],
                "credentials": [credential.name for credential in spec.credentials],
                "required": list(spec.credential_sets[0]),
                "base_url": spec.base_url,
                "regions": {region.name: region.base_url for region in spec.regions},
                "docs": spec.docs,
                "default_model": spec.default_model,
            }
        )
    return rows


def _load(module: str) -> Adapter:
    name = f"unionllm.providers.{module}"
    # One that is being imported by another thread has none yet, and is waited for.
    adapter: Adapter | None = getattr(sys.modules.get(name), "adapter", None)
    return importlib.import_module(name).adapter if adapter is None else adapter


@functools.cache
def _plugins() -> Mapping[str, Any]:
    from importlib.metadata import entry_points

    return {point.name.lower(): point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _find_plugin(name: str) -> Found | None:
    point = _plugins().get(name)
    if point is None:
        return None
    try:
        loaded = point.load()
    except (ImportError, AttributeError) as error:
        raise ProviderError(f"the plugin {point.value!r} of provider {name!r} cannot be loaded ({error}).") from error
    adapter = getattr(loaded, "adapter", loaded)
    if not callable(getattr(adapter, "complete", None)) or not hasattr(adapter, "spec"):
        raise ProviderError(
            f"the plugin {point.value!r} of provider {name!r} gives no adapter. It must name a module with an "
            "`adapter`, or an object with `spec`, `complete`, `open_stream` and `chunk_parser`."
        )
    return Found(adapter)
