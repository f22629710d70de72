"""Stills: the crop, its size and bytes, and that no draft waits or is lost for want of a picture."""

from __future__ import annotations

import hashlib
import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from gateway.camera.frame import Frame, MainFormat
from gateway.events.still import JOBS, LARGEST, SMALLEST_CROP, Stills, crop_of, encode
from gateway.motion import Box
from gateway.wire.draft import Draft, Phase, Rank, uuid7

LIMIT = 40 * 1024
MAIN = (1280, 720)


def scene(*, size: tuple[int, int] = MAIN, colour: tuple[int, int, int] = (40, 90, 200)) -> NDArray[np.uint8]:
    """Return a BGR picture of noise with a coloured square in its middle."""
    width, height = size
    rng = np.random.default_rng(1)
    picture = rng.integers(100, 120, (height, width, 3), np.uint8)
    picture[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3] = colour
    return picture


def frame(form: MainFormat, picture: NDArray[np.uint8] | None = None, *, padding: int = 0) -> Frame:
    """Return a frame that shows `picture` in a format, with padded rows."""
    bgr = scene() if picture is None else picture
    height, width = bgr.shape[:2]
    luma = np.ascontiguousarray(cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), (640, 360)), np.uint8)
    if form == "none":
        return Frame(0, 0.0, luma)
    if form == "bgr":
        return Frame(0, 0.0, luma, bgr, "bgr", (width, height))
    planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma_size, quarter = width * height, width * height // 4
    y = planar[:luma_size].reshape(height, width)
    u = planar[luma_size : luma_size + quarter].reshape(height // 2, width // 2)
    v = planar[luma_size + quarter :].reshape(height // 2, width // 2)
    stride = width + padding
    main = np.full((height * 3 // 2, stride), 77, np.uint8)
    main[:height, :width] = y
    flat = main.reshape(-1)
    if form == "nv12":
        pairs = flat[height * stride :].reshape(height // 2, stride // 2, 2)
        pairs[:, : width // 2, 0], pairs[:, : width // 2, 1] = u, v
    else:
        start, length = height * stride, height // 2 * (stride // 2)
        flat[start : start + length].reshape(height // 2, stride // 2)[:, : width // 2] = u
        flat[start + length : start + 2 * length].reshape(height // 2, stride // 2)[:, : width // 2] = v
    return Frame(0, 0.0, luma, main, form, (width, height))


def stills(posted: list[Draft], *, limit: int = LIMIT, slots: int = 4) -> Stills:
    """Return stills that post into a list."""
    counter = itertools.count(1)
    return Stills(posted.append, limit=limit, new_id=lambda _t: uuid7(next(counter), bytes(10)), slots=slots)


def draft(episode: str = "e1", phase: Phase = "end") -> Draft:
    """Return the draft of an end."""
    return Draft(f"id-{episode}-{phase}", Rank.END, "motion", "cam0", 1.0, episode, phase, body={"phase": phase})


def decoded(jpeg: bytes | None) -> NDArray[np.uint8]:
    """Return a JPEG's pixels in BGR."""
    assert jpeg is not None
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize(("form", "padding"), [("bgr", 0), ("yuv420", 0), ("yuv420", 64), ("nv12", 0), ("nv12", 64)])
def test_the_crop_has_the_colours_of_the_scene(form: MainFormat, padding: int) -> None:
    """A still from any format, padded or not, shows the thing in its colours."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame(form, padding=padding), Box(0.4, 0.4, 0.2, 0.2))
    room.illustrate(draft())
    room.work()
    picture = decoded(posted[1].picture)
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 2].astype(int)
    assert np.abs(middle - (40, 90, 200)).max() < 12


def test_a_source_without_colour_gives_a_grey_still() -> None:
    """Where there is no main picture the still falls back to luma."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("none"), Box(0.4, 0.4, 0.2, 0.2))
    room.illustrate(draft())
    room.work()
    picture = decoded(posted[1].picture).astype(int)
    assert np.ptp(picture, axis=2).max() == 0


def test_the_end_carries_its_pictures_hash() -> None:
    """The end says hash, length and size of the picture that follows it in the media lane, under the episode's id."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    room.illustrate(draft())
    room.work()
    end, media = posted
    assert media.picture is not None
    height, width = decoded(media.picture).shape[:2]
    assert end.body["picture"] == {
        "sha256": hashlib.sha256(media.picture).hexdigest(),
        "bytes": len(media.picture),
        "w": width,
        "h": height,
    }
    assert (media.kind, media.rank, media.episode) == ("media", Rank.PICTURE, "e1")
    assert media.body["box"] == [0.4, 0.4, 0.1, 0.1]


def test_a_better_picture_replaces_a_kept_one() -> None:
    """Only a clearly larger view is copied; one that the picture's edge cuts is worth less."""
    room = stills([])
    small, large, cut = Box(0.4, 0.4, 0.05, 0.1), Box(0.4, 0.4, 0.1, 0.2), Box(0.0, 0.4, 0.12, 0.25)
    kept = []
    for box in (small, large, cut, small):
        room.keep("e1", frame("bgr"), box)
        kept.append(room._kept["e1"].facts["box"])
    assert kept == [list(small), list(large), list(large), list(large)]


def test_a_picture_is_sent_once_and_again_only_when_better() -> None:
    """After an update with a picture, the end has one only if a better view came since."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.05, 0.1))
    assert room.fresh("e1")
    room.illustrate(draft(phase="update"))
    assert not room.fresh("e1")
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.05, 0.1))
    assert not room.fresh("e1")
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.1, 0.2))
    assert room.fresh("e1")
    room.illustrate(draft())
    room.work()
    assert [each.kind for each in posted] == ["motion", "media", "motion", "media"]


@pytest.mark.parametrize("limit", [4 * 1024, 20 * 1024, 59 * 1024])
def test_no_still_is_longer_than_its_limit(limit: int) -> None:
    """Noise is made coarser, then smaller, until it fits; at full quality it does not (control)."""
    noise = np.random.default_rng(2).integers(0, 255, (480, 640, 3), np.uint8)
    jpeg, _ = encode(noise, limit)
    assert len(jpeg) <= limit
    fine, whole = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert fine
    assert whole.size > 59 * 1024


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_crop_lies_in_the_picture(x: float, y: float, w: float, h: float) -> None:
    """Any box gives a crop of even numbers within the picture that holds the box's middle."""
    box = Box(x, y, min(w, 1 - x), min(h, 1 - y))
    left, top, width, height = crop_of(box, *MAIN)
    assert left >= 0 <= top
    assert left + width <= MAIN[0]
    assert top + height <= MAIN[1]
    assert [value % 2 for value in (left, top, width, height)] == [0, 0, 0, 0]
    assert width >= SMALLEST_CROP <= height
    assert left - 2 <= (box.x + box.w / 2) * MAIN[0] <= left + width + 2


def test_a_still_is_never_enlarged_and_large_ones_are_reduced() -> None:
    """A small thing keeps its pixels; a thing that fills the picture is reduced to the largest size."""
    for box, largest in ((Box(0.5, 0.5, 0.02, 0.04), (SMALLEST_CROP, SMALLEST_CROP)), (Box(0, 0, 1, 1), LARGEST)):
        posted: list[Draft] = []
        room = stills(posted)
        room.keep("e1", frame("yuv420"), box)
        room.illustrate(draft())
        room.work()
        height, width = decoded(posted[1].picture).shape[:2]
        assert width <= largest[0]
        assert height <= largest[1]


def test_more_episodes_than_buffers_lose_pictures_not_events() -> None:
    """When all buffers are taken the end still comes, without picture, and the loss is counted."""
    posted: list[Draft] = []
    room = stills(posted, slots=2)
    for number in range(4):
        room.keep(f"e{number}", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    for number in range(4):
        room.illustrate(draft(f"e{number}"))
    room.work()
    ends = [each for each in posted if each.kind == "motion"]
    assert [each.body["picture"] is None for each in ends] == [False, False, True, True]
    assert room.dropped == 2


def test_buffers_come_back() -> None:
    """Many episodes one after another use the same few buffers: every one has its picture."""
    posted: list[Draft] = []
    room = stills(posted, slots=2)
    for number in range(20):
        room.keep(f"e{number}", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
        room.illustrate(draft(f"e{number}"))
        room.work()
    assert len([each for each in posted if each.picture]) == 20


def test_a_slow_encoder_costs_pictures_not_events() -> None:
    """When more drafts wait than JOBS, further ones leave without a picture; none is lost."""
    posted: list[Draft] = []
    room = stills(posted, slots=JOBS + 8)
    for number in range(JOBS + 5):
        room.keep(f"e{number}", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
        room.illustrate(draft(f"e{number}"))
    room.work()
    assert len([each for each in posted if each.kind == "motion"]) == JOBS + 5
    assert len([each for each in posted if each.picture]) == JOBS


@pytest.mark.parametrize("reason", ["mask", "moved", "view"])
def test_what_is_withheld_does_not_leave(reason: str) -> None:
    """While pictures are withheld none is kept or sent, also none that was kept before; events go on."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    room.withhold(reason, 100.0)
    room.keep("e2", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    room.illustrate(draft("e1"))
    room.illustrate(draft("e2"))
    room.work()
    assert [each.body["picture"] for each in posted] == [None, None]


@pytest.mark.parametrize(
    ("age", "late", "leaves"),
    [(0.4, True, False), (60.0, True, True), (0.4, False, True)],
    ids=["just before", "long before", "nothing is hidden"],
)
def test_what_was_kept_just_before_a_suspicion_does_not_leave_when_it_passes(
    *, age: float, late: bool, leaves: bool
) -> None:
    """A knock is suspected a moment late: a picture of that moment may show what masks hide; older ones are sound."""
    posted: list[Draft] = []
    room = stills(posted)
    taken = frame("bgr")
    room.keep("e1", taken, Box(0.4, 0.4, 0.1, 0.1))
    room.withhold("view", taken.mono + age, late=late)
    room.withhold("view", taken.mono + age + 0.1, late=late)
    room.withhold("", taken.mono + age + 2.0)
    assert room.fresh("e1") is leaves
    room.illustrate(draft("e1"))
    room.work()
    assert (posted[0].body["picture"] is not None) is leaves
    room.keep("e2", taken, Box(0.4, 0.4, 0.1, 0.1))  # the control: afterwards pictures are kept again
    room.illustrate(draft("e2"))
    room.work()
    assert posted[-1].picture is not None


def test_withholding_reaches_what_already_waits() -> None:
    """A picture that waits for its encoder when the view becomes suspect is not made."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    room.illustrate(draft())
    room.withhold("view", 100.0)
    room.work()
    assert [each.kind for each in posted] == ["motion"]


def test_an_end_names_the_picture_that_went_out_before() -> None:
    """When the best picture left with an update, the end says so; without any picture it says null (control)."""
    posted: list[Draft] = []
    room = stills(posted)
    room.keep("e1", frame("bgr"), Box(0.4, 0.4, 0.1, 0.1))
    room.illustrate(draft(phase="update"))
    room.illustrate(draft())
    room.illustrate(draft("e2"))
    room.work()
    update, _, end, bare = posted
    assert end.body["picture"] == update.body["picture"] is not None
    assert bare.body["picture"] is None
