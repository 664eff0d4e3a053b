"""The command line: parse, call, print. `main` is the entry point of `divmetrics`.

Exit codes: 0 done, or gate passed; 1 gate failed; 2 usage or configuration error; 3 could not measure (or a bug, which
the message then says); 130 interrupted. Every failure is one sentence on stderr; a traceback comes with `--debug` only.
"""

from divmetrics.cli._main import main

__all__ = ["main"]
