"""Access to clusters: ``from cci import cluster``, then `make_pbs`, `submit_pbs`, `check_status`.

Names are loaded when they are first used, so that a job's waiter stays small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cci.cluster.base import Accounting as Accounting
    from cci.cluster.base import Cluster as Cluster
    from cci.cluster.base import JobReport as JobReport
    from cci.cluster.base import JobSpec as JobSpec
    from cci.cluster.base import JobState as JobState
    from cci.cluster.factory import open_cluster as open_cluster
    from cci.cluster.notebook import check_status as check_status
    from cci.cluster.notebook import make_pbs as make_pbs
    from cci.cluster.notebook import set_default_cluster as set_default_cluster
    from cci.cluster.notebook import submit_pbs as submit_pbs
    from cci.cluster.scripts import render_script as render_script

_HOMES = {
    "Accounting": "base",
    "Cluster": "base",
    "JobRef": "base",
    "JobReport": "base",
    "JobSpec": "base",
    "JobState": "base",
    "check_status": "notebook",
    "make_pbs": "notebook",
    "open_cluster": "factory",
    "render_script": "scripts",
    "set_default_cluster": "notebook",
    "submit_pbs": "notebook",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
