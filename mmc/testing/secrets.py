"""Secrets: a reference goes in, and the text behind it comes out nowhere."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from mmc import api
from mmc.errors import MmcError, SecretError
from mmc.secrets import REDACTOR
from mmc.testing.ability import Ability, Case, Made
from mmc.testing.bench import Bench, secret_fields
from mmc.testing.client import counted
from mmc.testing.leaks import Leaks, process_arguments


class Secrets(Case):
    """All that a plan and an apply leave behind, searched for the secrets of the data set."""

    def test_a_secret_is_nowhere(
        self,
        data: Made,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self._has_secrets(data)
        caplog.set_level(logging.INFO)
        bench = self.bench(tmp_path, data)
        leaks = Leaks(data.secrets)
        with process_arguments() as started:
            spec = bench.spec()
            leaks.search("facts", repr(api.inspect(spec)))
            plan = bench.plan()
            report = bench.apply(plan)
        leaks.search("the plan", repr(plan))
        leaks.search("the report", repr(report))
        leaks.search("events", "\n".join(map(repr, bench.events)))
        leaks.search("arguments of a process", "\n".join(started))
        leaks.search("a log", caplog.text)
        leaks.search("the output", "".join(capfd.readouterr()))
        leaks.search_files(tmp_path)
        assert not leaks.found, "; ".join(leaks.found)

    def test_an_error_has_no_secret(self, data: Made, tmp_path: Path) -> None:
        self._has_secrets(data)
        self.needs(Ability.FAIL_FINAL, hook="client")
        client, leaks = self.client(), Leaks(data.secrets)
        spec = self.bench(tmp_path, data).spec()
        secret = next(iter(data.secrets.values()))

        def fails() -> BaseException:
            assert client.final is not None
            error = client.final()
            error.args = (*error.args[:1], f"rejected: {secret}", *error.args[2:])
            return error

        with (
            counted(client, at=0, always=True, fails=fails),
            pytest.raises(MmcError) as caught,
        ):
            api.inspect(spec)
        leaks.search("an error", REDACTOR.clean(f"{caught.value} {caught.value.hint}"))
        assert not leaks.found, "; ".join(leaks.found)

    def test_a_secret_that_is_not_there_is_named(
        self, data: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._has_secrets(data)
        spec = self.bench(tmp_path, data).spec()
        name = next(iter(data.secrets))
        monkeypatch.delenv(name)
        with pytest.raises(SecretError, match=name):
            api.inspect(spec)

    def bench(self, folder: Path, data: Any) -> Bench:
        """A spec with the plug-in at its end."""
        raise NotImplementedError

    def _has_secrets(self, data: Made) -> None:
        if not secret_fields(self.side, self.type):
            pytest.skip(f"the options of {self.type} have no place for a secret")
        self.needs(Ability.KEEP_SECRETS)
        assert data.secrets, (
            "the options have a place for a secret: use it in `make`, as {'secret': 'env:NAME'},"
            " and give `secrets`; or say in `cannot` why not"
        )
