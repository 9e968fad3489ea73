"""A workplace without an archive: real settings, ledger and local cluster, for what needs no archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cci import settings as configuration
from cci.daemon.workplace import Workplace, open_workplace

URL = "https://xnat.example.org"


@contextmanager
def quiet_workplace(home: Path, **sections: Any) -> Iterator[Workplace]:
    """Open a workplace below *home*, with these sections of the settings; nobody may ask its archive."""
    home.mkdir(exist_ok=True)
    login = home / "login.yaml"
    login.touch(mode=0o600)
    login.write_text("{user: u, password: p}")
    content: dict[str, Any] = {
        "archive": {"url": URL, "credentials": str(login)},
        "clusters": {"local": {"slots": 1, "memory_mb": 100}},
        **sections,
    }
    with open_workplace(configuration.build(content, home=home / "home")) as opened:
        yield opened
