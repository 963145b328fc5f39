"""Real Elasticsearch and OpenSearch nodes, of the jars that Maven Central has.

The jars are resolved by mvn, once for a machine; `python -m tests.servers.elasticsearch es8` does
that ahead of the tests. A conftest.py takes the fixtures of `fixtures.py` by import.
"""
