"""Whether a vendor's host can be reached, step by step: name, connection, TLS, an answer, and its clock."""

from __future__ import annotations

import os
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._clients import Transports
from .._network import _tls as trusted
from .._proxies import proxy_for
from .._timeouts import Deadline, Timeouts
from .._wire import HttpRequest
from ..exceptions import APIConnectionError, ProviderError, UnionLLMError
from ._findings import FAILED, OK, WARNING, Finding

if TYPE_CHECKING:
    from .._wire import Flow, HttpReply

#: Seconds that the clock may be off: more looks wrong; beyond the second limit signed calls are refused (iFlytek
#: takes a signature for 300 s).
_SKEW_ODD, _SKEW_FATAL = 30.0, 300.0


def reach(name: str, url: str, seconds: float) -> Iterator[Finding]:
    """Look at each step until one fails.

    Args:
        url: the vendor's base URL.
        seconds: the limit of each step.
    """
    parts = urlsplit(url)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    port = parts.port or (443 if scheme == "https" else 80)
    proxy = proxy_for(url, urllib.request.getproxies(), lambda host: bool(urllib.request.proxy_bypass(host)))
    if proxy is None:
        host = parts.hostname or ""
        steps: list[Callable[[], Finding]] = [
            lambda: _resolve(name, host, port),
            lambda: _connect(name, host, port, seconds),
        ]
        if scheme == "https":
            steps.append(lambda: _shake_hands(name, host, port, seconds))
        for step in steps:
            finding = step()
            yield finding
            if finding.state == FAILED:
                return
    else:
        told = "Name, connection and TLS are the proxy's business: only the answer is looked at."
        yield Finding(about=name, check="network", state=OK, told=told)
    yield from _answer(name, f"{scheme}://{parts.netloc}{parts.path}", seconds)


def _resolve(name: str, host: str, port: int) -> Finding:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        told = f"The name {host} is not known ({error.strerror or error})."
        cure = "Check base_url for typing mistakes, and the DNS server of this machine; or set HTTPS_PROXY."
        return Finding(about=name, check="DNS", state=FAILED, told=told, cure=cure)
    addresses = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    told = f"{host} is an address, not a name." if addresses == host else f"{host} is {addresses}."
    return Finding(about=name, check="DNS", state=OK, told=told)


def _connect(name: str, host: str, port: int, seconds: float) -> Finding:
    began = time.perf_counter()
    try:
        socket.create_connection((host, port), seconds).close()
    except OSError as error:
        told = f"No connection to {host}:{port} ({error.strerror or error})."
        cure = "A firewall, or a proxy that has to be named in HTTPS_PROXY; for a server of your own: does it run?"
        return Finding(about=name, check="connection", state=FAILED, told=told, cure=cure)
    took = time.perf_counter() - began
    return Finding(about=name, check="connection", state=OK, told=f"{host}:{port} took {took * 1000:.0f} ms.")


def _shake_hands(name: str, host: str, port: int, seconds: float) -> Finding:
    try:
        with (
            socket.create_connection((host, port), seconds) as plain,
            trusted().wrap_socket(plain, server_hostname=host) as line,
        ):
            told = f"{line.version()}, certificate until {(line.getpeercert() or {}).get('notAfter', 'unknown')}."
    except ssl.SSLCertVerificationError as error:
        told = f"The certificate of {host} is not trusted ({error.verify_message})."
        cure = "Behind a company proxy that opens TLS, name its certificate in SSL_CERT_FILE; else check the clock."
        return Finding(about=name, check="TLS", state=FAILED, told=told, cure=cure)
    except OSError as error:
        told = f"No TLS with {host} ({error.strerror or error})."
        cure = "Something on the way speaks no TLS: a proxy to name in HTTPS_PROXY, or http:// in the base URL."
        return Finding(about=name, check="TLS", state=FAILED, told=told, cure=cure)
    return Finding(about=name, check="TLS", state=OK, told=told)


def _answer(name: str, url: str, seconds: float) -> Iterator[Finding]:
    """One request without a key, through the connections that calls use; whatever status comes is an answer."""
    transports = Transports()
    began = time.time()
    try:
        deadline = Deadline(Timeouts.parse({"connect": seconds, "total": seconds}), time.monotonic)
        reply: HttpReply = transports.sync().run(_get(url), deadline)
    except APIConnectionError as error:
        yield Finding(about=name, check="answer", state=FAILED, told=str(error))
        return
    finally:
        transports.close()
    ended = time.time()
    told = f"HTTP {reply.status} after {(ended - began) * 1000:.0f} ms (asked without a key)."
    is_proxys = reply.status == 407
    cure = "The proxy wants a name and a password: http://name:password@host:port." if is_proxys else ""
    yield Finding(about=name, check="answer", state=FAILED if is_proxys else OK, told=told, cure=cure)
    yield clock(name, reply.headers.get("date", ""), (began + ended) / 2)


def _get(url: str) -> Flow[Any]:
    return (yield HttpRequest(url=url, method="GET"))


def clock(name: str, date: str, now: float) -> Finding:
    """This machine's clock against the vendor's.

    Args:
        date: the Date header, which tells whole seconds.
        now: Unix time when it was written.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp() + 0.5
    except (TypeError, ValueError):
        return Finding(about=name, check="clock", state=OK, told="The vendor tells no time.")
    ahead = now - theirs
    if abs(ahead) <= _SKEW_ODD:
        return Finding(about=name, check="clock", state=OK, told="This machine's clock agrees with the vendor's.")
    told = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the vendor's."
    cure = "Signed calls and tokens fail with it. Set the clock: timedatectl set-ntp true (Windows: w32tm /resync)."
    state = FAILED if abs(ahead) > _SKEW_FATAL else WARNING
    return Finding(about=name, check="clock", state=state, told=told, cure=cure)


def try_call(name: str, model: str | None, base_url: str | None, seconds: float) -> Finding:
    """One short call with the key of the environment."""
    from ..chat import unionchat
    from ._answering import usage_line

    began = time.perf_counter()
    try:
        response = unionchat(
            model,
            [{"role": "user", "content": "Say OK."}],
            provider=name,
            base_url=base_url,
            max_tokens=16,
            max_retries=0,
            timeout={"total": seconds},
        )
    except UnionLLMError as error:
        return Finding(about=name, check="call", state=FAILED, told=f"{type(error).__name__}: {error}")
    took = time.perf_counter() - began
    told = f"{response.model or model} answered after {took:.2f} s. {usage_line(response)}".strip()
    return Finding(about=name, check="call", state=OK, told=told)


def base_url_of(name: str, given: str | None) -> str:
    """Where a call of that provider goes as things are; "" for one that needs none. Raises UnionLLMError."""
    from .._native_calls import _base_url
    from .._registry import find, near_names

    found = find(name)
    if found is None:
        near = " or ".join(map(repr, near_names(name)))
        hint = f"Did you mean {near}? " if near else ""
        raise ProviderError(f"{name!r} is no native provider, and only those are looked at. {hint}`unionllm providers`")
    return _base_url(found.adapter.spec, found.region, {"base_url": given}, os.environ)
