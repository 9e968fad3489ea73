"""How large what comes in may be. Values only."""

from __future__ import annotations

from dataclasses import dataclass

_MB, _GB = 1 << 20, 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one request, in bytes unless said.

    Attributes
    ----------
    document
        A document, a form, a search.
    upload
        All files of one request together, as they come over the line.
    unpacked_least, unpacked_ratio
        An archive may unfold to so many bytes, or to so many times its own size, whichever is more. Images
        that are mostly air shrink to a hundredth; what shrinks further and is large is a bomb.
    members
        Number of files in one archive.
    """

    document: int = 64 * _MB
    upload: int = 64 * _GB
    unpacked_least: int = 2 * _GB
    unpacked_ratio: int = 100
    members: int = 200_000

    def unpacked(self, size: int) -> int:
        """Return what an archive of this size may unfold to."""
        return max(self.unpacked_least, size * self.unpacked_ratio)
