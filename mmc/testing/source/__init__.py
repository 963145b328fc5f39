"""The conformance suite of a source, a room of tests a file; `suite` has all of them."""
