"""The part of an apply that goes by staged files: tries the staging places, copies into them, has
the server import what lies there, and removes it. Knows targets by the seam.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from mmc.layouts.staging import StagingPlace
from mmc.plan.ddl import DropCollection
from mmc.plan.model import CheckStaging, CopySplits, ImportFiles, RemoveStaged
from mmc.registry import options_of
from mmc.run.attempt import Attempt
from mmc.run.copying import Copying
from mmc.run.imports import Imports
from mmc.run.labels import label_of
from mmc.run.proof import copy_of, rows_before
from mmc.run.targets import OpenTargets
from mmc.spi import Importer
from mmc.state.ledger import Ledger
from mmc.state.records import splits_of, unfinished_end, unimported


class StagedCopies:
    """Carries out CopySplits, ImportFiles and RemoveStaged for one attempt of a run."""

    def __init__(self, attempt: Attempt, targets: OpenTargets, copying: Copying) -> None:
        self._attempt, self._plan = attempt, attempt.plan
        self._targets, self._copying = targets, copying
        self._imports: dict[str, Imports] = {}
        self._following = {
            step.copy: step for step in self._plan.steps if isinstance(step, ImportFiles)
        }

    def check(self, step: CheckStaging, done: Collection[str]) -> None:
        """Tries the staging place of a copy.

        Args:
            done: ids of the steps that are done.

        Raises:
            TargetBusy: the server does not say whether it sees the place of one to be replaced.
            TargetError: a place cannot be used, or files of a copy cannot carry its fields.
        """
        copy = copy_of(self._plan, step.copy)
        dropped = {
            drop.collection
            for drop in self._plan.steps
            if isinstance(drop, DropCollection) and drop.id not in done
        }
        self._check(copy, dropping=copy.collection.name in dropped)

    def _check(self, copy: CopySplits, *, dropping: bool) -> None:
        target = self._importer(copy)
        manifest = options_of("source", self._plan.source).layout_manifest.rpartition("/")[2]
        what = f"check staging of {copy.collection.name}"
        self._attempt.call(
            what, lambda: target.check_staging(copy, dropping=dropping, manifest=manifest)
        )

    def copy(self, step: CopySplits) -> None:
        """Copies; where the files are to be imported, asks for each as soon as it is staged."""
        following = self._following.get(step.id)
        if following is None:
            self._copying.copy(step, lambda record: None)
            return
        self._check(step, dropping=False)
        self._copying.copy(step, self._imports_of(following).staged)

    def finish(self, step: ImportFiles) -> int:
        """Has the rest imported, and waits for all; gives the rows. Raises TargetError."""
        imports = self._imports_of(step)
        store, run = self._attempt.store, self._attempt.run.id
        records = splits_of(store, run, copy_of(self._plan, step.copy))
        for record in records:
            imports.staged(record)
        rows = imports.finish()
        requests = self._ledger(step).records()
        unfinished_end(run, unimported(step, records, requests))
        return rows

    def remove(self, step: RemoveStaged) -> int:
        """Removes what the copy staged; gives the number of files. Raises TargetError."""
        copy = copy_of(self._plan, step.copy)
        files = [file.path for done in self._copying.written(copy) for file in done.result.files]
        return len(self._attempt.call(label_of(step), lambda: StagingPlace.of(copy).remove(files)))

    def _imports_of(self, step: ImportFiles) -> Imports:
        if step.id not in self._imports:
            copy = copy_of(self._plan, step.copy)
            attempt = self._attempt
            self._imports[step.id] = Imports(
                step,
                copy,
                self._importer(copy),
                self._ledger(step),
                before=rows_before(attempt.store, attempt.run.id, self._plan, copy),
                emit=attempt.emit,
                kept=self._kept,
                should_stop=attempt.should_stop,
                check_stop=attempt.go_on,
            )
        return self._imports[step.id]

    def _ledger(self, step: ImportFiles) -> Ledger:
        attempt = self._attempt
        return Ledger(attempt.store.database, attempt.run.id, step.id, attempt.holder)

    def _kept(self, ours: bool) -> None:
        self._attempt.keep(ours)
        self._attempt.lease.check()  # also renews it after a pause

    def _importer(self, copy: CopySplits) -> Importer:
        return cast("Importer", self._targets.by_route(copy.route))
