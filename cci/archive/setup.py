"""What the first start of an archive does: it makes the administrator. Later starts find one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cci.archive.store import accounts
from cci.archive.store.accounts import User
from cci.archive.store.store import Store

#: Where a made-up password is left, below the archive's folder.
PASSWORD_FILE = "admin.password"  # noqa: S105 -- the name of the file


def ensure_administrator(store: Store, login: str = "admin", password: str = "") -> User:
    """Make the administrator's account if it is missing, or give it a new password; return the account.

    Parameters
    ----------
    password
        Empty: the present one stays; a new account gets a made-up one, left in `PASSWORD_FILE`, readable by
        the owner of the process alone.
    """
    with store.database.read() as connection:
        known = accounts.find_user(connection, login)
    if known is not None and not password:
        return known
    if not password:
        password = secrets.token_urlsafe(18)
        _write_secret(store.root / PASSWORD_FILE, password)
    with store.database.write() as connection:
        return accounts.set_password(connection, login, password, admin=True)


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(secret + "\n")
