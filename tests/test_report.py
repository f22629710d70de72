"""The report of a replay: everything that was said is on the page, with its very picture; nothing else is needed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.cli import main
from gateway.errors import GatewayError
from gateway.replay.replay import Outputs, replay
from tests.running import make_clip

SIZE = (320, 180)


@dataclass
class Page(HTMLParser):
    """What a browser would find on the page."""

    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    bands: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    text: str = ""
    script: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._card = ""
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag shows or asks for."""
        has = {name: value or "" for name, value in attrs}
        names = has.get("class", "").split()
        if "card" in names:
            self._card = has["id"]
            self.cards[self._card] = {"false": "false" in names, "src": "", "text": ""}
        self.files += [has[name] for name in ("src", "href") if has.get(name)]
        if tag == "img" and self._card:
            self.cards[self._card]["src"] = has["src"]
        self.bands += [names[1]] if "band" in names else []
        self.bars += [" ".join(names[1:]) or "episode"] if "bar" in names else []
        self._script = has.get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        """Leave a card."""
        if tag == "button":
            self._card = ""

    def handle_data(self, data: str) -> None:
        """Gather text."""
        if self._script:
            self.script += data
        elif self._card:
            self.cards[self._card]["text"] += data + " "
        self.text += data


def read(folder: Path) -> Page:
    """Return the page in a folder."""
    page = Page()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the corner's first seconds, with events and pictures beside it."""
    folder = tmp_path_factory.mktemp("corner")
    outputs = Outputs(events=folder / "events", pictures=folder / "pictures", report=folder / "report")
    assert replay("street?seconds=22&seed=3&fps=8", outputs, size=SIZE) == 0
    return folder


def walker(folder: Path) -> str:
    """A recording in which somebody crosses."""
    return make_clip(folder / "clip.npy", quiet=45).partition("?")[0]


def events(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the motion events by episode, in order."""
    told: dict[str, list[dict[str, Any]]] = {}
    for line in (folder / "events").read_text().splitlines():
        event = json.loads(line)
        if ".motion." in event["type"]:
            told.setdefault(event["correlationid"], []).append(event)
    return told


def complaints(folder: Path, page: Page) -> list[str]:
    """Compare the page with the stream of events; return what does not agree."""
    told = events(folder)
    wrong = []
    if len(page.cards) != len(told):
        wrong.append(f"{len(page.cards)} cards, {len(told)} episodes")
    shown = {card["src"]: card for card in page.cards.values()}
    for episode, phases in told.items():
        data = phases[-1]["data"]
        card = shown.get(f"pictures/{episode}.jpg")
        if data["picture"] is None:
            continue
        if card is None:
            wrong.append(f"no card with the picture of {episode}")
            continue
        bytes_ = (folder / "report" / card["src"]).read_bytes()
        if hashlib.sha256(bytes_).hexdigest() != data["picture"]["sha256"]:
            wrong.append(f"the picture of {episode} is another one")
        if f"{data['duration']:.1f} s" not in card["text"]:
            wrong.append(f"{episode} lasted {data['duration']}, its card says {card['text']}")
    return wrong


def test_every_episode_is_on_the_page_with_its_very_picture(corner: Path) -> None:
    """Each episode of the event stream has a card, whose picture has the hash that the event names."""
    assert len(events(corner)) >= 4
    assert complaints(corner, read(corner / "report")) == []
    for picture in (corner / "pictures").iterdir():
        assert (corner / "report" / "pictures" / picture.name).read_bytes() == picture.read_bytes()


def test_control_a_lost_card_and_another_picture_are_caught(corner: Path) -> None:
    """A card that is gone, or a picture that is not the one that was sent, is noticed by the check above."""
    page = read(corner / "report")
    lost = next(iter(page.cards))
    del page.cards[lost]
    assert len(complaints(corner, page)) == 2
    page = read(corner / "report")
    first, second = [card for card in page.cards.values() if card["src"]][:2]
    (corner / "report" / "swap.jpg").write_bytes((corner / "report" / second["src"]).read_bytes())
    kept = (corner / "report" / first["src"]).read_bytes()
    (corner / "report" / first["src"]).write_bytes((corner / "report" / second["src"]).read_bytes())
    assert any("another one" in each for each in complaints(corner, page))
    (corner / "report" / first["src"]).write_bytes(kept)
    (corner / "report" / "swap.jpg").unlink()


def test_the_page_needs_nothing_else(corner: Path) -> None:
    """Every file that the page names lies beside it; nothing is fetched from anywhere."""
    page = read(corner / "report")
    assert page.files
    for name in page.files:
        assert name == "data:," or (corner / "report" / name).is_file()
    text = (corner / "report" / "index.html").read_text(encoding="utf-8")
    assert "://" not in text


def test_moments_say_what_the_core_believed(corner: Path) -> None:
    """A moment every half second has its frame and a sheet of four panels, dark in noise, and its numbers."""
    moments = json.loads(read(corner / "report").script)["moments"]
    assert len(moments) == 44
    assert {"noise", "threshold", "fired", "light", "held"} <= set(moments[7]["says"])
    for moment in moments[::20]:
        frame = picture(corner / "report" / f"{moment['name']}.jpg")
        sheet = picture(corner / "report" / f"{moment['name']}b.jpg")
        assert frame.shape == (180, 320, 3)
        assert sheet.shape == (4 * 90, 160, 3)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        street = np.asarray(cv2.resize(grey, (160, 90), interpolation=cv2.INTER_AREA), float)
        panels = [float(np.corrcoef(street.ravel(), panel.ravel())[0, 1]) for panel in np.split(sheet[..., 1], 4)]
        assert panels[0] > 0.8
        assert panels[0] == max(panels)


def picture(file: Path) -> NDArray[np.uint8]:
    """Return a picture file, (h, w, 3)."""
    return np.asarray(cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_a_long_clip_keeps_few_moments_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the clip, so many moments are kept and no more, from its first frame on and evenly spread."""
    monkeypatch.setattr("gateway.replay.report.MOMENTS", 6)
    assert replay(walker(tmp_path), Outputs(report=tmp_path / "report"), fps=10.0) == 0
    times = [moment["t"] for moment in json.loads(read(tmp_path / "report").script)["moments"]]
    assert times == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0])
    assert len(list((tmp_path / "report" / "moments").iterdir())) == 10


