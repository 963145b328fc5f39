"""The conformance suite of a sink, a room of tests a file; `suite` has all of them."""
