"""What the store promises of files and locks: nothing half, nothing lost, nothing left over."""

from __future__ import annotations

import resource
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cci.archive.store import schema
from cci.archive.store.database import SCHEMA_VERSION
from cci.archive.store.store import Store
from cci.errors import UsageError


def on_disk(store: Store) -> set[str]:
    return {path.name for path in (store.root / "files").rglob("*") if path.is_file()}


def loose(store: Store) -> set[str]:
    with store.database.read() as connection:
        return set(connection.execute(select(schema.loose.c.blob)).scalars())


def test_written_content_is_loose_until_it_has_a_row(world: Any) -> None:
    """A content that no file has yet is on the list of what a start may remove."""
    blob = world.content(b"x")
    assert blob.name in loose(world.store)
    world.put("projects/P")
    world.upload("projects/P/resources/R/files/a", b"y")
    assert 1 == len(on_disk(world.store) - loose(world.store))


@pytest.mark.parametrize("path", ["projects/P", "projects/P/subjects/S/experiments/E"])
def test_deleted_contents_become_loose(filled: Any, path: str) -> None:
    """Deleting an item gives up the contents of everything below it."""
    assert on_disk(filled.store) - loose(filled.store)
    filled.ask("DELETE", path)
    assert set() == on_disk(filled.store) - loose(filled.store)


def test_recovery(world: Any) -> None:
    """A start removes what no row owns, and nothing else."""
    world.put("projects/P")
    world.upload("projects/P/resources/R/files/a", b"kept")
    world.content(b"uploaded, but never catalogued")
    (world.store.root / "incoming" / "half").write_bytes(b"half an upload")
    root = world.store.root
    world.store.close()
    again = Store(root)
    assert (1, []) == (len(on_disk(again)), list((root / "incoming").iterdir()))
    again.close()


def test_abandoned_upload(store: Store) -> None:
    """An upload that is not finished leaves nothing."""
    with store.blobs.create() as writer:
        writer.write(b"half")
    assert (set(), []) == (on_disk(store), list((store.root / "incoming").iterdir()))


def test_content_in_one_step(store: Store) -> None:
    """A content that is all there is kept as one that comes in parts."""
    with store.blobs.create() as writer:
        writer.write(b"con")
        writer.write(b"tent")
        expected = writer.finish()
    blob = store.blobs.keep(b"content")
    assert replace(expected, name=blob.name) == blob
    assert b"content" == store.blobs.path(blob.name).read_bytes()
    assert {expected.name, blob.name} <= loose(store)


def test_content_that_cannot_be_written(store: Store) -> None:
    """A content that the disk does not take leaves nothing."""
    store.blobs.keep(b"first")
    before = on_disk(store)
    most, hardly_any = resource.getrlimit(resource.RLIMIT_FSIZE), 4
    resource.setrlimit(resource.RLIMIT_FSIZE, (hardly_any, most[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            store.blobs.keep(b"too long")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert before == on_disk(store)


def test_replaced_content_stays_for_a_while(filled: Any) -> None:
    """A content that was just replaced is still there for a download that has begun."""
    path = "projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/a.txt"
    before = on_disk(filled.store)
    filled.upload(path, b"new", overwrite="true")
    assert before < on_disk(filled.store)


def test_one_process_at_a_time(store: Store) -> None:
    """A folder that is open cannot be opened a second time."""
    with pytest.raises(UsageError, match="another process"):
        Store(store.root)


def test_another_version(tmp_path: Path) -> None:
    """A folder that another version made is refused, not misread."""
    root = tmp_path / "archive"
    Store(root).close()
    connection = sqlite3.connect(root / "archive.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UsageError, match="version 99"):
        Store(root)


def test_older_version(tmp_path: Path) -> None:
    """A folder of the first version is brought up to date, and keeps what it holds."""
    root = tmp_path / "archive"
    Store(root).close()
    connection = sqlite3.connect(root / "archive.db")
    connection.execute("DROP TABLE alias_token")
    connection.execute(
        "INSERT INTO user (login, password, firstname, lastname, email, admin)"
        " VALUES ('u', '', '', '', '', 0)"
    )
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    store = Store(root)
    with store.database.read() as reader:
        assert (SCHEMA_VERSION, "u", 0) == (
            reader.exec_driver_sql("PRAGMA user_version").scalar_one(),
            reader.exec_driver_sql("SELECT login FROM user").scalar_one(),
            reader.exec_driver_sql("SELECT count(*) FROM alias_token").scalar_one(),
        )
    store.close()


def test_failed_write_leaves_nothing(filled: Any) -> None:
    """A document whose last part is refused brings nothing of it."""
    body = (
        b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><xnat:scans>'
        b'<xnat:scan ID="1" xsi:type="xnat:mrScanData"/><xnat:scan ID="2" xsi:type="xnat:imageScanData"/>'
        b"</xnat:scans></xnat:MRSession>"
    )
    answer = filled.ask("PUT", "projects/P/subjects/S/experiments/X", body)
    assert (400, 1) == (answer.status, len(filled.get("projects/P/experiments").rows))
