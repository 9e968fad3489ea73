"""Whatever a job left in place of a file stops nothing, and is not followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cci.daemon.jobdir import JobDirectory, bad_output, last_line, odd_outputs, read_claim, read_exit_record
from cci.daemon.outages import is_outage
from cci.daemon.plain_files import open_below, read_end, read_plain
from cci.errors import CciError, DiskFull, LoginRefused, Refused
from cci.model import File


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _link(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_text('{"nonce": "n", "job_id": "1"}', encoding="utf-8")
    path.symlink_to(secret)


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "device": _device,
    "folder": Path.mkdir,
    "huge": _huge,
    "link": _link,
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_records(tmp_path: Path, kind: str) -> None:
    """What is no plain file of a sensible size is no record, no claim, and has no content."""
    for name in ("exit.json", "claim"):
        ODD[kind](tmp_path / name)
        with pytest.raises(OSError, match=name):
            read_plain(tmp_path / name)
        for path in tmp_path.glob("secret"):
            path.unlink()

    assert read_exit_record(JobDirectory(tmp_path), "n") is None
    assert read_claim(JobDirectory(tmp_path)) == ""


def test_odd_log(tmp_path: Path) -> None:
    """The last line of a log is not read through a link, and of a huge one only the end is read."""
    _link(tmp_path / "output.log")
    _huge(tmp_path / "huge.log")

    assert "" == last_line(tmp_path / "output.log")
    assert bytes(10) == read_end(tmp_path / "huge.log", most=10)


def test_links_on_the_way(tmp_path: Path) -> None:
    """A listed output is odd if it, its folder or its resource is a link, and not if it is only late."""
    directory = JobDirectory(tmp_path)
    (directory.outputs / "PDF").mkdir(parents=True)
    (directory.outputs / "PDF" / "plain").write_bytes(b"123")
    (directory.outputs / "PDF" / "link").symlink_to("plain")
    (directory.outputs / "PDF" / "up").symlink_to("..")
    (directory.outputs / "AWAY").symlink_to("PDF")
    os.mkfifo(directory.outputs / "PDF" / "pipe")
    paths = ("plain", "link", "up/PDF/plain", "pipe", "late", "late/too")
    listed = {"PDF": tuple(File(path=path, size=3) for path in paths), "AWAY": (File(path="plain", size=3),)}
    what = "is a link or no plain file"

    assert [
        f"outputs/PDF/link {what}",
        f"outputs/PDF/up/PDF/plain {what}",
        f"outputs/PDF/pipe {what}",
        f"outputs/AWAY/plain {what}",
    ] == odd_outputs(directory, listed)
    with open_below(tmp_path, "outputs/PDF/plain") as stream:
        assert b"123" == stream.read()


@pytest.mark.parametrize(
    ("resource", "path", "problem"),
    [
        ("PDF", "a b/ü.pdf", ""),
        ("PDF", "*", "outputs/PDF/* has a name that archives read as a pattern"),
        ("A,B", "x", "outputs/A,B/x has a name that archives read as a pattern"),
        ("PDF", "a\nb", "outputs/PDF/a b has a name that archives read as a pattern"),
        ("PDF", "../x", "outputs/PDF/../x lies outside its resource folder"),
        ("PROV", "x", "outputs/PROV/x lies in a resource that only cci or a person writes"),
    ],
)
def test_names_that_cannot_be_stored(resource: str, path: str, problem: str) -> None:
    """An output is refused, with a sentence, whose name would reach other files than itself."""
    assert problem == bad_output(resource, path)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EROFS, "read-only"), True),
        (OSError(errno.EIO, "broken"), True),
        (OSError(errno.ESTALE, "stale"), True),
        (OSError(errno.EACCES, "locked"), True),
        (OSError(errno.EMFILE, "too many"), True),
        (OSError(errno.ENOENT, "not there"), False),
        (DiskFull(), True),
        (LoginRefused(), True),
        (Refused(), False),
        (CciError(), False),
        (ValueError("a mistake"), False),
    ],
)
def test_outages(error: Exception, outage: bool) -> None:
    """A disk, an archive or a ledger that is away is waited for; anything else is the task's own."""
    assert outage == is_outage(error)
