"""What a person can ask of caps: see them with what is in use, set one at run time, give one back."""

from __future__ import annotations

from dataclasses import dataclass

from cci.daemon.caps import Cap, caps_of, in_use
from cci.daemon.control import person
from cci.daemon.workplace import Workplace
from cci.errors import UsageError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A cap, what the settings say of it, and how much of it is in use now."""

    cap: Cap
    in_settings: int | None
    used: int


def limits(workplace: Workplace) -> list[Limit]:
    """Return every cap that there can be, and those set at run time for what the settings no longer have."""
    by_settings = caps_of(workplace.settings)
    used = in_use(workplace.ledger.open_counts(workplace.url))
    caps = caps_of(workplace.settings, workplace.ledger.set_caps())
    return [
        Limit(cap=cap, in_settings=by_settings[name].value if name in by_settings else None, used=used[name])
        for name, cap in caps.items()
    ]


def set_limit(workplace: Workplace, name: str, value: int) -> Limit:
    """Set a cap for all processes of this ledger from their next start on, until it is given back.

    Parameters
    ----------
    value
        At most so many; 0 lets nothing start. Jobs that are open already go on.

    Raises
    ------
    UsageError
        There is no such cap.
    """
    known = caps_of(workplace.settings)
    if name not in known:
        hint = "`cci limit` lists them: total, pending, project:P, processor:X, cluster:C, pending:C"
        raise UsageError(f"there is no cap '{name}'{did_you_mean(name, known)}", hint=hint)
    workplace.ledger.set_cap(name, value, who=person())
    return _one(workplace, name)


def unset_limit(workplace: Workplace, name: str) -> Limit:
    """Give a cap back to the settings.

    Raises
    ------
    UsageError
        It was not set at run time.
    """
    if not workplace.ledger.unset_cap(name):
        raise UsageError(f"the cap '{name}' was not set at run time", hint="`cci limit` says which were")
    return _one(workplace, name)


def _one(workplace: Workplace, name: str) -> Limit:
    gone = Limit(cap=Cap(name=name), in_settings=None, used=0)
    return next((one for one in limits(workplace) if one.cap.name == name), gone)
