"""Options: a model that is checked before anything is asked, and whose problems have places."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mmc import api
from mmc.diagnostics import Diagnostic
from mmc.registry import MODELS
from mmc.spec.options import Options, codes_of
from mmc.spi import VERSION
from mmc.testing.ability import Case
from mmc.types import JsonValue

HEAVY = ("pyarrow", "numpy", "pandas", "sqlalchemy", "pymilvus", "faiss", "duckdb")


class OptionsChecks(Case):
    """What a spec says of the plug-in. `said` is that of the suite."""

    wrong_options: ClassVar[Sequence[tuple[Mapping[str, JsonValue], str]]] = ()

    @pytest.fixture
    def said(self) -> Mapping[str, JsonValue]:
        """Good options, without `type`."""
        raise NotImplementedError

    def test_good_options_are_valid(self, said: Mapping[str, JsonValue], tmp_path: Path) -> None:
        errors = self._check(said, tmp_path)
        assert not errors, [error.message for error in errors]

    def test_an_unknown_key_is_named(self, said: Mapping[str, JsonValue], tmp_path: Path) -> None:
        texts = [error.message for error in self._check({**said, "no_such_key": 1}, tmp_path)]
        assert any("no_such_key" in text for text in texts), (
            "an unknown key is no error: derive the model from `mmc.spi.Options`"
        )

    def test_a_missing_option_is_named(self, said: Mapping[str, JsonValue], tmp_path: Path) -> None:
        for name, field in self._model().model_fields.items():
            key = field.alias or name
            if field.is_required() and key != "type":
                rest = {other: value for other, value in said.items() if other != key}
                texts = [error.message for error in self._check(rest, tmp_path)]
                assert any(key in text for text in texts), (
                    f"{key} is required, and nothing is said where it is missing"
                )

    def test_problems_across_options_have_codes(
        self, said: Mapping[str, JsonValue], tmp_path: Path
    ) -> None:
        model = self._model()
        if not self.wrong_options and model.problems is Options.problems:
            pytest.skip(f"{self.type} checks nothing across options")
        assert self.wrong_options, (
            "the model has `problems`: give `wrong_options`, examples that it finds"
        )
        known = codes_of(MODELS)
        for more, code in self.wrong_options:
            assert code in known, f"{code} is no code: the class variable `codes` names it"
            codes = [error.code for error in self._check({**said, **more}, tmp_path)]
            assert code in codes, f"{dict(more)}: {code} was expected, and not {codes}"

    def test_every_option_is_described(self) -> None:
        model = self._model()
        assert (model.__doc__ or "").strip(), "the model has no docstring: the schema shows it"
        schema = model.model_json_schema()
        for name, field in schema["properties"].items():
            assert name == "type" or "description" in field or "$ref" in json.dumps(field), (
                f"{name} has no text below it: the schema, editors and the docs show one"
            )

    def test_options_do_not_change(self, said: Mapping[str, JsonValue]) -> None:
        options = self._model().model_validate({**said, "type": self.type})
        assert options.model_config.get("frozen"), "the model is not frozen"
        assert options.type == self.type

    def test_the_model_states_the_version_of_the_seam(self) -> None:
        assert self._model().spi == VERSION, (
            f"state the version of `mmc.spi` that the plug-in is made for: spi = {VERSION}"
        )

    def test_the_options_load_no_client(self) -> None:
        """`mmc validate` is quick, and works where no client is installed."""
        if not self.thorough:
            pytest.skip("left out: this class is not `thorough`")
        module = self._model().__module__
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; import {module};"
            f" print([m for m in {HEAVY!r} if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "[]", f"{module} imports {done.stdout.strip()}"

    def _model(self) -> type[Options]:
        model = MODELS.model(self.side, self.type)
        assert model is not None, (
            f"no {self.side} of type {self.type!r} is installed: is the package installed"
            " (`pip install -e .`), and are its entry points right?"
        )
        return model

    def _check(self, said: Mapping[str, Any], folder: Path) -> list[Diagnostic]:
        """The errors of a spec with these options."""
        ends: dict[str, Any] = {
            "source": {"type": "kit", "path": "rows.arrow"},
            "target": {"type": "kit", "folder": "target"},
        }
        ends[self.side] = {"type": self.type, **said}
        path = folder / "options.yaml"
        path.write_text(json.dumps({"version": 1, **ends}), encoding="utf-8")
        return [one for one in api.check_spec(path, env={}).diagnostics if one.is_error]
