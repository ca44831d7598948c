"""Asks a native vendor through the proxy, with OpenAI's own client: whole, and streamed.

OPENAI_BASE_URL=http://127.0.0.1:4001/v1 OPENAI_API_KEY=<a key of the proxy> python examples/proxy/client.py
"""

from openai import OpenAI

client = OpenAI()
answer = client.chat.completions.create(model="glm", messages=[{"role": "user", "content": "北京天气？"}])
print(answer.choices[0].message.content)

stream = client.chat.completions.create(model="glm", messages=[{"role": "user", "content": "北京天气？"}], stream=True)
for chunk in stream:
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)
print()
