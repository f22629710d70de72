"""The way of a frame: masks first, pictures withheld when they must be, alarms that end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.camera.frame import Exposure, Frame
from gateway.configuration.settings import CameraSettings
from gateway.eye.pipeline import Pipeline
from gateway.motion import Motion
from gateway.motion.detector import Detector
from gateway.wire.draft import Draft, Rank, uuid7

SIZE = (320, 180)
MAIN = (640, 360)


def walk(*, flash: tuple[int, int, int, int] | None = None) -> Iterator[Frame]:
    """Yield 100 colour frames in which a red thing crosses; `flash` (x, y, w, h) is white in the main picture."""
    rng = np.random.default_rng(8)
    ground = rng.integers(90, 130, (MAIN[1] // 12, MAIN[0] // 16), np.uint8).repeat(12, axis=0).repeat(16, axis=1)
    for number in range(100):
        main = np.repeat(ground[..., None], 3, axis=2).astype(np.int16) + rng.integers(
            -2, 3, (*ground.shape, 1), np.int16
        )
        main = np.clip(main, 0, 255).astype(np.uint8)
        if 50 <= number < 90:
            left = (number - 52) * 14
            main[140:240, max(left, 0) : left + 36] = (20, 20, 170)
        if flash is not None:
            x, y, w, h = flash
            main[y : y + h, x : x + w] = 255
        luma = np.asarray(
            cv2.resize(cv2.cvtColor(main, cv2.COLOR_BGR2GRAY), SIZE, interpolation=cv2.INTER_AREA), np.uint8
        )
        yield Frame(number, number / 15, luma, main, "bgr", MAIN)


def run(
    frames: Iterator[Frame], *, moved: bool = False, confirm_at: int = -1, **camera: Any
) -> tuple[Pipeline, list[Draft]]:
    """Take all frames through a pipeline, whose view is confirmed before one of them; return it and its drafts."""
    counter = itertools.count(1)
    drafts: list[Draft] = []
    plain_values = CameraSettings(**camera).model_dump(mode="json")
    pipeline = Pipeline(
        plain_values, SIZE, drafts.append, lambda _t: uuid7(next(counter), bytes(10)), simulated=True, moved=moved
    )
    for number, frame in enumerate(frames):
        if number == confirm_at:
            pipeline.confirm_view()
        pipeline.step(frame)
        pipeline.stills.work()
    pipeline.interrupt(5.0)
    pipeline.stills.work()
    return pipeline, drafts


def pictures(drafts: list[Draft]) -> list[NDArray[np.uint8]]:
    """Return all pictures, decoded."""
    found = [draft.picture for draft in drafts if draft.picture is not None]
    return [np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8) for jpeg in found]


def test_a_walk_gives_one_episode_with_a_coloured_picture() -> None:
    """One thing that crosses gives one episode, and its picture shows it in colour."""
    _, drafts = run(walk())
    assert [draft.phase for draft in drafts if draft.kind == "motion"][:1] == ["start"]
    assert len({draft.episode for draft in drafts if draft.kind == "motion"}) == 1
    shown = pictures(drafts)
    assert shown
    assert max(int(picture[..., 2].max()) - int(picture[..., 1].min()) for picture in shown) > 100


def test_every_frame_is_given_back() -> None:
    """Each frame's buffers go back to the camera, once, also when a stage fails."""
    given = []
    frame = next(walk())
    frame._release = lambda: given.append(frame.number)
    run(iter([frame]))
    broken = Frame(1, 0.1, np.zeros((5, 5), np.uint8), _release=lambda: given.append(1))
    with pytest.raises(ValueError, match="5"):
        run(iter([broken]))
    assert given == [0, 1]


def test_masks_come_before_everything() -> None:
    """What a mask hides is neither found nor shown; without the mask both happen (control)."""
    hide = [[(0.0, 0.3), (1.0, 0.3), (1.0, 0.75), (0.0, 0.75)]]
    _, masked = run(walk(), masks=hide)
    _, open_ = run(walk())
    assert masked == []
    assert open_


def test_no_hidden_pixel_is_in_a_picture() -> None:
    """A white part that the mask hides is white in no picture; unmasked it is, in the same crops (control)."""
    x, y, w, h = flash = (64, 112, 48, 16)
    left, top, right, bottom = x / MAIN[0], y / MAIN[1], (x + w) / MAIN[0], (y + h) / MAIN[1]
    hide = [[(left, top), (right, top), (right, bottom), (left, bottom)]]
    _, masked = run(walk(flash=flash), masks=hide, update_s=1)
    _, open_ = run(walk(flash=flash), update_s=1)
    assert pictures(masked)
    assert max(picture.min(axis=2).max() for picture in pictures(masked)) < 200
    assert max(picture.min(axis=2).max() for picture in pictures(open_)) > 240


def test_a_broken_mask_fails_closed(tmp_path: Path) -> None:
    """With a mask file that is gone, events go on and no picture is made."""
    pipeline, drafts = run(walk(), mask_file=tmp_path / "gone.png")
    assert pipeline.fault is not None
    assert "gone.png" in str(pipeline.fault)
    assert pipeline.fault.hint
    assert drafts
    assert pictures(drafts) == []


