"""The lowest level for people: write a script, submit it, ask for it. There is no task, archive or ledger.

These functions act on one default cluster, which ``cci.connect`` or `set_default_cluster` names.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cci.cluster.base import Cluster, JobRef, JobSpec
from cci.cluster.native import Wishes, most_specific
from cci.cluster.scripts import header, interpreter, places
from cci.errors import UsageError

#: Keys of *account_info* and what is asked for where they are left out.
DEFAULTS: Mapping[str, Any] = {"walltime_s": 24 * 3600, "memory_mb": 4096, "cores": 1}
_TEXTS = ("name", "directory", "account", "queue", "email")
_ASKED = re.compile(r"^#CCI (\w+)=(.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")

_default: list[Cluster] = []
#: The jobs of this process by their ids: a cluster knows a job best by its name too.
_submitted: dict[str, JobRef] = {}


def set_default_cluster(cluster: Cluster | None) -> None:
    """Name the cluster that `submit_pbs` and `check_status` use; None for none."""
    _default[:] = [cluster] if cluster is not None else []
    _submitted.clear()


def default_cluster() -> Cluster:
    """Return the cluster that has been named.

    Raises
    ------
    UsageError
        None has been.
    """
    if not _default:
        raise UsageError(
            "no cluster has been chosen",
            hint="call cci.connect(...), or cci.cluster.set_default_cluster(...) with a cluster",
        )
    return _default[0]


def make_pbs(commands: Sequence[str], account_info: Mapping[str, Any]) -> Path:
    """Write a batch script and return its path, by default ``~/.pbs/<name>.pbs``.

    Parameters
    ----------
    commands
        Lines of bash, run one after the other; the first that fails ends the job.
    account_info
        ``name`` (the script's name, letters, digits and ``_.-``); optionally ``directory`` (where to put
        the script, and where it runs), ``walltime_s``, ``memory_mb``, ``cores``, ``account``, ``queue``,
        ``email``.

    Raises
    ------
    UsageError
        The name is missing or cannot be a file's, a key is unknown, or there are no commands.
    """
    _check(commands, account_info)
    directory = Path(account_info.get("directory", Path.home() / ".pbs")).absolute()
    asked = {**DEFAULTS, **{key: account_info[key] for key in account_info if key != "directory"}}
    header = (f"#CCI {key}={_one_line(key, asked[key])}" for key in sorted(asked))
    lines = ("#!/bin/bash", *header, "set -e", *commands)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{account_info['name']}.pbs"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return temporary.replace(path)


def submit_pbs(path: str | os.PathLike[str]) -> str:
    """Submit a script made by `make_pbs` to the default cluster and return the job's id.

    The job runs in the script's directory; what it prints is in ``<name>.log`` beside the script. A batch
    system gets a copy of the script there, named as the job, with a header in its words.

    Raises
    ------
    UsageError
        No cluster has been chosen, or the file is not such a script.
    """
    script = Path(path).absolute()
    cluster = default_cluster()
    try:
        asked = dict(_ASKED.findall(script.read_text(encoding="utf-8")))
        limits = {key: int(asked[key]) for key in DEFAULTS}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{script} is no script of make_pbs", hint="write it with make_pbs") from error
    name = f"{script.stem[:50]}-{secrets.token_hex(4)}"
    job = cluster.submit(_with_header(cluster, _spec(script, name, asked, limits)))
    _submitted[job.id] = job
    return job.id


def _spec(script: Path, name: str, asked: Mapping[str, str], limits: Mapping[str, int]) -> JobSpec:
    return JobSpec(
        name=name,
        directory=script.parent,
        script=script,
        output_log=script.with_suffix(".log"),
        queue=asked.get("queue", ""),
        account=asked.get("account", ""),
        email=asked.get("email", ""),
        walltime_s=limits["walltime_s"],
        memory_mb=limits["memory_mb"],
        cores=limits["cores"],
    )


def _with_header(cluster: Cluster, job: JobSpec) -> JobSpec:
    """Return the job as a batch system takes it: with a copy of its script that asks in its words."""
    if cluster.dialect == "plain":
        return job
    said = most_specific(cluster.dialect, cluster.wishes, Wishes(queue=job.queue, account=job.account))
    first, _, rest = job.script.read_text(encoding="utf-8").partition("\n")
    asking = replace(
        job,
        script=job.directory / f"{job.name}.sh",
        shell=interpreter(first),
        queue=said.queue,
        account=said.account,
        native=said.native,
    )
    lines = [first, *header(asking, cluster.dialect, cluster.site), *places(asking, cluster.dialect), rest]
    asking.script.write_text("\n".join(lines), encoding="utf-8")
    return asking


def check_status(job_id: str) -> str:
    """Return what the default cluster says of a job, in the words of `JobState`.

    ``unknown`` means that the cluster does not know the job, not that the job is over.
    """
    job = _submitted.get(job_id, JobRef(job_id))
    return str(default_cluster().states([job])[job].state)


def _check(commands: Sequence[str], account_info: Mapping[str, Any]) -> None:
    unknown = sorted(set(account_info) - {*DEFAULTS, *_TEXTS})
    if unknown:
        raise UsageError(
            f"account_info does not have {', '.join(unknown)}",
            hint=f"it has {', '.join((*_TEXTS, *DEFAULTS))}",
        )
    if not _NAME.fullmatch(str(account_info.get("name", ""))):
        raise UsageError(
            f"account_info['name'] is '{account_info.get('name', '')}', which cannot name a script",
            hint="use 1 to 50 letters, digits, '_', '.' or '-'",
        )
    if isinstance(commands, str) or not commands:
        raise UsageError("commands is not a list of lines", hint="give a list with at least one command")


def _one_line(key: str, value: object) -> str:
    text = str(value)
    if "\n" in text or "\r" in text:
        raise UsageError(
            f"account_info['{key}'] has a line break", hint="a header takes one line for each key"
        )
    return text
