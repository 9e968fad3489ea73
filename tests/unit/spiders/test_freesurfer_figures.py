"""Surfaces over images: where a plane cuts them, and that they lie where the image says."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.freesurfer import write_geometry
from nibabel.freesurfer.mghformat import MGHImage
from support.stand_in_freesurfer_tree import icosphere

from cci.spiders.freesurfer_figures import cut, load_scene
from cci.spiders.staging import BadInput


def test_a_cut_through_a_sphere_is_a_circle() -> None:
    """Every end of every line lies on the circle that the plane cuts out."""
    vertices, faces = icosphere(5)
    ends = cut(vertices, faces, 2, 0.6).reshape(-1, 2)
    assert np.allclose(0.8, np.linalg.norm(ends, axis=1), atol=2e-3)


def test_a_cut_is_closed() -> None:
    """Every end of a line is the end of exactly one other line."""
    vertices, faces = icosphere(3)
    ends = np.round(cut(vertices, faces, 0, 0.3).reshape(-1, 2), 9)
    _, counts = np.unique(ends, axis=0, return_counts=True)
    assert {2} == set(counts.tolist())


def test_a_plane_through_vertices_cuts_each_triangle_once_or_never() -> None:
    """A vertex on the plane counts as above it, so that the outline stays closed there too."""
    vertices, faces = icosphere(2)
    lines = cut(vertices, faces, 2, float(vertices[5, 2]))
    assert np.isfinite(lines).all()


def test_a_plane_beside_the_surface_cuts_nothing() -> None:
    """Where there is no surface there is no line."""
    vertices, faces = icosphere(1)
    assert (0, 2, 2) == cut(vertices, faces, 1, 1.5).shape


@pytest.mark.parametrize("orientation", ["LIA", "RAS", "PSR"])
def test_a_surface_lies_where_its_image_has_the_tissue(tmp_path: Path, orientation: str) -> None:
    """A ball in the image and the same ball as a surface coincide, however the grid is turned."""
    _write_ball(tmp_path, orientation, centre_mm=np.array([12.0, -7.0, 5.0]), radius_mm=9.0)
    scene = load_scene(tmp_path)
    bright = np.argwhere(scene.volume.data > 50)
    surface = scene.surfaces[0].vertices
    assert np.allclose(bright.mean(axis=0), surface.mean(axis=0), atol=0.1)


def test_right_is_right(tmp_path: Path) -> None:
    """A surface on the subject's right has the larger index along the first axis of the picture."""
    _write_ball(tmp_path, "LIA", centre_mm=np.array([12.0, 0.0, 0.0]), radius_mm=5.0)
    scene = load_scene(tmp_path)
    middle = (scene.volume.data.shape[0] - 1) / 2
    assert scene.surfaces[0].vertices[:, 0].min() > middle


def test_a_surface_that_cannot_be_read_is_named_so(tmp_path: Path) -> None:
    """A damaged output ends in a sentence, not in a traceback."""
    _write_ball(tmp_path, "LIA", centre_mm=np.zeros(3), radius_mm=5.0)
    (tmp_path / "surf" / "rh.pial").write_bytes(b"\xff\xff")
    with pytest.raises(BadInput) as caught:
        load_scene(tmp_path)
    assert "corrupt-output" == caught.value.code


def _write_ball(root: Path, orientation: str, *, centre_mm: np.ndarray, radius_mm: float) -> None:
    """Write T1.mgz with a bright ball, and the ball as all four surfaces.

    The centre is in surface coordinates; the grid is off-centre in the scanner, so that these differ from the
    scanner's.
    """
    (root / "mri").mkdir()
    (root / "surf").mkdir()
    shape = (40, 48, 44)
    turn = nib.orientations.axcodes2ornt(tuple(orientation))
    affine = nib.orientations.inv_ornt_aff(turn, shape)
    affine = np.array([[1, 0, 0, 30.0], [0, 1, 0, -11.0], [0, 0, 1, 4.0], [0, 0, 0, 1]]) @ affine
    header = MGHImage(np.zeros(shape, dtype=np.float32), affine).header
    points = apply_affine(header.get_vox2ras_tkr(), np.moveaxis(np.indices(shape), 0, -1))
    ball = np.linalg.norm(points - centre_mm, axis=-1) <= radius_mm
    nib.save(MGHImage(np.where(ball, 100, 0).astype(np.float32), affine), root / "mri" / "T1.mgz")
    vertices, faces = icosphere(3)
    for name in ("lh.white", "rh.white", "lh.pial", "rh.pial"):
        write_geometry(root / "surf" / name, centre_mm + radius_mm * vertices, faces)
