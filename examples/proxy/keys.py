"""Keys of a LiteLLM Proxy without a database: kept in Redis, so that one made at any instance works at all of them.

LiteLLM's own virtual keys need Postgres, and Prisma's engine to talk to it. Where that is to be had, use those. This
module is for where it is not: requests are let in by ``authenticate``, ``/keys`` makes, shows and deletes keys, and
``spending`` adds up what each has cost. LiteLLM counts requests and tokens for a key's limits by itself, in Redis too.

Needs REDIS_HOST, REDIS_PORT and LITELLM_MASTER_KEY in the environment.
"""

# Annotations are no texts here: LiteLLM runs this file without a module by whose name they could be looked up.
import hashlib
import json
import os
import secrets
from typing import Any

import litellm
import redis.asyncio
import redis.exceptions
from fastapi import APIRouter, Depends, HTTPException, Request
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class Wanted(BaseModel):
    """What a key may do; what is left out is not limited. ``seconds``: how long it is good for."""

    model_config = ConfigDict(extra="forbid")

    alias: str = ""
    models: list[str] = []
    rpm_limit: PositiveInt | None = None
    tpm_limit: PositiveInt | None = None
    max_budget: PositiveFloat | None = None
    seconds: PositiveInt | None = None


class Keys:
    """Keys in Redis. A key itself is not kept, only its hash.

    Args:
        store: a client of Redis.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    async def make(self, wanted: Wanted) -> str:
        """A new key."""
        key = f"sk-{secrets.token_urlsafe(24)}"
        await self._store.set(_place(digest(key)), wanted.model_dump_json(), ex=wanted.seconds)
        return key

    async def find(self, key: str) -> tuple[Wanted, float] | None:
        """What a key may do and what it has spent; None if there is no such key."""
        name = digest(key)
        kept, spent = await self._store.mget(_place(name), _purse(name))
        return None if kept is None else (Wanted(**json.loads(kept)), float(spent or 0))

    async def delete(self, key: str) -> bool:
        """Make a key invalid, everywhere and at once. Whether there was such a key."""
        name = digest(key)
        return bool(await self._store.delete(_place(name), _purse(name)))

    async def charge(self, name: str, cost: float) -> None:
        """Add what a call has cost to the key with that hash."""
        if await self._store.exists(_place(name)):
            await self._store.incrbyfloat(_purse(name), cost)


def digest(key: str) -> str:
    """The hash of a key, as LiteLLM makes it."""
    return hashlib.sha256(key.encode()).hexdigest()


def _place(name: str) -> str:
    return f"unionllm:key:{name}"


def _purse(name: str) -> str:
    return f"unionllm:spent:{name}"


_keys = Keys(
    redis.asyncio.Redis(host=os.environ.get("REDIS_HOST", "127.0.0.1"), port=int(os.environ.get("REDIS_PORT", "6379")))
)


def _is_master(key: str) -> bool:
    master = os.environ.get("LITELLM_MASTER_KEY", "")
    return bool(master) and secrets.compare_digest(key.encode(), master.encode())


async def authenticate(request: Request, api_key: str) -> UserAPIKeyAuth:  # noqa: ARG001  # LiteLLM gives both
    """Who is calling; LiteLLM asks this for every request.

    Raises:
        ProxyException: 401, no such key; 503, Redis does not answer.
        BudgetExceededError: the key's budget is used up.
    """
    if _is_master(api_key):
        return UserAPIKeyAuth(api_key=api_key, user_role=LitellmUserRoles.PROXY_ADMIN)
    try:
        found = await _keys.find(api_key)
    except redis.exceptions.RedisError:
        text = "Keys cannot be looked up: Redis does not answer. Try again."
        raise ProxyException(message=text, type="auth_error", param=None, code=503) from None
    if found is None:
        raise ProxyException(message="No such key.", type="auth_error", param="api_key", code=401)
    wanted, spent = found
    if wanted.max_budget is not None and spent >= wanted.max_budget:
        raise litellm.BudgetExceededError(current_cost=spent, max_budget=wanted.max_budget)
    return UserAPIKeyAuth(
        api_key=api_key,
        key_alias=wanted.alias or None,
        models=wanted.models,
        rpm_limit=wanted.rpm_limit,
        tpm_limit=wanted.tpm_limit,
        spend=spent,
        user_role=LitellmUserRoles.INTERNAL_USER,
    )


class Spending(CustomLogger):
    """Adds up what each key has cost, by the prices in the configuration."""

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM calls this after each answer, and after the last chunk of a stream."""
        cost = kwargs.get("response_cost")
        name = (kwargs.get("litellm_params", {}).get("metadata") or {}).get("user_api_key")
        if cost and name:
            await _keys.charge(name, cost)


spending = Spending()

router = APIRouter(prefix="/keys", tags=["keys in Redis"])


async def _admin(request: Request) -> None:
    if not _is_master(request.headers.get("authorization", "").removeprefix("Bearer ")):
        raise HTTPException(401, "Only the master key makes, shows and deletes keys.")


@router.post("", dependencies=[Depends(_admin)])
async def make_key(wanted: Wanted) -> dict[str, str]:
    """A new key."""
    return {"key": await _keys.make(wanted)}


@router.post("/show", dependencies=[Depends(_admin)])
async def show_key(key: dict[str, str]) -> dict[str, Any]:
    """What a key may do, and what it has spent. The key stands in the body: paths end up in logs."""
    found = await _keys.find(key.get("key", ""))
    if found is None:
        raise HTTPException(404, "No such key.")
    return {**found[0].model_dump(), "spent": found[1]}


@router.post("/delete", dependencies=[Depends(_admin)])
async def delete_key(key: dict[str, str]) -> dict[str, bool]:
    """Make a key invalid."""
    return {"deleted": await _keys.delete(key.get("key", ""))}


def _publish() -> None:
    """Put the routes into the running proxy, once: LiteLLM runs this file for each name its settings take of it."""
    from litellm.proxy.proxy_server import app

    if all(getattr(route, "path", "") != "/keys" for route in app.routes):
        app.include_router(router)


_publish()
