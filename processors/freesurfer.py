"""FreeSurfer: recon-all on the best T1 of a session, from an installation or a container image."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cci.processor import Output, Scan, SessionProcessor


class FreesurferProcessor(SessionProcessor):
    """Run recon-all on the best T1 of the session.

    The best T1 is a scan that is not marked unusable; of several the one of better quality, then of the type
    named first, then the one that has its NIFTI, then the last one taken.

    Parameters (in the settings, under ``parameters``): *freesurfer_home*, or *container* (an image) with
    *runtime*, or *recon_all* (a program); and *license*, the path of FreeSurfer's licence file.
    """

    name = "FreeSurfer"
    version = "7.0.0"
    inputs = (Scan("t1", type=["T1*", "MPRAGE*", "*MPRAGE*", "t1*"], resources=["NIFTI"]),)
    own_resources = MappingProxyType({"edits": "EDITS"})
    outputs = (
        Output("PDF", "report.pdf"),
        Output("DATA", "mri/aseg.mgz"),
        Output("STATS", "aseg.stats"),
        Output("STATS", "lh.aparc.stats"),
        Output("STATS", "rh.aparc.stats"),
        Output("STATS", "volumes.csv"),
        Output("STATS", "thickness.csv"),
        Output("LOG", "recon-all.log"),
        Output("SNAPSHOTS", "thumbnail.png"),
        Output("SNAPSHOTS", "large.png"),
    )
    walltime = timedelta(hours=24)
    memory_mb = 8192
    spider = "cci.spiders.freesurfer"
    parameters: Mapping[str, Any] = MappingProxyType({})

    def ready_here(self) -> str:
        """Check the installation or image and the licence before anything is submitted."""
        where = next(
            (key for key in ("freesurfer_home", "container", "recon_all") if self.parameters.get(key)), ""
        )
        if not where:
            return (
                "no FreeSurfer is configured: set freesurfer_home or container, and license, in the settings"
            )
        if not Path(self.parameters[where]).exists():
            return f"FreeSurfer is not there: {where} is {self.parameters[where]}"
        licence = self.parameters.get("license") or _beside(self.parameters.get("freesurfer_home"))
        if not licence:
            return "no FreeSurfer licence is configured: set license in the settings"
        if not Path(licence).is_file():
            return f"the FreeSurfer licence is not there: {licence}"
        return ""


def _beside(home: str | None) -> str:
    """Return where an installation keeps its licence."""
    return str(Path(home) / "license.txt") if home else ""
