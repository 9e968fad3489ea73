"""The local cluster's spool after accidents, and in containers."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cci.cluster.base import JobSpec
from cci.cluster.local import LocalCluster
from cci.cluster.local_process import is_elsewhere, kill_session, mark_of, signal_marked


@pytest.mark.parametrize("content", [b"", b"\0\0", b"many"])
def test_number_of_the_last_job_was_lost(
    here: LocalCluster, job: Callable[..., JobSpec], tmp_path: Path, content: bytes
) -> None:
    """After a power cut that emptied ``last``, numbers go on above the highest that is known."""
    first = here.submit(job("sleep 60"))
    (tmp_path / "spool" / "last").write_bytes(content)
    second = here.submit(job("sleep 60"))

    assert ["1", "2"] == [one.id.partition("-")[0] for one in (first, second)]


def test_private(here: LocalCluster, job: Callable[..., JobSpec], tmp_path: Path) -> None:
    """A spool that others could read is closed to them."""
    (tmp_path / "spool").mkdir(mode=0o755)
    here.submit(job("true"))

    assert 0o700 == stat.S_IMODE((tmp_path / "spool").stat().st_mode)


def test_process_of_another_container() -> None:
    """A pid of another container means nothing here: nothing is sent to its number."""
    pid, started, where = mark_of(os.getpid()).split()
    elsewhere = f"{pid} {started} {where.partition('/')[0]}/pid:[1]"
    kill_session(elsewhere)

    assert (False, True) == (is_elsewhere(f"{pid} {started} {where}"), is_elsewhere(elsewhere))
    assert not signal_marked(elsewhere, signal.SIGKILL)
