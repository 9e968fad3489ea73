"""What the sections of the settings file may hold, one class for each; those of clusters are elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from cci.settings_clusters import Positive, Section

#: An interval such as ``10m``; what else a schedule may be is a cron expression.
INTERVAL = re.compile(r"(\d+)\s*([smhd])\Z")
_CRON = re.compile(r"[A-Za-z0-9*/,?#-]+(\s+[A-Za-z0-9*/,?#-]+){4}\Z")


class ArchiveSettings(Section):
    """The XNAT archive, and how patiently it is asked."""

    url: str = Field(description="Address of the archive, with its context path if it has one.")
    credentials: Path | None = Field(
        default=None,
        description="File of mode 0600 with user and password (YAML, or a pyxnat configuration). "
        "Without it: systemd credentials 'xnat-user' and 'xnat-password', then ~/.netrc.",
    )
    connect_s: float = Field(default=10, gt=0, description="Longest wait for a connection, in seconds.")
    read_s: float = Field(default=60, gt=0, description="Longest silence within an answer, in seconds.")
    first_byte_s: float = Field(
        default=600,
        gt=0,
        description="Longest wait for the first byte of a bulk listing or upload, in seconds.",
    )
    total_s: float = Field(default=3600, gt=0, description="Longest time for one whole answer, in seconds.")
    attempts: Positive = Field(default=4, description="How often a request is tried before work is put off.")
    max_concurrent: Positive = Field(default=4, description="Most requests at the same time.")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        address = urlsplit(value)
        if address.scheme not in {"http", "https"}:
            raise ValueError("must begin with http:// or https://")
        if "@" in address.netloc:
            raise ValueError("must not hold a user or password; they belong into archive.credentials")
        return value.rstrip("/")


#: A text, or one for each cluster, by the cluster's name or its batch system.
Said = str | dict[str, str]


class ProcessorSettings(Section):
    """A processor and what a site changes of it."""

    use: str = Field(default="", description="'module:Class' or 'path/to/file.py:Class'.")
    cluster: str | list[str] = Field(
        default="", description="Name of the cluster, or a list of names; default: the first one."
    )
    walltime: timedelta | None = Field(default=None, description="Longest run time, 'HH:MM:SS' or seconds.")
    memory_mb: Positive | None = Field(default=None, description="Memory in MB.")
    cores: Positive | None = Field(default=None, description="Cores.")
    gpus: int | None = Field(default=None, ge=0, description="Graphics processors.")
    mpi_slots: int | None = Field(
        default=None, ge=0, description="Slots of a job over several nodes, each of 'cores'; 0: one node."
    )
    queue: Said = Field(default="", description="Queue or partition, in place of the cluster's.")
    account: Said = Field(default="", description="Account, in place of the cluster's.")
    native: Said = Field(
        default="", description="Further options in the batch system's words, laid over the cluster's."
    )
    priority: int | None = Field(default=None, description="Higher starts first.")
    max_running: Positive | None = Field(default=None, description="Most jobs of it open at once.")
    scan_types: dict[str, list[str]] = Field(
        default_factory=dict, description="Globs on the scan type, by the name of the input."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Handed to the spider.")

    @property
    def clusters(self) -> tuple[str, ...]:
        """The names of the clusters on which it may run; empty for the first one there is."""
        return tuple(filter(None, [self.cluster] if isinstance(self.cluster, str) else self.cluster))


class ProjectSettings(Section):
    """A project and the processors that run in it."""

    processors: list[str] = Field(description="Names of processors.")
    max_running: Positive | None = Field(default=None, description="Most jobs of it open at once.")


class Limits(Section):
    """How much at once."""

    max_running: Positive = Field(default=200, description="Most jobs queued or running at once.")
    max_staged: Positive = Field(default=20, description="Most attempts staged beyond the running ones.")
    max_pending: Positive | None = Field(
        default=None,
        description="Most jobs that do not run yet, staged or queued; default: max_staged, which also holds.",
    )
    submit_interval_s: float = Field(
        default=0, ge=0, le=600, description="Shortest time between two submissions to a cluster, in seconds."
    )
    submit_jitter_s: float = Field(
        default=0, ge=0, le=600, description="Up to this much is added to each such time, in seconds."
    )
    max_restarts: int = Field(default=3, ge=0, description="Restarts of a job that the cluster lost.")
    stage_workers: Positive = Field(default=2, description="Attempts staged at the same time.")
    collect_workers: Positive = Field(default=2, description="Attempts collected at the same time.")
    shrink_brake: float = Field(
        default=0.2, gt=0, le=1, description="A project that lost more than this part stops its sweep."
    )
    min_free_mb: int = Field(
        default=500, ge=0, description="Staging stops below this much free space, in MB."
    )


class Timing(Section):
    """How often, and how patiently."""

    sweep: str = Field(
        default="10m", description="Interval such as '10m', '1h', or a cron expression such as '0 2 * * *'."
    )

    @field_validator("sweep")
    @classmethod
    def _schedule(cls, value: str) -> str:
        found = INTERVAL.match(value.strip())
        if not (found and int(found[1])) and not _CRON.match(value.strip()):
            raise ValueError(
                f"'{value}' is no schedule: write an interval such as '10m', or five cron fields"
            )
        return value

    whole_sweep_s: float = Field(
        default=3600,
        ge=0,
        description="Seconds after which a sweep of the daemon reads all of a project again; 0: each time.",
    )
    watch_s: float = Field(default=20, gt=0, description="Seconds between looks at running jobs.")
    watch_max_s: float = Field(
        default=120,
        gt=0,
        description="Most seconds between questions to a cluster where nothing changes; at least watch_s.",
    )
    collect_s: float = Field(default=15, gt=0, description="Seconds between collections of ended jobs.")
    outbox_s: float = Field(default=10, gt=0, description="Seconds between tries to write to the archive.")
    exit_grace_s: float = Field(
        default=120, ge=0, description="Seconds that an exit record may be late before accounting is asked."
    )
    retry_s: float = Field(
        default=60, gt=0, description="Seconds until a put-off piece of work is tried again."
    )
    unknown_alert_s: float = Field(
        default=3600, gt=0, description="Seconds after which an unknown job state is told to the operator."
    )
    late_output_s: float = Field(
        default=86400, ge=0, description="Seconds after which listed outputs that never appear are lost."
    )
