"""Commands of mmc that start in milliseconds: each is forked from a process that has imported
everything once.

`server` is that process, `client` runs a command in it, and `script` is the `mmc` that shells find.
What a command does at start-up (imports, exit codes of the interpreter, warnings) is not tested
this way: some tests start a real one.
"""
