"""Coze's OAuth apps: a JWT, signed with an app's private key, buys a token."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from .._exchange import Incoming

SALES_PATH = "/api/permission/oauth2/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds for which a token may be asked.
_LONGEST = 86_399


def jwt_fault(request: Incoming, app: Mapping[str, str]) -> str:
    """What is wrong with the JWT in a request; "" if nothing is. An app is its id, a public key, and that key's id."""
    parts = request.bearer.split(".")
    header, claims = (_decoded(part) for part in parts[:2]) if len(parts) == 3 else (None, None)
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return "the authorization must be Bearer and a JWT"
    if header.get("alg") != "RS256" or header.get("typ", "JWT") != "JWT":
        return "the header of the JWT must say RS256 and JWT"
    if not app.get("public_key") or header.get("kid") != app.get("public_key_id"):
        return "kid names no public key of an app"
    if fault := _claims_fault(claims, request, app["client_id"]):
        return fault
    return "" if _is_signed(".".join(parts[:2]), parts[2], app["public_key"]) else "the signature does not match"


def _claims_fault(claims: Mapping[str, Any], request: Incoming, client_id: str) -> str:
    if claims.get("iss") != client_id:
        return "iss is not the id of the app"
    if claims.get("aud") != request.headers.get("host"):
        return "aud is not the host of the API"
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, int) or not isinstance(ends, int) or not begins - 60 <= request.now < ends:
        return "iat and exp must be times around now"
    return "" if isinstance(claims.get("jti"), str) and claims["jti"] else "jti is missing"


def order_fault(body: Any) -> str:
    """What is wrong with the body of a request for a token."""
    if not isinstance(body, dict) or body.get("grant_type") != _GRANT:
        return f"grant_type must be {_GRANT}"
    seconds = body.get("duration_seconds", 900)
    is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
    return "" if is_number and 0 < seconds <= _LONGEST else f"duration_seconds must be 1 to {_LONGEST}"


def _decoded(part: str) -> Any:
    try:
        return json.loads(_bytes(part))
    except (ValueError, RecursionError):
        return None


def _bytes(part: str) -> bytes:
    return base64.b64decode(part.encode() + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _is_signed(text: str, signature: str, public_key: str) -> bool:
    """Whether the key's owner signed it. Without the package ``cryptography`` nobody can tell, and it counts."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return True
    key = load_pem_public_key(public_key.encode())
    try:
        signed = _bytes(signature)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed, text.encode(), padding.PKCS1v15(), SHA256())
            return True
    except (InvalidSignature, ValueError):
        pass
    return False
