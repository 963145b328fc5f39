"""What a person types for a cluster -> options of the source, for `mmc init`."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from mmc.types import JsonValue


def locate(location: str) -> tuple[dict[str, JsonValue], bool]:
    """Options that say this address, and whether it has the shape of one.

    `https://user@host:9200/articles-*`: the last part of the path is the index, or several with
    commas; what stands before it, or ends in a slash, is where a proxy serves the cluster.
    """
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https"):
        # Said with --type: the address is checked, and its words name what is missing.
        return {"url": location}, False
    user, _, host = parts.netloc.rpartition("@")
    prefix, _, last = parts.path.rpartition("/")
    options: dict[str, JsonValue] = {"url": f"{parts.scheme}://{host}{prefix}"}
    if name := unquote(user.partition(":")[0]):
        options["auth"] = {"username": name}
    names: list[JsonValue] = [unquote(name) for name in last.split(",") if name]
    if names:
        options["index"] = names if len(names) > 1 else names[0]
    return options, bool(host) and not parts.query
