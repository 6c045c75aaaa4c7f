"""``visus data check`` and ``show`` on keypoints of which nobody knows which change places in a mirror."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.landmarks import LANDMARKS, Faces
from visus.cli.data import main
from visus.data.readers import coco, pennfudan
from visus.draw.palette import LEFT, RIGHT
from visus.errors import VisusError


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces with 68 landmarks named by numbers, in COCO's format."""
    root = tmp_path_factory.mktemp("landmarks")
    (root / "annotations").mkdir()
    for seed, split in enumerate(("train", "val")):
        (root / split).mkdir()
        images, things = [], []
        for number, target in enumerate(Faces(30, seed).targets, start=1):
            Image.new("RGB", (200, 200), (90, 160, 200)).save(root / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": 200, "width": 200})
            left, top, right, bottom = target.boxes_xyxy[0].tolist()
            assert target.keypoints_xyv is not None
            thing = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 900}
            box = [left, top, right - left, bottom - top]
            things.append({**thing, "bbox": box, "keypoints": target.keypoints_xyv[0].flatten().tolist()})
        category = {"id": 1, "name": "face", "keypoints": [f"point {n}" for n in range(1, 69)], "skeleton": []}
        content = {"images": images, "annotations": things, "categories": [category]}
        (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def landmarks(written: Path) -> Path:
    (written / "flip_pairs.json").unlink(missing_ok=True)
    return written


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_the_check_offers_a_guess(landmarks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(landmarks)]) == 0
    text = said(capsys)
    assert text.count("mirror") == 2  # one note: that, and why
    assert (
        "60 objects: 0 errors, 2 warnings Training will not mirror images: nothing says which of the 68 keypoints "
        "change places in a mirror. Guess by mean positions on 30 objects: point 1/point 17, point 2/point 16, "
    ) in text
    assert text.endswith(
        f"`visus data show {landmarks} --write-flip-pairs` writes it into {landmarks}/flip_pairs.json."
    )
    assert not (landmarks / "flip_pairs.json").exists()


def test_show_draws_the_guess_and_writes_it_when_asked(
    landmarks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(landmarks), "--out", str(tmp_path / "a"), "--count", "2"]) == 0
    text = said(capsys)
    assert "Training will not mirror images: nothing says which of the 68 keypoints change places in a mirror" in text
    assert "Guess by mean positions on 30 objects: point 1/point 17, point 2/point 16" in text
    assert f"The guessed pairs are drawn in {tmp_path / 'a' / 'flip_pairs.png'}" in text
    with Image.open(tmp_path / "a" / "flip_pairs.png") as drawing:
        pixels = np.asarray(drawing).reshape(-1, 3)
    assert max(drawing.size) == 960
    for colour in (LEFT, RIGHT):
        assert (pixels == colour).all(axis=1).sum() > 20 * 30
    assert not (landmarks / "flip_pairs.json").exists()
    assert main(["show", str(landmarks), "--write-flip-pairs"]) == 0
    assert said(capsys) == (
        f"29 pairs written to {landmarks / 'flip_pairs.json'}, guessed from mean positions: look through them"
    )
    pairs = json.loads((landmarks / "flip_pairs.json").read_text())
    assert {frozenset(pair) for pair in pairs} == {
        frozenset((f"point {one + 1}", f"point {other + 1}")) for one, other in LANDMARKS
    }
    with pytest.raises(VisusError, match=r"flip_pairs\.json: exists already and stays as it is"):
        main(["show", str(landmarks), "--write-flip-pairs"])
    assert main(["check", str(landmarks)]) == 0
    assert "mirror" not in said(capsys)
    assert main(["show", str(landmarks), "--out", str(tmp_path / "b"), "--count", "2"]) == 0
    assert "mirror" not in said(capsys)
    assert not (tmp_path / "b" / "flip_pairs.png").exists()


def test_what_is_known_is_written_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.write_fake(tmp_path)
    assert main(["show", str(tmp_path), "--keypoints", "--write-flip-pairs"]) == 0
    assert said(capsys) == f"8 pairs written to {tmp_path / 'flip_pairs.json'}, known from the data"
    assert json.loads((tmp_path / "flip_pairs.json").read_text())[0] == ["left_eye", "right_eye"]


def test_nothing_to_write(tmp_path: Path, landmarks: Path) -> None:
    pennfudan.write_fake(tmp_path / "p")
    for words in ([str(tmp_path / "p")], ["vignettes"]):
        with pytest.raises(VisusError, match="no files with keypoints, so there are no pairs to write"):
            main(["show", *words, "--write-flip-pairs"])
    with pytest.raises(VisusError, match="--out FOLDER is needed"):
        main(["show", str(landmarks)])


def test_drawings_may_lie_in_the_folder_of_the_data(tmp_path: Path) -> None:
    coco.write_fake(tmp_path / "archive" / "set")
    assert main(["show", str(tmp_path), "--out", str(tmp_path / "drawn"), "--count", "1"]) == 0
    with pytest.raises(VisusError, match="this folder holds something already"):
        main(["show", str(tmp_path / "archive"), "--out", str(tmp_path / "drawn"), "--write-flip-pairs"])