def test_a_mask_that_breaks_on_the_way_fails_closed() -> None:
    """When a frame comes in a layout that cannot be masked, no picture of it or of any later frame leaves."""

    def bent() -> Iterator[Frame]:
        for frame in walk():
            if frame.number == 5:
                frame.main_size = (638, 360)
            yield frame

    pipeline, drafts = run(bent(), masks=[[(0, 0), (0.1, 0), (0.1, 0.1)]])
    assert pipeline.fault is not None
    assert pictures(drafts) == []


def test_a_moved_view_holds_pictures_until_confirmed() -> None:
    """A view that moved in an earlier run sends events without pictures until a person confirms it."""
    pipeline, drafts = run(walk(), moved=True)
    assert drafts
    assert pictures(drafts) == []
    views = [(draft.phase, draft.body["state"], draft.rank) for draft in drafts if draft.kind == "view"]
    assert views == [("start", "moved", Rank.ALARM), ("end", "off", Rank.ALARM)], "said by the run that finds it so"
    pipeline.confirm_view()
    assert not pipeline.moved
    assert pipeline.stills.withheld == ""


def test_the_view_event_of_an_earlier_run_ends_when_it_is_confirmed() -> None:
    """After a restart it is open from the first picture on, and a person's confirmation ends it, once."""
    _, drafts = run(walk(), moved=True, confirm_at=20)
    views = [draft for draft in drafts if draft.kind == "view"]
    assert [(draft.phase, draft.body["state"]) for draft in views] == [("start", "moved"), ("end", "ok")]
    assert views[0].episode == views[1].episode
    assert drafts[0] == views[0]
    assert pictures(drafts)
    assert [draft for draft in run(walk())[1] if draft.kind == "view"] == [], "the control: nothing moved"


def test_an_alarm_zone_makes_alarms() -> None:
    """In a zone marked alarm all phases are rank 0, and the picture is an alarm's."""
    zone = {"id": "lane", "purpose": "fire-lane", "severity": "high", "alarm": True}
    _, drafts = run(walk(), zones=[zone])
    motion = [draft for draft in drafts if draft.kind == "motion"]
    assert {draft.rank for draft in motion} == {Rank.ALARM}
    assert all(draft.alarm for draft in drafts)


@pytest.mark.parametrize("repaired", [True, False])
def test_a_frozen_camera_that_is_opened_anew_raises_no_second_alarm(*, repaired: bool) -> None:
    """The first frame after it was opened anew ends the matter, however soon it comes; the same picture does not."""
    rng = np.random.default_rng(3)
    ground = rng.integers(40, 200, (18, 32), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    frames = [ground + rng.integers(0, 3, ground.shape, np.uint8) for _ in range(40)]
    frames += [frames[-1]] * 401  # a look, then the camera is opened anew, and its first frame follows at once
    counter = itertools.count(1)
    drafts: list[Draft] = []
    values = CameraSettings().model_dump(mode="json")
    pipeline = Pipeline(values, SIZE, drafts.append, lambda _t: uuid7(next(counter), bytes(10)), simulated=True)
    for number, luma in enumerate(frames):
        pipeline.step(Frame(number, number / 10, luma))
    pipeline.interrupt(44.05)
    for number in range(441, 460):
        luma = ground + rng.integers(0, 3, ground.shape, np.uint8) if repaired else frames[-1]
        pipeline.step(Frame(number, number / 10, luma))
    phases = [draft.phase for draft in drafts if draft.kind == "view"]
    assert phases == (["start", "end"] if repaired else ["start", "end", "start"])


def test_an_open_view_alarm_ends_with_the_camera() -> None:
    """When the camera stops while its view is wrong, the view's alarm ends too, as `off`: nobody looks any more."""
    pipeline, drafts = run(walk())
    frame = next(walk())
    motion = pipeline.step(Frame(100, 10.0, frame.luma))
    pipeline._see_view(motion._replace(view="covered"))  # the core takes half a minute to be sure of it
    pipeline.interrupt(20.0)
    said = [(draft.phase, draft.body["state"]) for draft in drafts if draft.kind == "view"]
    assert said == [("start", "covered"), ("end", "off")]
    assert len({draft.episode for draft in drafts if draft.kind == "view"}) == 1


class Attentive(Detector):
    """The motion core, which also keeps what it is told of the exposure."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.told: list[dict[str, float | None]] = []

    def step(self, luma: NDArray[np.uint8], t: float, **told: float | None) -> Motion:
        """Take a frame."""
        self.told.append(told)
        return super().step(luma, t, **told)


@pytest.mark.parametrize(
    ("exposure", "told"),
    [
        (Exposure(9_000.0, 3.0, 120.0, (1.6, 2.1)), {"exposure_us": 9_000.0, "gain": 3.0, "lux": 120.0}),
        (Exposure(gain=2.0), {"exposure_us": None, "gain": 2.0, "lux": None}),
        (None, {"exposure_us": None, "gain": None, "lux": None}),
    ],
)
def test_the_exposure_reaches_the_motion_core(exposure: Exposure | None, told: dict[str, float | None]) -> None:
    """What a camera says of its exposure is handed to the core with the frame that was exposed so, and no more."""
    pipeline = Pipeline(CameraSettings().model_dump(mode="json"), SIZE, lambda _draft: None, lambda _t: "")
    pipeline.detector = core = Attentive(*SIZE)
    first, second = itertools.islice(walk(), 2)
    pipeline.step(replace(first, exposure=exposure))
    pipeline.step(second)
    assert core.told == [told, {"exposure_us": None, "gain": None, "lux": None}]
