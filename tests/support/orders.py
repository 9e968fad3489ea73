"""Orders for tests that need one, whatever it says."""

from __future__ import annotations

from typing import Any

from cci.daemon.order import Order


def order(**values: Any) -> Order:
    """Return a small order without inputs."""
    defaults: dict[str, Any] = {
        "command": ("true",),
        "sources": (),
        "required": (("TEXT", "summary.txt"),),
        "on_scan": (),
        "parameters": {},
        "target": {},
        "fingerprints": {},
        "proctype": "Dti_v1",
        "version": "1.0",
        "spider": "",
        "walltime_s": 3600,
        "memory_mb": 4096,
        "cores": 1,
        "gpus": 0,
        "priority": 0,
        "runner_python": "python3",
        "environment": {},
    }
    return Order(**{**defaults, **values})
