"""What the checks of this folder may ask for. They run in an environment of their own: see ``apart.py``."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_vendors.internet import Internet
from integrations.played import running
from server import ScriptedServer
from vendors_on_loopback import ROOT

from scripts import Reply
from unionllm.testing import VendorServer

#: Pages whose code runs here.
PAGES = [ROOT / "docs" / f"{name}{ending}" for name in ("integrations", "migrating") for ending in (".md", ".zh-CN.md")]
MIGRATING = [page for page in PAGES if page.name.startswith("migrating")]
#: One transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def vendors() -> Iterator[VendorServer]:
    """A server whose vendors answer sensibly."""
    with running("doubao", "zhipuai", "qwen", "deepseek") as server:
        yield server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server on a free port."""
    with ScriptedServer() as running_server:
        yield running_server


@pytest.fixture(scope="session")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    """A proxy in front of everything but 127.0.0.1, where the picture stands that LangChain's tests fetch."""
    authority: Path = tmp_path_factory.mktemp("authority") / "ca.pem"
    with Internet() as played, pytest.MonkeyPatch.context() as patch:
        played.start({"raw.githubusercontent.com": lambda _: Reply(chunks=[PNG])})
        played.authority.cert_pem.write_to_path(str(authority))
        patch.setenv("SSL_CERT_FILE", str(authority))
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            patch.setenv(name, played.url)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        yield played
        assert played.strangers == []
