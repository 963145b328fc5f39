"""The functions that the command line calls; it calls no others. Importing this package loads no
client library.
"""

from __future__ import annotations

from mmc.api.plans import (
    compile_plan,
    inspect,
    make_plan,
    plan_lines,
    preview,
    read_plan,
    write_plan,
)
from mmc.api.runs import (
    DIRECTORY,
    apply_plan,
    clean_run,
    forget_run,
    list_runs,
    run_events,
    run_splits,
    run_status,
    stopped_by_signals,
    unfinished_plan,
    unlock_run,
    verify_plan,
)
from mmc.api.sources import export_meta, new_plugin, number_tokens, plugins
from mmc.api.specs import (
    check_spec,
    format_spec,
    init_spec,
    load_spec,
    option_table,
    plan_schema,
    spec_schema,
)

__all__ = [
    "DIRECTORY",
    "apply_plan",
    "check_spec",
    "clean_run",
    "compile_plan",
    "export_meta",
    "forget_run",
    "format_spec",
    "init_spec",
    "inspect",
    "list_runs",
    "load_spec",
    "make_plan",
    "new_plugin",
    "number_tokens",
    "option_table",
    "plan_lines",
    "plan_schema",
    "plugins",
    "preview",
    "read_plan",
    "run_events",
    "run_splits",
    "run_status",
    "spec_schema",
    "stopped_by_signals",
    "unfinished_plan",
    "unlock_run",
    "verify_plan",
    "write_plan",
]
