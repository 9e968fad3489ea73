"""User accounts and their roles in projects. Passwords are stored as scrypt hashes, never as text."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from cci.archive.store import schema
from cci.archive.store.items import Item
from cci.archive.store.prepared import Prepared

#: Rights of each role in a project; XNAT's own names.
ROLES = ("Owners", "Members", "Collaborators")
_SINGULAR = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}


@dataclass(frozen=True, kw_only=True)
class User:
    """A person or a service that may log in; *pk* 0 is the guest of an open archive."""

    pk: int
    login: str
    admin: bool = False
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    password_hash: str = ""


def hash_password(password: str) -> str:
    """Return a salted scrypt hash (RFC 7914) with its parameters."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


@cache
def no_password() -> str:
    """Return a hash of no known password: with it an unknown login takes as long as a wrong password."""
    return hash_password(secrets.token_hex(16))


def password_matches(password: str, stored: str) -> bool:
    """Whether this is the password that was hashed."""
    _, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=2**26)


def find_user(connection: Connection, login: str) -> User | None:
    """Find an account by its login name."""
    row = _user_query().first(connection, login=login)
    if row is None:
        return None
    values = {name: row[name] for name in ("pk", "login", "admin", "firstname", "lastname", "email")}
    return User(**values, password_hash=row["password"])


@cache
def _user_query() -> Prepared:
    return Prepared(select(schema.user).where(schema.user.c.login == bindparam("login")))


def users(connection: Connection) -> list[User]:
    """Return all accounts, by login name."""
    logins = connection.execute(select(schema.user.c.login).order_by(schema.user.c.login)).scalars().all()
    return [user for login in logins if (user := find_user(connection, login)) is not None]


def set_password(connection: Connection, login: str, password: str, *, admin: bool) -> User:
    """Create an account, or give it a new password; return the account."""
    hashed = hash_password(password)
    table = schema.user
    changed = connection.execute(update(table).where(table.c.login == login).values(password=hashed))
    if not changed.rowcount:
        connection.execute(insert(table).values(login=login, password=hashed, admin=admin))
    user = find_user(connection, login)
    assert user is not None
    return user


def set_person(connection: Connection, login: str, *, firstname: str, lastname: str, email: str) -> User:
    """Say whose account this is; return the account."""
    table = schema.user
    person = {"firstname": firstname, "lastname": lastname, "email": email}
    connection.execute(update(table).where(table.c.login == login).values(person))
    user = find_user(connection, login)
    assert user is not None
    return user


def role_name(word: str) -> str | None:
    """Return the proper name of a role (``Owners``) for any of the words that clients use."""
    lowered = word.lower().rsplit("_", 1)[-1]
    return next((role for role in ROLES if role.lower() == lowered), _SINGULAR.get(lowered))


def set_role(connection: Connection, user: User, project: Item, role: str) -> None:
    """Give a user a role in a project, in place of any other."""
    drop_role(connection, user, project)
    row = {"user_pk": user.pk, "project_pk": project.pk, "name": role}
    connection.execute(insert(schema.role).values(row))


def drop_role(connection: Connection, user: User, project: Item) -> None:
    """Take a user's role in a project away."""
    table = schema.role
    here = (table.c.user_pk == user.pk, table.c.project_pk == project.pk)
    connection.execute(delete(table).where(*here))


def members(connection: Connection, project: Item) -> list[tuple[str, User]]:
    """Return (role, user) for everyone with a role in a project."""
    table = schema.role
    query = (
        select(table.c.name, schema.user.c.login)
        .join(schema.user, schema.user.c.pk == table.c.user_pk)
        .where(table.c.project_pk == project.pk)
        .order_by(schema.user.c.login)
    )
    pairs = [(role, find_user(connection, login)) for role, login in connection.execute(query)]
    return [(role, user) for role, user in pairs if user is not None]


def role_in(connection: Connection, user: User, project_pk: int) -> str:
    """Return a user's role in a project, empty for none."""
    row = _role_query().first(connection, user=user.pk, project=project_pk)
    return "" if row is None else str(row["name"])


@cache
def _role_query() -> Prepared:
    table = schema.role
    here = (table.c.user_pk == bindparam("user"), table.c.project_pk == bindparam("project"))
    return Prepared(select(table.c.name).where(*here))


def roles_of(connection: Connection, user: User) -> list[tuple[str, str]]:
    """Return (project id, role) for each role of a user."""
    project, role = schema.project, schema.role
    query = select(project.c.id, role.c.name).join(role, role.c.project_pk == project.c.pk)
    rows = connection.execute(query.where(role.c.user_pk == user.pk).order_by(project.c.id))
    return [(row[0], row[1]) for row in rows]


def readable_projects(connection: Connection, user: User) -> frozenset[int] | None:
    """Return the keys of the projects whose data a user may read; None for all."""
    if user.admin:
        return None
    project, role = schema.project, schema.role
    mine = select(role.c.project_pk).where(role.c.user_pk == user.pk)
    query = select(project.c.pk).where(or_(project.c.pk.in_(mine), project.c.accessibility == "public"))
    return frozenset(connection.execute(query).scalars())


def projects_with_role(connection: Connection, user: User, roles: tuple[str, ...]) -> frozenset[int]:
    """Return the keys of the projects in which a user has one of these roles."""
    table = schema.role
    query = select(table.c.project_pk).where(table.c.user_pk == user.pk, table.c.name.in_(roles))
    return frozenset(connection.execute(query).scalars())


def projects_changed_since(connection: Connection, moment: str) -> frozenset[int]:
    """Return the keys of the projects in which something was written since a moment (as tables spell it)."""
    project = schema.project
    parts = (schema.subject, schema.experiment)
    changed = (select(part.c.project_pk).where(part.c.touched_at >= moment) for part in parts)
    written = or_(project.c.touched_at >= moment, *(project.c.pk.in_(keys) for keys in changed))
    return frozenset(connection.execute(select(project.c.pk).where(written)).scalars())
