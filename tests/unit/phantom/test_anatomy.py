"""The phantom's head: its grid, its tissue, and how it moves."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from cci.phantom import Head, head
from cci.phantom.acquisition import rigid, scanned_points, trajectory


def test_the_standard_head_is_at_three_millimetres() -> None:
    """The head's grid is 64 × 76 × 60 voxels of 3 mm in RAS+ order."""
    standard = head()
    found = (standard.shape, standard.voxel_mm, nibabel.aff2axcodes(standard.affine))
    assert ((64, 76, 60), 3.0, ("R", "A", "S")) == found


def test_fractions_are_fractions(coarse: Head) -> None:
    """Tissues fill between nothing and the whole of a voxel."""
    tissues = np.stack([coarse.white, coarse.grey, coarse.csf, coarse.skull, coarse.scalp])
    assert tissues.min() >= 0.0
    assert tissues.sum(axis=0).max() <= 1.01


def test_the_brain_has_the_size_of_the_template(coarse: Head) -> None:
    """The brain mask holds the 1.88 litres of the MNI152 template, which is larger than most brains."""
    litres = coarse.brain_mask.sum() * coarse.voxel_mm**3 / 1e6
    assert pytest.approx(1.88, abs=0.05) == litres


def test_a_smaller_head_holds_less_brain(coarse: Head) -> None:
    """The brain's volume shrinks with the third power of the head's size, and all of it stays in view."""
    small = head(6.0, size=0.9)
    assert pytest.approx(0.9**3, rel=0.02) == small.brain_mask.sum() / coarse.brain_mask.sum()


def test_white_matter_lies_inside_the_brain_and_scalp_outside(coarse: Head) -> None:
    """Every voxel that is mostly white matter is brain, none that is mostly scalp is."""
    assert coarse.brain_mask[coarse.white > 0.6].all()
    assert not coarse.brain_mask[coarse.scalp > 0.6].any()


def test_motion_begins_at_rest_and_stays_rigid(coarse: Head) -> None:
    """Volume 0 does not move, and every matrix keeps distances and handedness."""
    matrices = trajectory(np.random.default_rng(4), 30, 2.0, coarse.centre_mm)
    rotations = matrices[:, :3, :3]
    np.testing.assert_array_equal(np.eye(4), matrices[0])
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.stack([np.eye(3)] * 30), atol=1e-12
    )
    np.testing.assert_allclose(np.ones(30), np.linalg.det(rotations))


def test_no_motion_asked_for_is_none() -> None:
    """A peak of zero gives identity matrices."""
    still = trajectory(np.random.default_rng(4), 5, 0.0, np.zeros(3))
    np.testing.assert_array_equal(np.stack([np.eye(4)] * 5), still)


def test_a_scanned_point_is_found_again() -> None:
    """What a motion carries to a place is what the scanner sees at that place."""
    motion = rigid(np.array([1.0, -2.0, 3.0]), np.array([5.0, -4.0, 10.0]), np.array([0.0, -20.0, 10.0]))
    points = np.array([[10.0, 20.0, 30.0], [-50.0, 0.0, 7.0]])
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(points, scanned_points(moved, motion), atol=1e-12)
