"""Two instances of LiteLLM Proxy and one Redis, as ``examples/proxy/start`` starts them, in front of played vendors."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai

from unionllm.testing import VendorServer

ROOT = Path(__file__).resolve().parents[2]
START = ROOT / "examples" / "proxy" / "start"
MASTER = "sk-master-of-the-test"
#: Seconds: installing a proxy into an empty environment takes most of it.
_LONGEST = 600


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class Proxies:
    """The running script. ``urls`` and ``pids`` of the instances, in order."""

    vendors: VendorServer
    urls: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    redis_port: int = 0
    seconds_to_start: float = 0.0
    _process: Any = None
    _reader: Any = None
    _said: list[str] = field(default_factory=list)
    _is_ready: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Proxies:
        with START.open("rb") as script:
            # The tests may run in two processes, which share the environment that it makes.
            fcntl.flock(script, fcntl.LOCK_EX)
            subprocess.run(["bash", str(START), "--prepare"], check=True, timeout=_LONGEST)
        begun = time.monotonic()
        self._process = subprocess.Popen(
            ["bash", str(START)],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._is_ready.wait(120) or "ready" not in self._said:
            self.__exit__()
            raise AssertionError("the proxies did not start:\n" + "\n".join(self._said[-60:]))
        self.seconds_to_start = time.monotonic() - begun
        return self

    def _environment(self) -> dict[str, str]:
        first, second, self.redis_port = free_ports(3)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        return {
            **kept,
            "PORTS": f"{first} {second}",
            "REDIS_PORT": str(self.redis_port),
            "LITELLM_MASTER_KEY": MASTER,
            # There, and of no use here: nothing may send it anywhere.
            "OPENAI_API_KEY": "sk-key-of-openai",
            "ZHIPUAI_API_KEY": self.vendors.credentials("zhipuai")["api_key"],
            "ZHIPUAI_BASE_URL": self.vendors.url("zhipuai"),
            "DEEPSEEK_API_KEY": self.vendors.credentials("deepseek")["api_key"],
            "DEEPSEEK_API_BASE": self.vendors.url("deepseek"),
        }

    def _read(self) -> None:
        for line in self._process.stdout:
            self._said.append(line.rstrip("\n"))
            if found := re.fullmatch(r"instance (\S+) pid (\d+)", self._said[-1]):
                self.urls.append(found[1])
                self.pids.append(int(found[2]))
            if self._said[-1] == "ready":
                self._is_ready.set()
        self._is_ready.set()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            # Its own session: everything that it started.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def client(self, instance: int, key: str = MASTER) -> openai.OpenAI:
        """OpenAI's own client, as an application has it."""
        return openai.OpenAI(base_url=f"{self.urls[instance]}/v1", api_key=key, max_retries=0, timeout=30)

    def post(self, instance: int, path: str, body: dict[str, Any], key: str = MASTER) -> httpx.Response:
        """A request without any client's help."""
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.urls[instance]}{path}", json=body, headers=headers, timeout=30, trust_env=False)

    def make_key(self, instance: int, **wanted: Any) -> str:
        """A key, made at that instance."""
        reply = self.post(instance, "/keys", wanted)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["key"])

    def stop_redis(self) -> None:
        """End Redis, which forgets everything."""
        subprocess.run(["redis-cli", "-p", str(self.redis_port), "shutdown", "nosave"], check=True, timeout=30)

    def kill(self, instance: int) -> None:
        """End one instance as a machine does that fails."""
        os.kill(self.pids[instance], signal.SIGKILL)
