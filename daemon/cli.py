"""The entry of the command ``cci``. It loads nothing until it is ready to be interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    os.umask(0o077)  # ledger, settings, logs and results are about people: nobody else may read them
    try:
        from cci.daemon.group import run_command

        code = run_command(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("cci: interrupted\n")
        code = INTERRUPTED
    sys.exit(code)
