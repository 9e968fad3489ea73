"""The login at an archive, from a private file, systemd's credentials or ``~/.netrc``; never printed."""

from __future__ import annotations

import json
import netrc
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import SecretStr

from cci.errors import SettingsError
from cci.settings import ArchiveSettings


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A login. The password never shows in a repr."""

    user: str
    password: SecretStr
    origin: str


def read_credentials(archive: ArchiveSettings) -> Credentials:
    """Find the login: the credentials file, systemd credentials, then ``~/.netrc``.

    Raises
    ------
    SettingsError
        If there is none, or the file may be read by others.
    """
    if archive.credentials is not None:
        return _from_file(archive.credentials.expanduser())
    return (
        _from_systemd()
        or _from_netrc(archive.url)
        or _no_credentials(urlsplit(archive.url).hostname or archive.url)
    )


def _no_credentials(host: str) -> Credentials:
    raise SettingsError(
        f"no login for {host}",
        hint=f"add 'machine {host} login USER password PASSWORD' to ~/.netrc (mode 0600), "
        "or name a file under archive.credentials",
    )


def _from_file(path: Path) -> Credentials:
    refuse_open_file(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        user, password = str(content["user"]), str(content["password"])
    except OSError as error:
        raise SettingsError(f"cannot read the credentials {path}: {error.strerror}") from error
    except (yaml.YAMLError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} must hold 'user:' and 'password:'") from error
    return Credentials(user=user, password=SecretStr(password), origin=str(path))


def refuse_open_file(path: Path) -> None:
    """Refuse a secret that others may read.

    Raises
    ------
    SettingsError
        If group or others have any right to the file.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"cannot read the credentials {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(
            f"{path} may be read by others (mode {mode & 0o777:04o})", hint=f"chmod 600 {path}"
        )


def _from_systemd() -> Credentials | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or not (Path(folder) / "xnat-password").is_file():
        return None
    user = (Path(folder) / "xnat-user").read_text(encoding="utf-8").strip()
    password = (Path(folder) / "xnat-password").read_text(encoding="utf-8").strip()
    return Credentials(user=user, password=SecretStr(password), origin="systemd credentials")


def _from_netrc(url: str) -> Credentials | None:
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    if not path.is_file():
        return None
    refuse_open_file(path)
    try:
        entry = netrc.netrc(str(path)).authenticators(urlsplit(url).hostname or "")
    except netrc.NetrcParseError as error:
        raise SettingsError(f"{path}: {error.msg} (line {error.lineno})") from error
    if entry is None:
        return None
    return Credentials(user=entry[0] or "", password=SecretStr(entry[2] or ""), origin=str(path))
