"""What one look of ``cci doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was looked at and seen: *good* is None where it is only worth knowing."""

    name: str
    good: bool | None
    detail: str
    hint: str = ""

    @property
    def verdict(self) -> str:
        """Return ``ok``, ``warn`` or ``fail``."""
        return {True: "ok", None: "warn", False: "fail"}[self.good]
