"""The pipeline that the README shows works as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel
import numpy as np
from support.lab import MakeLab

README = Path(__file__).parents[2] / "README.md"


def test_pipeline_of_the_readme(make_lab: MakeLab) -> None:
    """Two files beside the settings are enough: the processor is loaded and its spider found (row C6)."""
    lab = make_lab()
    text = README.read_text()
    processor, spider = re.findall(
        r"```python\n(.*?)```", text.partition("## Write a pipeline")[2], re.DOTALL
    )
    folder = lab.home / "my_lab"
    folder.mkdir()
    (folder / "pipeline.py").write_text(processor)
    (folder / "count.py").write_text(spider)
    image = lab.home / "t1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), dtype=np.int16), np.eye(4)), image)
    scan = lab.fill.scan(lab.fill.session(lab.project, "S1", "E1"), "1", type="T1w", quality="usable")
    lab.fill.files(scan, "NIFTI", {"t1.nii.gz": image.read_bytes()})
    lab.change_settings(
        processors={"count": {"use": "my_lab/pipeline.py:CountProcessor"}}, projects={lab.project: ["count"]}
    )
    lab.sweep()
    task = lab.task(processor="count")

    assert ("COMPLETE", "") == (task["status"], task["reason"])
    assert b"name,value\nvoxels,120\n" == lab.files(task, "STATS")["count.csv"]
