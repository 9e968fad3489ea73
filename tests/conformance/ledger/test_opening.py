"""Opening a ledger: tables are made and migrated, also by several at once; what cannot work is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from support.ledger import made, me, nothing, race
from support.postgres import Postgres, running_postgres

from cci.daemon.ledger import LedgerUnavailable, engine, open_ledger
from cci.daemon.ledger.tables import Base
from cci.errors import SettingsError


def test_the_migrations_make_the_tables(url: str) -> None:
    """From an empty database the migrations lead to exactly the tables that the ledger works with."""
    open_ledger(url).close()
    plain = create_engine(url)
    with plain.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    plain.dispose()
    assert [] == differences


def test_the_newest_migration_is_known() -> None:
    """A ledger is migrated until it has had the last of the migrations, which is known without looking."""
    assert ScriptDirectory(str(engine.MIGRATIONS)).get_current_head() == engine.NEWEST


def test_an_older_ledger_is_migrated(url: str) -> None:
    """A ledger that lacks the last migration gets it when it is opened."""
    open_ledger(url).close()
    plain = create_engine(url)
    with plain.begin() as connection:
        connection.execute(text("DROP TABLE cap"))
        connection.execute(text("DROP TABLE away"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    open_ledger(url).close()
    with plain.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    plain.dispose()
    assert [] == differences


def test_opening_again_keeps_everything(url: str) -> None:
    """A second opening finds the same instance and the same tasks, and migrates nothing."""
    first = open_ledger(url)
    entry = made(first)
    first.close()
    second = open_ledger(url)
    found = second.task(entry.id)
    second.close()
    assert (first.instance, entry) == (second.instance, found)


def test_four_that_open_an_empty_database_at_once(url: str) -> None:
    """Processes that start together make the tables once, and are the same instance."""
    assert [4] == race(url, nothing, [0], runners=4)
    ledger = open_ledger(url)
    ledger.close()
    plain = create_engine(url)
    with plain.connect() as connection:
        instances = connection.execute(text("SELECT value FROM meta WHERE name = 'instance'")).scalars().all()
    plain.dispose()
    assert [ledger.instance] == list(instances)


def test_each_new_ledger_is_another_instance(tmp_path: Path) -> None:
    """Two ledgers never have the same instance, which is what a project's owner is known by."""
    one, other = (open_ledger(f"sqlite:///{tmp_path / name}.db") for name in "ab")
    one.close()
    other.close()
    assert one.instance != other.instance


def test_the_folder_of_a_new_ledger_is_private(tmp_path: Path) -> None:
    """The folder is made where it is missing, for its owner alone."""
    open_ledger(f"sqlite:///{tmp_path}/home/cci/ledger.db").close()
    assert 0o700 == (tmp_path / "home" / "cci").stat().st_mode & 0o777


def test_sqlite_writes_ahead_and_through(tmp_path: Path) -> None:
    """Readers never wait for a writer, what is committed is on the disk, and references hold."""
    opened = engine.open_engine(f"sqlite:///{tmp_path}/ledger.db")
    with opened.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    opened.dispose()
    assert ["wal", 2, 1] == found


def test_the_plain_name_of_postgresql_will_do(postgres: Postgres) -> None:
    """An address that begins with postgresql:// needs no driver in it."""
    url = postgres.new_database().replace("postgresql+psycopg://", "postgresql://")
    ledger = open_ledger(url)
    made(ledger)
    ledger.close()
    assert ledger.instance


# -- network file systems -----------------------------------------------------------------------------

LOCAL = "/dev/vda / ext4 rw 0 0\n"
MOUNTS = {
    "nfs": ("server:/x /data nfs4 rw 0 0\n", "/data/cci", "nfs4"),
    "below a network mount": ("server:/x /data nfs rw 0 0\n", "/data/a/b/c", "nfs"),
    "automounted": (
        "systemd-1 /data autofs rw 0 0\nserver:/x /data nfs4 rw 0 0\n",
        "/data/cci",
        "nfs4",
    ),
    "a blank in the name": ("server:/x /my\\040data cifs rw 0 0\n", "/my data/cci", "cifs"),
    "lustre": ("mgs:/x /scratch lustre rw 0 0\n", "/scratch/cci", "lustre"),
    "a local disk below a network mount": (
        "server:/x /data nfs4 rw 0 0\n/dev/sdb /data/local xfs rw 0 0\n",
        "/data/local/cci",
        "xfs",
    ),
    "a name that only begins alike": ("server:/x /data nfs4 rw 0 0\n", "/database/cci", "ext4"),
}


@pytest.mark.parametrize("row", MOUNTS)
def test_the_file_system_of_a_folder(row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mount that is nearest above a folder, and the last one there, tells its file system."""
    lines, folder, kind = MOUNTS[row]
    table = tmp_path / "mounts"
    table.write_text(LOCAL + lines, encoding="utf-8")
    monkeypatch.setattr(engine, "MOUNTS", table)
    assert kind == engine.file_system_of(Path(folder))


def test_sqlite_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the file and the file system, says what to do, and leaves no database."""
    table = tmp_path / "mounts"
    table.write_text(f"{LOCAL}server:/x {tmp_path} nfs4 rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(engine, "MOUNTS", table)
    path = tmp_path / "ledger.db"
    with pytest.raises(SettingsError) as caught:
        open_ledger(f"sqlite:///{path}")
    assert f"the ledger {path} would lie on a network file system (nfs4)" in caught.value.message
    assert ("set 'ledger' to a path on a local disk, or to a PostgreSQL address", False) == (
        caught.value.hint,
        path.exists(),
    )


# -- mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "ledger.db",
        "",
        "nosuch://x/y",
        "postgresql+psycopg://nobody:s3cret@127.0.0.1:1/none",
        "postgresql://host:port/none",
        "sqlite:////dev/null/ledger.db",
        "sqlite:////dev/full",
    ],
)
def test_an_address_that_leads_nowhere(address: str) -> None:
    """A ledger that cannot be opened is a mistake in the settings, told in one line without the password."""
    with pytest.raises(SettingsError, match="cannot open the ledger") as caught:
        open_ledger(address)
    assert (False, False) == ("s3cret" in caught.value.message, "\n" in caught.value.message)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of another kind is left as it is."""
    path = tmp_path / "ledger.db"
    path.write_text("my notes, which are long enough to be no empty file " * 100)
    before = path.read_text()
    with pytest.raises(SettingsError, match="cannot open the ledger"):
        open_ledger(f"sqlite:///{path}")
    assert before == path.read_text()


def test_who_is_written_into_the_history(url: str) -> None:
    """Every change has the name of who opened the ledger."""
    ledger = open_ledger(url, who=me())
    entry = made(ledger)
    whos = {change.who for change in ledger.history(entry.id)}
    ledger.close()
    assert {ledger._who} == whos


def test_a_database_that_goes_away(postgres: Postgres) -> None:
    """A server that ends is an outage for readers and writers alike, which is over when it is back."""
    assert postgres.folder.is_dir()
    with running_postgres() as other:
        ledger = open_ledger(other.new_database())
        entry = made(ledger)
    with pytest.raises(LedgerUnavailable):
        ledger.task(entry.id)
    with pytest.raises(LedgerUnavailable):
        ledger.move(entry.id, entry.status, "x")
    ledger.close()
