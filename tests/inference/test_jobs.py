"""Predicting many files: tables, what is skipped, several processes, large images, GeoTIFF and videos."""

from __future__ import annotations

import csv
import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import CommandLine
from s4former.curation.annotations import class_names
from s4former.engine import train
from s4former.inference import Model
from tiny_run import NAMES, make_data, tiny_run
from trials import server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("jobs")
    train(tiny_run(make_data(root / "data"), {"steps": 2}), root / "run")
    return root


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def photos(root: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(root / "data/images/val", tmp_path / "photos"))
    Image.open(folder / "val0.png").resize((30, 60)).save(folder / "tall.jpg")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_tell_what_the_masks_hold(
    shell: CommandLine, root: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert shell("predict", root / "run", photos, "--out", out, "--csv", "--coco", "--probs") == 0
    assert "classes in 3 images" in shell.out
    assert "least sure of" in shell.out
    mask = np.asarray(Image.open(out / "val0.png"))
    table = {row["class"]: row for row in rows(out / "areas.csv") if row["image"] == "val0"}
    assert [int(table[name]["pixels"]) for name in NAMES] == np.bincount(mask.ravel(), minlength=3).tolist()
    with np.load(out / "val0_probabilities.npz") as stored:
        assert stored["names"].tolist() == NAMES
        assert stored["probabilities"].dtype == np.float16
        assert (stored["probabilities"].argmax(0) == mask).mean() > 0.99  # of rounded ones there are ties
        sure = float(stored["probabilities"].max(0).mean())
    mean = sum(float(row["confidence"] or 0) * float(row["share"]) for row in table.values())
    assert mean == pytest.approx(sure, abs=1e-3)
    content = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["tall.jpg", "val0.png", "val1.png"]
    found = {row["class"] for row in rows(out / "areas.csv") if int(row["pixels"])}
    assert set(class_names(out / "coco.json", "coco")) >= found
    from pycocotools import mask as coco

    for annotation in content["annotations"]:
        if annotation["image_id"] == 2:
            assert np.array_equal(
                coco.decode(annotation["segmentation"]), mask == annotation["category_id"] - 1
            )


def test_a_second_call_does_what_is_left(
    shell: CommandLine, root: Path, photos: Path, tmp_path: Path
) -> None:
    words = ("predict", root / "run", photos, "--out", tmp_path / "out", "--no-overlay")
    assert shell(*words) == 0
    assert not (tmp_path / "out/val0_overlay.png").exists()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    (tmp_path / "out/val1.png").unlink()
    Image.open(photos / "tall.jpg").rotate(90).save(photos / "tall.jpg")
    assert shell(*words, "--csv") == 0
    assert "1 of 3 are complete from before" in shell.err
    assert "3 of 3 images" in shell.out
    assert len(rows(tmp_path / "out/areas.csv")) == 9
    again = {path.name for path, time in times.items() if path.stat().st_mtime_ns == time}
    assert again == {"val0.png"}
    assert shell(*words, "--tta", "flip") == 0
    assert "complete" not in shell.err


def test_tta_averages_probabilities(shell: CommandLine, root: Path, photos: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "o", "--tta", "flip,1.5", "--probs")
    assert shell("predict", root / "run", photos / "val0.png", *words) == 0
    model = Model.load(root / "run", "cpu")
    protocol = model.card.evaluate.model_copy(update={"flip": True, "scales": (1.0, 1.5)})
    expected = model.predict(photos / "val0.png", protocol)
    with np.load(tmp_path / "o/val0_probabilities.npz") as stored:
        assert np.abs(stored["probabilities"].max(0) - expected.confidence).max() < 1e-3
    assert shell("predict", root / "run", photos, "--out", tmp_path / "p", "--tta", "flop") == 1
    assert "'flop' is neither flip nor a factor" in shell.err


def test_what_cannot_be_read_is_listed_at_the_end(
    shell: CommandLine, root: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    for workers in (0, 2):
        words = ("--out", tmp_path / f"out{workers}", "--csv", "--workers", workers)
        assert shell("predict", root / "run", photos, *words) == 3
        assert "3 of 4 images" in shell.out
        assert "bad.png" in shell.err
        assert len(rows(tmp_path / f"out{workers}/areas.csv")) == 9


def test_two_processes_share_the_images(root: Path, photos: Path, tmp_path: Path) -> None:
    words = ("predict", root / "run", photos, "--out", tmp_path / "out", "--csv", "--device", "cpu")
    ends = server().call("trials:run_command", [str(word) for word in words], processes=2)
    assert [end.code for end in ends] == [0, 0], ends
    assert "3 of 3 images" in ends[0].out
    assert not ends[1].out
    assert len(rows(tmp_path / "out/areas.csv")) == 9
    assert len(list((tmp_path / "out").glob(".s4former-predict*"))) == 2


def test_no_seam_shows_where_windows_of_a_large_image_meet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits jump at the borders of windows that count alike, and hardly more than inside of blended ones."""
    from s4former.inference import EvaluateConfig, in_eval, logit_row_chunks

    model = Model.load(root / "run", "cpu")
    noise = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(noise).resize((280, 240), Image.Resampling.BICUBIC))
    config = EvaluateConfig(mode="slide").resolved((32, 32))

    def jumps(blend: bool) -> tuple[float, float]:
        with in_eval({"m": model.network}):
            chunks = logit_row_chunks(model.network, pixels[None], config, "cpu", "float32", blend=blend)
            logits = torch.cat(list(chunks), 2)[0]
        steps = (logits[..., 1:] - logits[..., :-1]).abs().amax((0, 1))
        lefts = range(0, 280 - 32, 21)
        seams = sorted({at - 1 for left in lefts for at in (left, left + 32) if 0 < at < 280})
        inside = [at for at in range(len(steps)) if at not in seams]
        return float(steps[seams].max()), float(steps[inside].max())

    alike, blended = jumps(False), jumps(True)
    assert alike[0] > 1.5 * alike[1]
    assert blended[0] <= blended[1]
    monkeypatch.setattr("s4former.inference.predict.MAX_PATCHES", 29)
    assert np.isfinite(model.predict(pixels).confidence).all()


def test_a_geotiff_keeps_its_place(shell: CommandLine, root: Path, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    place = rasterio.transform.from_origin(600_000, 5_400_000, 0.5, 0.5)
    shape = {"height": 40, "width": 48, "count": 3, "dtype": "uint8", "crs": "EPSG:32632", "transform": place}
    values = np.random.default_rng(0).integers(1, 256, (3, 40, 48), dtype=np.uint8)
    values[:, :5] = 0
    with rasterio.open(tmp_path / "field.tif", "w", driver="GTiff", nodata=0, **shape) as file:
        file.write(values)
    words = ("--out", tmp_path / "out", "--csv", "--confidence")
    assert shell("predict", root / "run", tmp_path / "field.tif", *words) == 0
    for kind, bands in (("", 1), ("_overlay", 3), ("_confidence", 1)):
        with rasterio.open(tmp_path / f"out/field{kind}.tif") as file:
            assert file.crs.to_epsg() == 32632
            assert file.transform == place
            assert file.count == bands
            if not kind:
                mask = file.read(1)
                assert file.nodata == 255
                assert file.colormap(1)[1][:3] == Model.load(root / "run", "cpu").card.colors[1]
    assert (mask[:5] == 255).all()
    assert (mask[5:] < 3).all()
    areas = rows(tmp_path / "out/areas.csv")
    assert sum(float(row["square_meters"]) for row in areas) == pytest.approx(35 * 48 * 0.25)


def test_a_video_becomes_masks_and_a_video(shell: CommandLine, root: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from s4former.inference.frames import count_frames, video_writer

    with video_writer(tmp_path / "clip.mp4", Fraction(10)) as add:
        for number in range(4):
            add(Image.new("RGB", (48, 40), (60 * number, 90, 30)))
    for _ in range(2):
        assert shell("predict", root / "run", tmp_path, "--out", tmp_path / "out", "--csv") == 0
    assert "1 of 1 are complete from before" in shell.err
    masks = sorted(path.name for path in (tmp_path / "out/clip").glob("*.png"))
    assert masks == [f"{number:06}.png" for number in range(4)]
    assert count_frames(tmp_path / "out/clip_overlay.mp4") == 4
    assert len(rows(tmp_path / "out/areas.csv")) == 12
