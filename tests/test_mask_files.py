"""Masks as a person draws them, pictures and polygons: what is black hides, what cannot be meant stops the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from gateway.camera.frame import Frame
from gateway.camera.mask import Mask
from gateway.errors import MaskError
from tests.masked import SQUARE, make_frame, survivors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.camera.frame import MainFormat

    Polygon = Sequence[tuple[float, float]]


def write_png(path: Path, hidden: NDArray[np.bool_]) -> Path:
    """Write a mask picture: black where hidden."""
    cv2.imwrite(str(path), np.where(hidden, 0, 255).astype(np.uint8))
    return path


@pytest.mark.parametrize("form", ["bgr", "yuv420", "nv12"])
@pytest.mark.parametrize("size", [(64, 36), (160, 90), (1280, 720)])
def test_a_picture_hides_what_is_black(tmp_path: Path, form: MainFormat, size: tuple[int, int]) -> None:
    """Every pixel that overlaps a black pixel of the mask is hidden, whatever the mask's own size; white is not."""
    width, height = size
    hidden = np.zeros((height, width), np.bool_)
    for row, column in ((3, 5), (height - 1, width - 1), (height // 2, width // 3)):
        hidden[row, column] = True
    mask = Mask(picture=write_png(tmp_path / "mask.png", hidden))
    frame = make_frame((320, 180), form, (640, 360))
    mask.burn(frame)
    wanted = {}
    for name, (w, h) in (("luma", (320, 180)), ("main", (640, 360))):
        wanted[name] = np.zeros((h, w), np.bool_)
        for row, column in np.argwhere(hidden):
            rows = slice(row * h // height, -(-(row + 1) * h // height))
            wanted[name][rows, column * w // width : -(-(column + 1) * w // width)] = True
    assert survivors(frame, wanted) == 0
    assert float((frame.luma == 0).mean()) < 0.05
    assert len(mask.hash) == 8


def test_polygons_and_picture_add_up(tmp_path: Path) -> None:
    """With both, both are hidden."""
    hidden = np.zeros((36, 64), np.bool_)
    hidden[:6] = True
    path = write_png(tmp_path / "mask.png", hidden)
    both = Mask([SQUARE], path).ignore((640, 360))
    assert np.array_equal(both, Mask([SQUARE]).ignore((640, 360)) | Mask(picture=path).ignore((640, 360)))


@pytest.mark.parametrize(
    ("polygon", "complaint"),
    [
        ([(0.1, 0.1), (0.2, 0.2)], "three corners"),
        ([(0.1, 0.1), (0.2, 0.2), (1.2, 0.1)], "outside"),
        ([(0.1, 0.1), (0.2, 0.2), (float("nan"), 0.1)], "outside"),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)], "no area"),
    ],
)
def test_a_polygon_that_cannot_be_meant(polygon: Polygon, complaint: str) -> None:
    """A polygon that hides nothing, or what is not there, is refused with its number and a hint."""
    with pytest.raises(MaskError, match=f"mask 2 .*{complaint}") as caught:
        Mask([SQUARE, polygon])
    assert caught.value.hint


def test_a_mask_file_that_is_gone(tmp_path: Path) -> None:
    """A missing mask file stops the pictures and says which file is meant."""
    with pytest.raises(MaskError, match=r"gone\.png.*No such file") as caught:
        Mask(picture=tmp_path / "gone.png")
    assert "no picture leaves" in caught.value.hint


def test_mask_files_that_are_broken(tmp_path: Path) -> None:
    """An empty, cut off, grey or transparent mask file, or a folder in its place, stops the pictures."""
    good = write_png(tmp_path / "good.png", np.indices((36, 64)).sum(axis=0) % 7 == 0)
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:-40])
    (tmp_path / "folder.png").mkdir()
    photograph = np.random.default_rng(1).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "photograph.png"), photograph)
    cv2.imwrite(str(tmp_path / "transparent.png"), np.zeros((36, 64, 4), np.uint8))
    cv2.imwrite(str(tmp_path / "deep.png"), np.zeros((36, 64), np.uint16))
    for name in ("empty", "cut", "folder", "photograph", "transparent", "deep"):
        with pytest.raises(MaskError, match=f"{name}.png") as caught:
            Mask(picture=tmp_path / f"{name}.png")
        assert caught.value.hint, name


def test_a_mask_of_another_shape(tmp_path: Path) -> None:
    """A mask drawn for 4:3 is refused for a picture of 16:9: it would hide the wrong place."""
    hidden = np.zeros((48, 64), np.bool_)
    hidden[10:20] = True
    mask = Mask(picture=write_png(tmp_path / "mask.png", hidden))
    mask.burn(make_frame((640, 480), "none", (0, 0)))
    with pytest.raises(MaskError, match="wide"):
        mask.burn(make_frame((640, 360), "none", (0, 0)))


@pytest.mark.parametrize("form", ["bgr", "yuv420", "nv12"])
def test_a_picture_that_is_not_what_it_says(form: MainFormat) -> None:
    """A main picture of another layout than its format's is refused, not burnt in the wrong place."""
    mask = Mask([SQUARE])
    frame = make_frame((80, 60), form, (160, 120))
    assert frame.main is not None
    for main, size in (
        (frame.main, (160, 118)),
        (frame.main, (162, 120)),
        (frame.main[:-2], (160, 120)),
        (np.repeat(frame.main, 2, axis=1)[:, ::2] if form != "bgr" else frame.main[..., :2], (160, 120)),
    ):
        with pytest.raises(MaskError, match="cannot be masked"):
            mask.burn(Frame(0, 0.0, frame.luma, main, form, size))
    with pytest.raises(MaskError, match="cannot be masked"):
        mask.burn(Frame(0, 0.0, frame.luma, frame.main, "none", (160, 120)))