def test_the_film_has_every_frame_and_the_boxes(corner: Path) -> None:
    """The film plays as long as the clip, and frames with tracks carry a box in their colour."""
    film = cv2.VideoCapture(str(corner / "report" / "film.webm"))
    if not film.isOpened():
        pytest.skip("this OpenCV has no encoder for VP8: the page then goes without a film")
    frames = []
    while (got := film.read())[0]:
        frames.append(got[1])
    assert len(frames) == 176
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(8.0, rel=0.01)
    vivid = [int(np.count_nonzero(np.ptp(np.asarray(frame).astype(int), axis=2) > 110)) for frame in frames]
    assert vivid[4] > vivid[20] + 1000, "while the model settles the frame has a border that says so"
    assert sorted(vivid)[88] > vivid[20] + 60


def test_the_truth_is_marked_where_it_is_known(corner: Path, tmp_path: Path) -> None:
    """The corner's page names what was really there; a recording's page does not speak of truth."""
    page = read(corner / "report")
    assert any("person" in card["text"] for card in page.cards.values())
    assert {"thing", "episode"} <= set(page.bars)
    assert replay(walker(tmp_path), Outputs(report=tmp_path / "report")) == 0
    plain = read(tmp_path / "report")
    assert plain.cards
    assert not {"thing", "missed", "small"} & set(plain.bars)
    assert "Truth" not in plain.text


def test_what_held_motion_back_is_in_the_timeline(corner: Path) -> None:
    """The first seconds, in which the model is young, are a band that says so, and stand apart in the sum."""
    found = read(corner / "report")
    assert found.bands == ["settling"]
    assert "0.0 smotion held back beside" in found.text


def test_a_report_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    """The same folder may be used again: the page is the new one, and no picture of the old one stays."""
    clip = walker(tmp_path)
    folder = tmp_path / "report"
    assert replay(clip, Outputs(report=folder)) == 0
    (folder / "pictures" / "old.jpg").write_bytes(b"old")
    before = (folder / "index.html").read_bytes()
    assert replay(clip, Outputs(report=folder)) == 0
    assert (folder / "index.html").read_bytes() == before
    assert not (folder / "pictures" / "old.jpg").exists()


def test_a_folder_of_other_things_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder with other files, a file, a place that cannot be made: each is named, with a hint, and left alone."""
    clip = walker(tmp_path)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    for folder, says in (
        (tmp_path / "letters", r"letters: holds other things.*love\.txt"),
        (tmp_path / "letters" / "love.txt", r"love\.txt: is a file"),
        (tmp_path / "letters" / "love.txt" / "report", "cannot be written"),
    ):
        with pytest.raises(GatewayError, match=says) as told:
            replay(clip, Outputs(report=folder))
        assert told.value.hint
    assert [entry.name for entry in (tmp_path / "letters").iterdir()] == ["love.txt"]
    assert main(["replay", clip, "--report", str(tmp_path / "letters")]) == 1
    assert "what to do: name a new or empty folder" in capfd.readouterr().err


def test_a_clip_without_motion_has_a_page_too(tmp_path: Path) -> None:
    """A clip of three frames of nothing gives a page that says so."""
    np.save(tmp_path / "clip.npy", np.full((3, 120, 160), 90, np.uint8))
    assert replay(str(tmp_path / "clip.npy"), Outputs(report=tmp_path / "report")) == 0
    page = read(tmp_path / "report")
    assert "No episodes" in page.text
    assert page.cards == {}


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    """A clip whose name is HTML is a name on the page, not HTML."""
    np.save(tmp_path / "<i onclick=x>.npy", np.full((3, 120, 160), 90, np.uint8))
    assert replay(str(tmp_path / "<i onclick=x>.npy"), Outputs(report=tmp_path / "report")) == 0
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<i onclick" not in text
    assert "&lt;i onclick" in text
