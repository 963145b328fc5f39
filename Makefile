PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-slow check fmt generate clean

demo: .venv/demo
	rm -rf demo && mkdir demo
	$(BIN)/python examples/glove/build.py demo
	$(BIN)/mmc plan examples/glove/glove.yaml -o demo/glove.plan.json
	$(BIN)/mmc apply demo/glove.plan.json --state sqlite:///demo/state.db --report demo/report.md
	$(BIN)/python examples/glove/nearest.py demo/words.db king river jazz

# Each command would compile all modules anew where the environment has bytecode switched off.
demo test test-slow: export PYTHONDONTWRITEBYTECODE =

test: .venv/dev
	$(BIN)/python -m pytest -n auto -m "not slow"

test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

fmt: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: .venv/dev
	$(BIN)/python -m mmc.cli.generate

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: pyproject.toml | .venv/bin/python
	$(INSTALL) -e '.[demo]'
	@touch $@

.venv/dev: pyproject.toml | .venv/bin/python
	$(INSTALL) -e '.[dev]'
	@touch $@

clean:
	rm -rf demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
