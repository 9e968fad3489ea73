"""The tables of the store. No behaviour.

Fields of an item live in one JSON object (``data``: canonical path → text); those that listings ask for most
are repeated as generated columns, so that a listing reads them without parsing JSON and there is still one
place to write. A *place* says under which label a project sees an item: one row for the owner, one for each
project it is shared into; this makes "owned or shared" one indexed lookup and labels unique in a project.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    column,
)
from sqlalchemy.schema import SchemaItem

from cci.archive.store.dialects import NUMBER, TEXT, JsonText

METADATA = MetaData()

#: Fields repeated as generated columns, for each table.
HOT_FIELDS: dict[str, tuple[str, ...]] = {
    "project": ("secondary_ID", "name"),
    "subject": ("group", "src", "demographics/gender", "demographics/yob", "demographics/dob"),
    "experiment": (
        "date",
        "note",
        "session_type",
        "validation/status",
        "procstatus",
        "proctype",
        "procversion",
        "jobid",
        "inputs",
    ),
    "scan": ("type", "quality", "note", "frames", "series_description"),
    "reconstruction": ("type", "baseScanType"),
}


def hot_column(path: str) -> str:
    """Name of the generated column for a field."""
    return "f_" + path.replace("/", "_").lower()


def _hot(table: str) -> list[SchemaItem]:
    return [
        Column(hot_column(path), TEXT, Computed(JsonText(column("data"), path), persisted=True))
        for path in HOT_FIELDS[table]
    ]


def _stamps() -> list[SchemaItem]:
    return [
        Column("insert_date", TEXT, nullable=False),
        Column("insert_user", TEXT, nullable=False),
        # of the row itself, and of the row with everything below it
        Column("saved_at", TEXT, nullable=False),
        Column("touched_at", TEXT, nullable=False),
    ]


def _key() -> Column[int]:
    return Column("pk", NUMBER, primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(
        name, NUMBER, ForeignKey(f"{target}.pk", ondelete="CASCADE"), nullable=nullable, index=nullable
    )


def _data() -> Column[dict[str, str]]:
    # last in its table: long texts here must not push short columns out of the row's first page
    return Column("data", JSON, nullable=False)


def _part_of_session(name: str) -> Table:
    return Table(
        name,
        METADATA,
        _key(),
        _ref("session_pk", "experiment"),
        Column("id", TEXT, nullable=False),
        Column("xsi_type", TEXT, nullable=False),
        *_stamps(),
        *_hot(name),
        _data(),
        UniqueConstraint("session_pk", "id"),
        sqlite_autoincrement=True,
    )


user = Table(
    "user",
    METADATA,
    _key(),
    Column("login", TEXT, nullable=False, unique=True),
    Column("password", TEXT, nullable=False),
    Column("firstname", TEXT, nullable=False, default=""),
    Column("lastname", TEXT, nullable=False, default=""),
    Column("email", TEXT, nullable=False, default=""),
    Column("admin", Boolean, nullable=False, default=False),
)

project = Table(
    "project",
    METADATA,
    _key(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("accessibility", TEXT, nullable=False, default="private"),
    Column("settings", JSON, nullable=False, default=dict),
    *_stamps(),
    *_hot("project"),
    _data(),
    sqlite_autoincrement=True,
)

#: Ids of deleted projects, which XNAT never gives out again.
retired_project = Table("retired_project", METADATA, Column("id", TEXT, primary_key=True))

role = Table(
    "role",
    METADATA,
    _ref("user_pk", "user"),
    _ref("project_pk", "project"),
    Column("name", TEXT, nullable=False),
    UniqueConstraint("user_pk", "project_pk"),
)

subject = Table(
    "subject",
    METADATA,
    _key(),
    Column("id", TEXT, nullable=False, unique=True),
    _ref("project_pk", "project"),
    Column("label", TEXT, nullable=False),
    *_stamps(),
    *_hot("subject"),
    _data(),
    sqlite_autoincrement=True,
)

subject_place = Table(
    "subject_place",
    METADATA,
    _ref("project_pk", "project"),
    _ref("subject_pk", "subject"),
    Column("label", TEXT, nullable=False),
    Column("owner", Boolean, nullable=False),
    UniqueConstraint("project_pk", "subject_pk"),
    UniqueConstraint("project_pk", "label"),
    Index("subject_place_subject", "subject_pk", "owner"),
)

experiment = Table(
    "experiment",
    METADATA,
    _key(),
    Column("id", TEXT, nullable=False, unique=True),
    _ref("project_pk", "project"),
    _ref("subject_pk", "subject"),
    # the session of an image assessor
    _ref("session_pk", "experiment", nullable=True),
    # session, image (an assessor of a session) or subject (of a subject)
    Column("kind", TEXT, nullable=False),
    Column("label", TEXT, nullable=False),
    Column("xsi_type", TEXT, nullable=False),
    *_stamps(),
    *_hot("experiment"),
    _data(),
    Index("experiment_project_kind", "project_pk", "kind"),
    Index("experiment_subject_kind", "subject_pk", "kind"),
    Index("experiment_kind", "kind"),
    sqlite_autoincrement=True,
)

experiment_place = Table(
    "experiment_place",
    METADATA,
    _ref("project_pk", "project"),
    _ref("experiment_pk", "experiment"),
    Column("label", TEXT, nullable=False),
    Column("owner", Boolean, nullable=False),
    # the experiment's: a project's listing picks its rows, in order, from an index alone
    Column("kind", TEXT, nullable=False),
    Index("experiment_place_listing", "project_pk", "kind", "experiment_pk"),
    UniqueConstraint("project_pk", "experiment_pk"),
    UniqueConstraint("project_pk", "label"),
    Index("experiment_place_experiment", "experiment_pk", "owner"),
)

scan = _part_of_session("scan")
reconstruction = _part_of_session("reconstruction")

#: Which column of `resource` names the owner, by the owner's table.
RESOURCE_OWNERS = ("project", "subject", "experiment", "scan", "reconstruction")

resource = Table(
    "resource",
    METADATA,
    _key(),
    *(Column(f"{owner}_pk", ForeignKey(f"{owner}.pk", ondelete="CASCADE")) for owner in RESOURCE_OWNERS),
    # in or out, of assessors and reconstructions; else empty
    Column("grouping", TEXT, nullable=False, default=""),
    Column("label", TEXT, nullable=False),
    Column("file_count", NUMBER, nullable=False, default=0),
    Column("file_size", NUMBER, nullable=False, default=0),
    Column("format", TEXT, nullable=False, default=""),
    Column("content", TEXT, nullable=False, default=""),
    Column("description", TEXT, nullable=False, default=""),
    Column("tags", TEXT, nullable=False, default=""),
    # ids are global and clients keep them: never given out twice
    sqlite_autoincrement=True,
)
for _owner in RESOURCE_OWNERS:
    _column = resource.c[f"{_owner}_pk"]
    Index(
        f"resource_{_owner}",
        _column,
        resource.c.grouping,
        resource.c.label,
        unique=True,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )

file = Table(
    "file",
    METADATA,
    _key(),
    _ref("resource_pk", "resource"),
    Column("path", TEXT, nullable=False),
    Column("size", NUMBER, nullable=False),
    Column("md5", TEXT, nullable=False),
    # name of the content below the file tree; contents are never changed, only replaced
    Column("blob", TEXT, nullable=False, unique=True),
    Column("format", TEXT, nullable=False, default=""),
    Column("content", TEXT, nullable=False, default=""),
    Column("tags", TEXT, nullable=False, default=""),
    Column("created_by", TEXT, nullable=False),
    Column("created_at", TEXT, nullable=False),
    UniqueConstraint("resource_pk", "path"),
)

#: Names of contents that no row of `file` owns: reserved for uploads, or given up (*since*, in seconds of the
#: epoch). Whatever is found under such a name when the archive starts is left over from a crash.
loose = Table("loose", METADATA, Column("blob", TEXT, primary_key=True), Column("since", Float))

#: A content is loose, or a row of `file` has it; never both, never neither. Cascading deletes count too.
_SQLITE_TRIGGERS = (
    """CREATE TRIGGER IF NOT EXISTS file_gone AFTER DELETE ON file BEGIN
        INSERT INTO loose (blob, since) VALUES (old.blob, strftime('%s', 'now'));
    END""",
    """CREATE TRIGGER IF NOT EXISTS file_replaced AFTER UPDATE OF blob ON file BEGIN
        INSERT INTO loose (blob, since) VALUES (old.blob, strftime('%s', 'now'));
        DELETE FROM loose WHERE blob = new.blob;
    END""",
    """CREATE TRIGGER IF NOT EXISTS file_added AFTER INSERT ON file BEGIN
        DELETE FROM loose WHERE blob = new.blob;
    END""",
)
_POSTGRES_TRIGGERS = (
    """CREATE FUNCTION file_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO loose (blob, since) VALUES (old.blob, extract(epoch from clock_timestamp()));
        END IF;
        IF TG_OP <> 'DELETE' THEN
            DELETE FROM loose WHERE blob = new.blob;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER file_changed AFTER INSERT OR DELETE OR UPDATE OF blob ON file
        FOR EACH ROW EXECUTE FUNCTION file_changed()""",
)
#: By the name of the database's dialect.
TRIGGERS = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRES_TRIGGERS}

#: What brings tables of version N to N + 1, in order, by dialect. New tables need no step: they are made when
#: missing.
STEPS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {},  # alias tokens got a table
}


def steps_from(version: int, to: int, dialect: str) -> list[str]:
    """Return the statements that bring tables of one version to another."""
    return [step for number in range(version, to) for step in STEPS[number].get(dialect, ())]


#: Last number given out, by letter (S for subjects, E for experiments).
sequence = Table(
    "sequence", METADATA, Column("letter", TEXT, primary_key=True), Column("last", NUMBER, nullable=False)
)

saved_search = Table(
    "saved_search",
    METADATA,
    Column("id", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("root_type", TEXT, nullable=False),
    Column("document", TEXT, nullable=False),
)

#: Alias tokens; their secrets are hashed.
alias_token = Table(
    "alias_token",
    METADATA,
    Column("alias", TEXT, primary_key=True),
    Column("secret_hash", TEXT, nullable=False),
    Column("login", TEXT, nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
)
