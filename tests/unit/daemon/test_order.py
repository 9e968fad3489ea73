"""An order holds all that an attempt needs, and comes back from the ledger as it went in."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.entries import an_attempt
from support.snapshots import a_scan, a_session, an_assessor, resources, target_of, with_assessors

from cci.cluster.base import JobSpec
from cci.cluster.native import Wishes
from cci.daemon.order import Order, from_json, make_order, to_json
from cci.daemon.staging import job_spec
from cci.processor import Assessor, Job, Output, Scan, SessionProcessor
from cci.task import Facts


class Qa(SessionProcessor):
    """Uses every part of an order."""

    version = "2.1"
    inputs = (
        Scan("dwi", type=["DTI"], resources=["NIFTI", "BVAL"]),
        Assessor("fs", proctype=["FreeSurfer_v*"], resources=["DATA"]),
    )
    outputs = (Output("PDF", "report.pdf"), Output("LOG", "*.log", required=False))
    walltime = timedelta(minutes=90)
    memory_mb = 123
    cores = 2
    gpus = 1
    mpi_slots = 3
    priority = 7
    spider = "lab.qa"
    parameters = {"b0": 50, "label": "Müller; $(x)"}  # noqa: RUF012 (as a lab would write it)

    def command(self, job: Job) -> list[str]:
        return [*super().command(job), "--cores", str(job.cores), *map(str, job.parameters.values())]


def order() -> Order:
    """Make an order of an attempt at a session."""
    session = with_assessors(
        a_session(a_scan("3", "DTI", "NIFTI", "BVAL")),
        an_assessor("FreeSurfer_v7", resources=resources("DATA")),
    )
    target, processor = target_of(session), Qa()
    facts = Facts(selection=processor.can_run(target))
    return make_order(
        processor,
        target,
        facts,
        python="/node/python3",
        runner_python="/usr/bin/python3",
        wishes=Wishes(queue="long", account="lab", native="--qos=high"),
        email="ops@example.org",
    )


def test_an_order_is_complete() -> None:
    """Command, sources, required outputs, limits and names: nothing else is asked later."""
    made = order()
    assert [
        "/node/python3",
        "-m",
        "lab.qa",
        "inputs",
        "outputs",
        "--cores",
        "2",
        "50",
        "Müller; $(x)",
    ] == list(made.command)
    assert (
        [("dwi", "scan", "E1", "3", ("NIFTI", "BVAL")), ("fs", "assessor", "E1", "", ("DATA",))],
        (("PDF", "report.pdf"),),
        {"project": "P", "subject": "subject1", "session": "session1"},
        (5400, 123, 2, 1, 7, "/usr/bin/python3"),
    ) == (
        [(one.input, one.kind, one.session_id, one.scan_id, one.resources) for one in made.sources],
        made.required,
        made.target,
        (made.walltime_s, made.memory_mb, made.cores, made.gpus, made.priority, made.runner_python),
    )


def test_an_order_says_how_the_cluster_is_asked() -> None:
    """Slots, queue, account, native options and address for mail go with it; no node is avoided at first."""
    made = order()
    assert (3, "long", "lab", "--qos=high", "ops@example.org", ()) == (
        made.mpi_slots,
        made.queue,
        made.account,
        made.native,
        made.email,
        made.avoid,
    )


def test_an_order_comes_back_from_the_ledger() -> None:
    """Written as JSON, with whatever is kept beside it, an order reads back as it was."""
    sent = replace(order(), avoid=("node7",))
    kept = json.loads(json.dumps({**to_json(sent), "digests": {"dwi/NIFTI": "0" * 32}}))
    assert sent == from_json(kept)


def test_an_order_of_an_earlier_version() -> None:
    """What an earlier version did not ask for is not asked for; all else of its order stands."""
    later = ("mpi_slots", "queue", "account", "native", "email", "avoid")
    kept = json.loads(json.dumps(to_json(order())))
    earlier = {name: value for name, value in kept.items() if name not in later}
    expected = replace(order(), mpi_slots=0, queue="", account="", native="", email="", avoid=())
    assert expected == from_json(earlier)


def test_an_order_with_a_hole() -> None:
    """An order that lacks what every version wrote is not guessed at."""
    kept = to_json(order())
    del kept["command"]
    with pytest.raises(KeyError):
        from_json(kept)


def test_the_job_asks_for_what_the_order_says() -> None:
    """All that an order asks of a cluster reaches it, with the attempt's place and a name of its own."""
    asked = job_spec(an_attempt(directory="/srv/cci/1", nonce="0123"), replace(order(), avoid=("node7",)))
    expected = JobSpec(
        name="cci-Qa_v2-0123",
        directory=Path("/srv/cci/1"),
        script=Path("/srv/cci/1/script.sh"),
        output_log=Path("/srv/cci/1/batch.log"),
        walltime_s=5400,
        memory_mb=123,
        cores=2,
        gpus=1,
        mpi_slots=3,
        priority=7,
        queue="long",
        account="lab",
        email="ops@example.org",
        native="--qos=high",
        avoid=("node7",),
    )
    assert expected == asked


def test_the_ledgers_form_has_every_field() -> None:
    """No field of an order is forgotten in the form that the ledger keeps."""
    assert {field.name for field in fields(Order)} == set(to_json(order()))
