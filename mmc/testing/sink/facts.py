"""What a sink tells of its target."""

from __future__ import annotations

import pickle

from mmc import registry
from mmc.facts import TargetFacts
from mmc.plan.codec import canonical, from_json, to_json
from mmc.spi import Sink
from mmc.testing.sink.case import Place, SinkCase
from mmc.types import TypeKind


class Facts(SinkCase):
    """What `inspect` says."""

    def test_facts_are_plain_values_and_nothing_is_made(self, sink: Sink, data: Place) -> None:
        options = registry.options_of("target", self.endpoint(data))
        facts = sink.inspect(options, ["no_such_collection"])
        assert (facts.type, facts.route) == (self.type, self.route)
        assert not facts.collections
        assert from_json(TargetFacts, to_json(facts)) == facts, "facts do not survive JSON"
        again = sink.inspect(options, ["no_such_collection"])
        assert canonical(again) == canonical(facts), "two looks differ"
        assert pickle.loads(pickle.dumps((options, facts))) == (options, facts)

    def test_capabilities_make_sense(self, sink: Sink, data: Place) -> None:
        able = sink.inspect(registry.options_of("target", self.endpoint(data)), []).capabilities
        for name in able.types | able.elements:
            TypeKind(name)
        assert able.max_batch_bytes >= 1024
        assert able.keyed_replay or able.whole_files or able.imports, (
            "nothing makes it harmless to write a split again: no upsert by key, no whole files,"
            " no imports"
        )
