"""The suites that mmc ships, over everything that is built in."""
