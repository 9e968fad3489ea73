"""Core library: ``from cci import cluster, xnat, FreesurferProcessor, ScanLoop, connect``.

Names are loaded when first used, so a spider on a node never pays for pyxnat or DRMAA.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cci import cluster as cluster
    from cci import xnat as xnat
    from cci.daemon.connecting import connect as connect
    from cci.inputs import Assessor as Assessor
    from cci.inputs import Output as Output
    from cci.inputs import Scan as Scan
    from cci.inputs import SessionResource as SessionResource
    from cci.loops import ExperimentLoop as ExperimentLoop
    from cci.loops import ProjectLoop as ProjectLoop
    from cci.loops import ScanLoop as ScanLoop
    from cci.loops import SubjectLoop as SubjectLoop
    from cci.processor import ProjectProcessor as ProjectProcessor
    from cci.processor import ScanProcessor as ScanProcessor
    from cci.processor import SessionProcessor as SessionProcessor
    from cci.processor import SubjectProcessor as SubjectProcessor
    from cci.processors.dcm2nii import Dcm2NiiProcessor as Dcm2NiiProcessor
    from cci.processors.dti_qa import DtiQaProcessor as DtiQaProcessor
    from cci.processors.fmri_qa import FmriQaProcessor as FmriQaProcessor
    from cci.processors.freesurfer import FreesurferProcessor as FreesurferProcessor
    from cci.status import QcStatus as QcStatus
    from cci.status import Status as Status
    from cci.task import Task as Task

_HOME = {
    "Assessor": "cci.inputs",
    "Dcm2NiiProcessor": "cci.processors.dcm2nii",
    "DtiQaProcessor": "cci.processors.dti_qa",
    "ExperimentLoop": "cci.loops",
    "FmriQaProcessor": "cci.processors.fmri_qa",
    "FreesurferProcessor": "cci.processors.freesurfer",
    "Output": "cci.inputs",
    "ProjectLoop": "cci.loops",
    "ProjectProcessor": "cci.processor",
    "QcStatus": "cci.status",
    "Scan": "cci.inputs",
    "ScanLoop": "cci.loops",
    "ScanProcessor": "cci.processor",
    "SessionProcessor": "cci.processor",
    "SessionResource": "cci.inputs",
    "Status": "cci.status",
    "SubjectLoop": "cci.loops",
    "SubjectProcessor": "cci.processor",
    "Task": "cci.task",
    "connect": "cci.daemon.connecting",
}
_SUBMODULES = frozenset({"cluster", "xnat"})

__all__ = [  # noqa: PLE0604 (the names of the two tables above)
    *sorted(_HOME),
    *sorted(_SUBMODULES),
]


def __getattr__(name: str) -> object:
    """Import the module that is, or defines, *name* (PEP 562)."""
    if name in _SUBMODULES:
        return importlib.import_module(f"cci.{name}")
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'cci' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)
