"""Who asks: references to secrets become a header here, and nothing that is no header leaves it."""

from __future__ import annotations

from mmc.errors import SourceError
from mmc.secrets import REDACTOR, resolve
from mmc.sources.elasticsearch.options import Auth


def credentials(auth: Auth) -> dict[str, str]:
    """The header that says who asks; {} where nobody is named.

    Raises:
        SecretError: a reference does not resolve.
        SourceError: a key or token cannot stand in a header (MMC451).
    """
    from elastic_transport.client_utils import basic_auth_to_header

    if key := _sendable(resolve(auth.api_key), "api_key"):
        # A key stands as `id:key` in the server's answer, and encoded beside it.
        encoded = basic_auth_to_header(_pair(key)).partition(" ")[2] if ":" in key else key
        REDACTOR.learn(encoded)
        return {"authorization": f"ApiKey {encoded}"}
    if token := _sendable(resolve(auth.token), "token"):
        return {"authorization": f"Bearer {token}"}
    if auth.username:
        header = basic_auth_to_header((auth.username, resolve(auth.password) or ""))
        REDACTOR.learn(header.partition(" ")[2])
        return {"authorization": header}
    return {}


def _sendable(secret: str | None, name: str) -> str:
    """A key or token as it can stand in a header. Without the blanks and newline around it that
    come with a pasted one; refused here, since the transport would show what it does not take.
    """
    plain = (secret or "").strip()
    if plain:
        REDACTOR.learn(plain)
    if not (plain.isascii() and plain.isprintable()):
        raise SourceError(
            f"source.auth.{name} has characters that no key or token has",
            hint="is it one line of ASCII, as the server gave it?",
            code="MMC451",
        )
    return plain


def _pair(text: str) -> tuple[str, str]:
    name, _, key = text.partition(":")
    return name, key
