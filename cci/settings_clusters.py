"""What the sections below ``clusters`` in the settings may hold, one class for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cci.errors import SettingsError
from cci.mistakes import sentence

Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A section of the settings: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClusterSettings(Section):
    """A place to run jobs: what every kind has."""

    kind: str = Field(description="The back-end.")
    python: str = Field(
        default="", description="Interpreter on the node for spiders in Python; default: the daemon's own."
    )
    runner_python: str = Field(
        default="",
        description="Interpreter on the node for the job runner, 3.8 or later; default: as python.",
    )
    max_running: Positive | None = Field(default=None, description="Most jobs open here at once.")
    max_pending: Positive | None = Field(
        default=None, description="Most jobs here that do not run yet: staged, or queued."
    )


class LocalClusterSettings(ClusterSettings):
    """This machine."""

    kind: Literal["local"] = "local"
    slots: Positive | None = Field(default=None, description="Cores for jobs; default: all of this host.")
    memory_mb: Positive | None = Field(
        default=None, description="Memory for jobs in MB; default: nine tenths of this host's."
    )


class CommandClusterSettings(ClusterSettings):
    """A batch system that is driven by its own commands."""

    kind: Literal["slurm", "sge", "pbs", "lsf"]
    queue: str = Field(default="", description="Queue or partition; default: the system's own.")
    account: str = Field(default="", description="Account or project that is charged.")
    email: str = Field(default="", description="Address that the batch system writes to when a job fails.")
    native: str = Field(
        default="",
        description="Further options in the system's own words; they win over ours.",
    )
    template: Path | None = Field(
        default=None, description="A site's own batch script, in place of the built-in one."
    )
    parallel_environment: str = Field(
        default="smp", description="Grid Engine: the parallel environment for cores of one node."
    )
    mpi_environment: str = Field(
        default="mpi", description="Grid Engine: the parallel environment for MPI slots on any nodes."
    )
    memory_resource: str = Field(
        default="mem_free", description="Grid Engine: the resource that memory is asked by; '' asks for none."
    )
    memory_per: Literal["slot", "job"] = Field(
        default="slot", description="Grid Engine: whether that resource counts for each slot or for the job."
    )
    gpu_resource: str = Field(
        default="gpu", description="Grid Engine: the resource that graphics processors are asked by."
    )
    torque: bool = Field(default=False, description="PBS: it is Torque, which is asked for nodes and ppn.")
    environment: dict[str, str] = Field(
        default_factory=dict, description="Variables that the system's commands need, such as SGE_ROOT."
    )
    commands: Path | None = Field(
        default=None, description="Folder of the system's commands; default: they are on the PATH."
    )
    command_s: float = Field(default=60, gt=0, description="Longest time for one command, in seconds.")

    @property
    def batch_system(self) -> str:
        """Whose words it is asked in."""
        return self.kind

    @model_validator(mode="after")
    def _own_words(self) -> Self:
        """Refuse what only another batch system knows: it would be passed over in silence."""
        for system, names in _WORDS_OF.items():
            for name in names if system != self.batch_system else ():
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"has {name}, which {self.batch_system} does not know")
        return self


#: Settings of a cluster that only one batch system knows.
_WORDS_OF = {
    "sge": ("parallel_environment", "mpi_environment", "memory_resource", "memory_per", "gpu_resource"),
    "pbs": ("torque",),
}


class DrmaaClusterSettings(CommandClusterSettings):
    """A batch system that is driven through its DRMAA library; its commands look into its books."""

    kind: Literal["drmaa"]  # type: ignore[assignment]
    system: Literal["sge", "slurm", "pbs", "lsf"] = Field(
        default="sge", description="The batch system behind the library."
    )
    library: Path | None = Field(
        default=None, description="Its libdrmaa.so; default: $DRMAA_LIBRARY_PATH, or where Debian puts it."
    )
    call_s: float = Field(default=60, gt=0, description="Longest time for a call of the library, in seconds.")
    ask_per_s: float = Field(
        default=50, gt=0, description="Most jobs that the library is asked for in a second."
    )

    @property
    def batch_system(self) -> str:
        """Whose words it is asked in."""
        return self.system


class _AnyClusterSettings(ClusterSettings):
    """A section whose kind there is not: it only says so."""

    kind: Literal["drmaa", "local", "lsf", "pbs", "sge", "slurm"]


#: What a section below ``clusters`` may hold, by its ``kind``.
CLUSTER_KINDS: dict[str, type[ClusterSettings]] = {
    "local": LocalClusterSettings,
    "slurm": CommandClusterSettings,
    "sge": CommandClusterSettings,
    "pbs": CommandClusterSettings,
    "lsf": CommandClusterSettings,
    "drmaa": DrmaaClusterSettings,
}


def cluster_model(section: Any) -> type[ClusterSettings]:
    """Return what a section below ``clusters`` may hold; one of no known kind is refused by any."""
    kind = section.get("kind", "local") if isinstance(section, Mapping) else "local"
    return CLUSTER_KINDS.get(str(kind), _AnyClusterSettings)


Checked = TypeVar("Checked", bound=ClusterSettings)


def checked_section(name: str, settings: Mapping[str, Any], model: type[Checked]) -> Checked:
    """Read what a back-end was handed: its section, and ``spool``, which is no part of it.

    Raises
    ------
    SettingsError
        A key is unknown, or its value is wrong.
    """
    try:
        return model.model_validate({key: value for key, value in settings.items() if key != "spool"})
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(("clusters", name, *map(str, wrong["loc"])))
        raise SettingsError(f"{where}: {sentence(wrong)}") from error
