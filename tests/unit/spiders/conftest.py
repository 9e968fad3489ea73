"""Directories for the job runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runner import JobMaker, job_maker


@pytest.fixture
def make_job(tmp_path: Path) -> JobMaker:
    """Make job directories that run a line of shell."""
    return job_maker(tmp_path)
