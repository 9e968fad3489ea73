"""How the batch system of a site wants to be asked, as its cluster's section of the settings says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """How the batch system of a site wants to be asked, from its cluster's section of the settings.

    Attributes
    ----------
    parallel_environment
        Grid Engine: for the cores of a job on one node.
    mpi_environment
        Grid Engine: for the slots of a job that may spread over nodes.
    memory_resource
        Grid Engine: the resource that memory is asked by; '' asks for none.
    memory_per
        Grid Engine: whether that resource is counted per ``slot`` or per ``job``.
    gpu_resource
        Grid Engine: the resource that graphics processors are asked by.
    torque
        PBS: ask by ``nodes`` and ``ppn``, as Torque wants it, and not by ``select``.
    """

    parallel_environment: str = "smp"
    mpi_environment: str = "mpi"
    memory_resource: str = "mem_free"
    memory_per: str = "slot"
    gpu_resource: str = "gpu"
    torque: bool = False

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> SiteOptions:
        """Take what a cluster's section of the settings says of this, and pass over the rest."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in section.items() if name in names})
