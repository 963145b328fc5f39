"""Facts: what `inspect` says is true, and stays the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mmc.arrow.evidence import of_column
from mmc.errors import SourceError
from mmc.facts import SourceFacts
from mmc.plan.codec import canonical, from_json, to_json
from mmc.spi import Sample, Source
from mmc.storage.urls import is_local, local_path
from mmc.testing.ability import Ability
from mmc.testing.source.case import Data, Seen, SourceCase
from mmc.types import ArrowType, FieldType


class Facts(SourceCase):
    """What `inspect` tells."""

    def test_facts_are_plain_values_and_the_same_each_time(
        self, source: Source, data: Data
    ) -> None:
        facts = source.inspect(self.options(data), [], Sample(10, 7))
        assert facts.type == self.type, f"facts of type {facts.type}, from a source {self.type}"
        assert from_json(SourceFacts, to_json(facts)) == facts, "facts do not survive JSON"
        again = source.inspect(self.options(data), [], Sample(10, 7))
        assert canonical(again) == canonical(facts), "two looks with one seed differ"
        assert (facts.sample_rows, facts.sample_seed) == (10, 7)

    def test_counts_are_exact(self, seen: list[Seen]) -> None:
        for one in seen:
            said = [extent.rows for extent in one.found.extents]
            assert one.found.rows in (None, len(one.expected)), (
                f"{one.found.name}: {one.found.rows} rows, and there are {len(one.expected)}"
            )
            if None not in said:
                assert sum(rows or 0 for rows in said) == len(one.expected), (
                    f"{one.found.name}: the extents have {said} rows, not {len(one.expected)}"
                )
            for extent in one.found.extents:
                rows = len(one.rows(extent))
                assert extent.rows in (None, rows), (
                    f"{one.found.name}, {extent.start}..{extent.stop}: {extent.rows} rows are"
                    f" announced, {rows} are read"
                )
                assert extent.bytes > 0 or not rows, f"{extent.start}..{extent.stop}: 0 bytes"

    def test_fields_are_as_they_are_said_to_be(self, seen: list[Seen]) -> None:
        for one in seen:
            for field in one.found.fields:
                if field.name not in one.columns:
                    continue
                ArrowType.parse(field.arrow)
                if field.vector:
                    FieldType.parse(field.vector)
                column = one.expected[field.name]
                if not field.nullable:
                    assert not column.null_count, f"{field.name} is not nullable, and has nulls"
                if field.unique:
                    values = column.to_pylist()
                    assert len(set(values)) == len(values), f"{field.name} is not unique"

    def test_the_sample_is_evidence_of_the_values(self, seen: list[Seen]) -> None:
        """Where the sample is everything, what it shows is exact. Without evidence each text
        becomes a varchar(65535).
        """
        self.needs(Ability.EVIDENCE)
        for one in seen:
            for field in one.found.fields:
                if field.name not in one.columns or field.unique:
                    continue
                evidence, column = field.evidence, one.expected[field.name].combine_chunks()
                assert evidence.rows <= len(one.expected)
                assert evidence.rows or not len(one.expected), (
                    f"{field.name}: no evidence. `mmc.spi.sampled_evidence` makes it"
                )
                if isinstance(column, pa.ChunkedArray):
                    column = pa.concat_arrays(column.chunks)
                exact = of_column(column)
                if evidence.rows == exact.rows:
                    for name in ("nulls", "max_bytes", "min_value", "max_value", "non_finite"):
                        shown, there = getattr(evidence, name), getattr(exact, name)
                        assert shown == there or field.json_text, (
                            f"{field.name}: {name} is {shown} in the evidence, and {there} in"
                            " the rows"
                        )

    def test_a_small_sample_is_a_part(self, source: Source, data: Data) -> None:
        """A source may show more than it was asked for, as far as it costs nothing."""
        self.needs(Ability.EVIDENCE)
        for one in self.look(source, data, Sample(3, 7)):
            for field in one.found.fields:
                assert field.evidence.rows <= len(one.expected)

    def test_the_fingerprint_names_places(self, data: Data, seen: list[Seen]) -> None:
        self.needs(Ability.FINGERPRINT)
        options = self.options(data)
        for one in seen:
            marks = one.found.fingerprint
            assert marks, f"{one.found.name} has no fingerprint: a change is never seen"
            assert list(marks) == sorted(marks), "the fingerprint is not sorted"
            assert len(dict(marks)) == len(marks), "the fingerprint names a place twice"
            for name, mark in marks:
                assert name and mark
                url = options.url_of(name)
                if is_local(url) and Path(local_path(url)).is_absolute():
                    assert Path(local_path(url)).exists(), (
                        f"the fingerprint names {name}, which is not there: it names files by"
                        " their path or URL, as the plan finds them"
                    )

    def test_a_collection_is_found_by_its_name(self, source: Source, data: Data) -> None:
        self.needs(Ability.NAME_COLLECTIONS)
        for name in data.tables:
            facts = source.inspect(self.options(data), [name], Sample(5, 7))
            assert [one.name for one in facts.collections] == [name]

    def test_a_collection_that_is_not_there_is_named(self, source: Source, data: Data) -> None:
        self.needs(Ability.NAME_COLLECTIONS)
        with pytest.raises(SourceError, match="no_such_thing"):
            source.inspect(self.options(data), ["no_such_thing"], Sample(5, 7))
