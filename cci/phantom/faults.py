"""Makers of bad data: what arrives in an archive when a disk, a transfer or a person fails."""

from __future__ import annotations

from pathlib import Path

from cci.phantom.series import Series, Volume


def corrupt(path: Path) -> None:
    """Overwrite the middle of a file; its size and first bytes stay, so that only reading it all tells."""
    content = bytearray(path.read_bytes())
    start, length = len(content) // 2, max(1, len(content) // 16)
    content[start : start + length] = bytes(byte ^ 0x5A for byte in content[start : start + length])
    path.write_bytes(content)


def truncate(path: Path, *, keep: float = 0.5) -> None:
    """Cut a file down to the fraction *keep* of its size, as an interrupted transfer does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def drop_last_value(path: Path) -> None:
    """Take the last value from the last row of an FSL ``.bval`` or ``.bvec`` file."""
    rows = path.read_text(encoding="ascii").splitlines()
    rows[-1] = " ".join(rows[-1].split()[:-1])
    path.write_text("\n".join(rows) + "\n", encoding="ascii")


def only_volume(series: Series, volume: int = 0) -> Volume:
    """Return one volume of *series*, as if the scan had been stopped after it."""
    return Volume(
        data=series.data[..., volume],
        affine=series.affine,
        tr_s=series.tr_s,
        te_s=series.te_s,
        description=series.description,
    )
