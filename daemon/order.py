"""An order: all that one attempt needs to be staged and submitted, fixed when the attempt is opened.

It is kept as JSON in the ledger, so a process that takes over an attempt needs neither a snapshot nor the
processor that made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, replace
from typing import Any

from cci import model
from cci.cluster.native import Wishes
from cci.inputs import Source
from cci.processor import Job, Processor
from cci.task import Facts, label_parts

#: No queue, account or option beside what the processor itself says.
NOTHING_ELSE = Wishes()


@dataclass(frozen=True, kw_only=True)
class StagedSource:
    """One source to fetch: which resources of what, into which folder of ``inputs/``."""

    input: str
    kind: str
    session_id: str
    scan_id: str
    assessor_id: str
    subject_level: bool
    resources: tuple[str, ...]
    attributes: Mapping[str, str]
    description: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an attempt is to do. Sizes in MB (2**20 bytes), times in seconds."""

    command: tuple[str, ...]
    sources: tuple[StagedSource, ...]
    required: tuple[tuple[str, str], ...]
    on_scan: tuple[str, ...]
    parameters: Mapping[str, Any]
    target: Mapping[str, str]
    fingerprints: Mapping[str, str]
    proctype: str
    version: str
    spider: str
    walltime_s: int
    memory_mb: int
    cores: int
    gpus: int
    priority: int
    runner_python: str
    environment: Mapping[str, str]
    # what an order of an earlier version lacks has its default here
    mpi_slots: int = 0
    queue: str = ""
    account: str = ""
    native: str = ""
    email: str = ""
    avoid: tuple[str, ...] = ()


def make_order(
    processor: Processor,
    target: model.Target,
    facts: Facts,
    *,
    python: str,
    runner_python: str,
    search_path: str = "",
    wishes: Wishes = NOTHING_ELSE,
    email: str = "",
) -> Order:
    """Ask *processor* for its command line and write down everything that the attempt needs.

    Parameters
    ----------
    python, runner_python
        The node's interpreters, for the spider and for the job runner.
    search_path
        Where the node looks for the spider beside what is installed there.
    wishes
        Queue, account and native options for the attempt's cluster; see `cci.daemon.asking`.
    email
        Where the batch system writes to when the job fails.
    """
    asked = demands(processor, runner_python=runner_python, wishes=wishes, email=email)
    job = Job(
        python=python,
        cores=processor.cores,
        memory_mb=processor.memory_mb,
        parameters=processor.parameters,
        selection=facts.selection,
    )
    names = ("project", "subject", "session", "scan")
    return replace(
        asked,
        command=tuple(str(part) for part in processor.command(job)),
        sources=tuple(_staged(source) for source in (*facts.selection.sources, *_own(processor, facts))),
        parameters=dict(processor.parameters),
        target=dict(zip(names, label_parts(target), strict=False)),
        fingerprints=facts.selection.fingerprints(),
        environment={"PYTHONPATH": search_path} if search_path else {},
    )


def demands(
    processor: Processor, *, runner_python: str, wishes: Wishes = NOTHING_ELSE, email: str = ""
) -> Order:
    """Return the part of an order that is the same for every task of a processor: what its jobs ask for."""
    return Order(
        command=(),
        sources=(),
        required=tuple((output.resource, output.pattern) for output in processor.outputs if output.required),
        on_scan=tuple(output.resource for output in processor.outputs if output.to == "scan"),
        parameters={},
        target={},
        fingerprints={},
        proctype=processor.proctype,
        version=str(processor.version),
        spider=processor.spider,
        walltime_s=int(processor.walltime.total_seconds()),
        memory_mb=processor.memory_mb,
        cores=processor.cores,
        gpus=processor.gpus,
        priority=processor.priority,
        runner_python=runner_python,
        environment={},
        mpi_slots=processor.mpi_slots,
        queue=wishes.queue,
        account=wishes.account,
        native=wishes.native,
        email=email,
    )


def _own(processor: Processor, facts: Facts) -> Iterator[Source]:
    """Yield what a person put into the task's own assessor for the next run."""
    assessor = facts.assessor
    for name, label in processor.own_resources.items():
        if assessor is not None and label in assessor.resources and assessor.resources[label].file_count != 0:
            yield Source(
                input=name,
                kind="assessor",
                session_id=assessor.session_id,
                assessor_id=assessor.id,
                subject_level=not assessor.session_id,
                resources=(label,),
                attributes={"label": assessor.label},
            )


def _staged(source: Source) -> StagedSource:
    return StagedSource(
        input=source.input,
        kind=source.kind,
        session_id=source.session_id,
        scan_id=source.scan_id,
        assessor_id=source.assessor_id,
        subject_level=source.subject_level,
        resources=source.resources,
        attributes=dict(source.attributes),
        description=source.description,
    )


def to_json(order: Order) -> dict[str, Any]:
    """Return the form kept in the ledger."""
    return {
        **vars(order),
        "sources": [{**vars(source), "resources": list(source.resources)} for source in order.sources],
        "command": list(order.command),
        "required": [list(pair) for pair in order.required],
        "on_scan": list(order.on_scan),
        "avoid": list(order.avoid),
    }


def from_json(value: Mapping[str, Any]) -> Order:
    """Read an order back; other keys that the ledger keeps beside it are passed over.

    An order that an earlier version wrote lacks what was not asked for then.
    """
    known = {name: value[name] for name, one in Order.__dataclass_fields__.items() if _stands(one, value)}
    known["sources"] = tuple(
        StagedSource(**{**source, "resources": tuple(source["resources"])}) for source in value["sources"]
    )
    known["command"] = tuple(value["command"])
    known["required"] = tuple((pair[0], pair[1]) for pair in value["required"])
    known["on_scan"] = tuple(value["on_scan"])
    known["avoid"] = tuple(value.get("avoid", ()))
    return Order(**known)


def _stands(part: Field[Any], value: Mapping[str, Any]) -> bool:
    """Whether a field is to be read: it is there, or there must be one."""
    return part.name in value or part.default is MISSING
