"""unionllm and other frameworks: its models inside LangChain and LlamaIndex, and engines that can do its work.

Each module needs the extra of its name (``pip install "unionllm[langchain]"``). ``import unionllm`` loads none of them.
"""

from __future__ import annotations

__all__: list[str] = []


def missing_extra(module: str, package: str, extra: str) -> ImportError:
    """The error of a framework that is not installed."""
    return ImportError(f"{module} needs {package}: pip install 'unionllm[{extra}]'")
