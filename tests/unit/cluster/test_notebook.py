"""The notebook's three functions, on a local cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from cci import cluster
from cci.errors import UsageError

ACCOUNT = {"name": "echo", "account": "p_cci", "walltime_s": 600, "memory_mb": 64}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[cluster.Cluster]:
    """Choose a local cluster as the default."""
    settings = {"kind": "local", "spool": tmp_path / "spool", "slots": 1, "memory_mb": 100}
    opened = cluster.open_cluster("here", settings)
    cluster.set_default_cluster(opened)
    yield opened
    cluster.set_default_cluster(None)


@pytest.mark.usefixtures("here")
def test_notebook(tmp_path: Path) -> None:
    """make_pbs writes a script, submit_pbs runs it, check_status says that it is over."""
    path = cluster.make_pbs(["echo 'hello;' $CCI_JOB_ID", "pwd"], {**ACCOUNT, "directory": tmp_path})
    job_id = cluster.submit_pbs(path)
    wait_until(lambda: cluster.check_status(job_id) == "ended", "the job is over")

    assert tmp_path / "echo.pbs" == path
    assert f"hello; {job_id}\n{tmp_path}\n" == (tmp_path / "echo.log").read_text(encoding="utf-8")


def test_first_failure_ends_the_job(here: cluster.Cluster, tmp_path: Path) -> None:
    """The commands after one that failed are not run, and the exit status is its own."""
    path = cluster.make_pbs(["(exit 4)", "echo never"], {**ACCOUNT, "directory": tmp_path})
    job_id = cluster.submit_pbs(path)
    wait_until(lambda: cluster.check_status(job_id) == "ended", "the job is over")
    books = here.accounting(cluster.JobRef(job_id))

    assert books is not None
    assert (4, "") == (books.exit_status, (tmp_path / "echo.log").read_text(encoding="utf-8"))


def test_canonical_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory the script is ~/.pbs/<name>.pbs, as it was asked for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = cluster.make_pbs(["true"], ACCOUNT)
    expected = (
        "#!/bin/bash\n#CCI account=p_cci\n#CCI cores=1\n#CCI memory_mb=64\n#CCI name=echo\n"
        "#CCI walltime_s=600\nset -e\ntrue\n"
    )

    assert (tmp_path / ".pbs" / "echo.pbs", expected) == (path, path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("here")
def test_unknown_job() -> None:
    """A job that the cluster does not know is unknown, not over."""
    assert "unknown" == cluster.check_status("4711")


def test_no_cluster(tmp_path: Path) -> None:
    """Without a cluster the sentence says how to choose one."""
    path = cluster.make_pbs(["true"], {**ACCOUNT, "directory": tmp_path})
    with pytest.raises(UsageError, match="no cluster has been chosen") as refused:
        cluster.submit_pbs(path)
    with pytest.raises(UsageError, match="no cluster has been chosen"):
        cluster.check_status("1")

    assert "set_default_cluster" in refused.value.hint


@pytest.mark.usefixtures("here")
def test_foreign_script(tmp_path: Path) -> None:
    """A script that make_pbs did not write is not guessed at."""
    script = tmp_path / "x.pbs"
    script.write_text("#!/bin/sh\ntrue\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is no script of make_pbs"):
        cluster.submit_pbs(script)


@pytest.mark.parametrize(
    ("commands", "account", "message"),
    [
        (["true"], {}, "account_info['name'] is '', which cannot name a script"),
        (["true"], {"name": "../x"}, "account_info['name'] is '../x', which cannot name a script"),
        (["true"], {"name": "x", "walltme": 1}, "account_info does not have walltme"),
        (["true"], {"name": "x", "queue": "a\n#CCI cores=9"}, "account_info['queue'] has a line break"),
        ([], {"name": "x"}, "commands is not a list of lines"),
        ("true", {"name": "x"}, "commands is not a list of lines"),
    ],
)
def test_mistakes(tmp_path: Path, commands: Any, account: dict[str, Any], message: str) -> None:
    """A mistake in the arguments is told before anything is written."""
    directory = tmp_path / "pbs"
    with pytest.raises(UsageError) as refused:
        cluster.make_pbs(commands, {**account, "directory": directory})

    assert (message, False) == (refused.value.message, directory.exists())


def test_names() -> None:
    """The package offers its names, and no others."""
    assert {"make_pbs", "submit_pbs", "check_status", "open_cluster"} <= set(dir(cluster))
    with pytest.raises(AttributeError):
        _ = cluster.no_such_name
