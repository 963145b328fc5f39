"""Prints the nearest words to a few words, from the migrated collection alone."""

from __future__ import annotations

import sys

from pymilvus import MilvusClient


def nearest(uri: str, words: list[str]) -> None:
    """Looks each word up by its text, then searches by its vector.

    Args:
        uri: of the Milvus that holds the collection `words`.
        words: to look up.
    """
    client = MilvusClient(uri)
    client.load_collection("words")
    for word in words:
        rows = client.query("words", filter=f'word == "{word}"', output_fields=["vector"], limit=1)
        if not rows:
            print(f"{word:>10}  (not among the words)")
            continue
        hits = client.search("words", data=[rows[0]["vector"]], limit=7, output_fields=["word"])[0]
        others = [hit["entity"]["word"] for hit in hits if hit["entity"]["word"] != word]
        print(f"{word:>10}  {', '.join(others[:6])}")
    client.close()


if __name__ == "__main__":
    nearest(sys.argv[1], sys.argv[2:])
