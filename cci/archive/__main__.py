"""``python -m cci.archive``: the same as ``cci archive``."""

from __future__ import annotations

from cci.archive.cli import main

main()
