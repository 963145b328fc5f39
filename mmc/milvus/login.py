"""Why a server lets nobody in: its words, and what to look at in `target.token`."""

from __future__ import annotations

from typing import Any

from mmc.errors import TargetError


def not_connected(server: str, token: str, error: Any) -> TargetError | None:
    """The error for a login that a server refused; None where something else is wrong.

    pymilvus calls every failure "illegal connection params or server unavailable", and has what
    was said as the cause. 2.3.5 says whether a login is missing, whether it took the token for an
    API key, and not whether the user or the password is wrong.

    Args:
        error: what pymilvus raised.
    """
    import grpc

    cause = error.__cause__
    if not isinstance(cause, grpc.RpcError) or cause.code() is not grpc.StatusCode.UNAUTHENTICATED:
        return None
    if not token:
        text = "it wants a login, and target.token is not set"
        hint = "add token: {secret: env:MILVUS_TOKEN} to target, with user:password or an API key"
    elif ":" not in token:
        text = "it does not know the API key in target.token"
        hint = "a login with a password is written user:password"
    else:
        text = "the user or the password in target.token is wrong"
        hint = "target.token is user:password; check both"
    return TargetError(
        f"{server} refuses the login: {text} ({cause.details()})", hint=hint, code="MMC573"
    )
