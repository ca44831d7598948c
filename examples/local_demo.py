"""Two streamed answers of a model in this process: one natively, one through LiteLLM. Needs no key and no network."""

import sys

from unionllm import unionchat
from unionllm.providers.local import serve

question = sys.argv[1] if len(sys.argv) > 1 else "In one sentence: why is the sky blue?"
messages = [{"role": "user", "content": question}]


def show(title: str, **where: str) -> None:
    print(f"\n{title}\nQ: {question}\nA: ", end="", flush=True)
    stream = unionchat(messages=messages, stream=True, max_tokens=80, temperature=0, **where)
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print(f"\n{stream.response.usage}")


show("-- native: provider='local'", provider="local")

# The same llama.cpp server speaks OpenAI's protocol, so LiteLLM can be pointed at it like at any other.
server = serve()
show(
    "-- through LiteLLM: provider='openai'",
    provider="openai",
    model="SmolLM2-135M-Instruct",
    base_url=server.base_url,
    api_key=server.api_key,
)
