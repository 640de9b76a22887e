"""Exported models: they compute what the network does, are read without torch, and run no code."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import onnx
import pytest
import tifffile
import torch
from onnx import TensorProto, helper
from PIL import Image
from torch.nn import functional

import s4former
from command_line import CommandLine
from s4former.config import DataError, UserError
from s4former.engine import train
from s4former.inference import Model
from s4former.inference.export import read_logits, textures, traced
from s4former.inference.onnx_check import check_onnx
from s4former.inference.onnx_model import OnnxModel, read_rgb, resized_maps
from tiny_run import NAMES, make_data, tiny_run
from trials import server

pytestmark = pytest.mark.slow

PATCH = 8


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    changes = {"steps": 2, "evaluate_every": 0, "save_every": 0, "model.backbone.depth": 1}
    train(tiny_run(make_data(root / "data"), changes), root / "tiny")
    return root / "tiny"


@pytest.fixture
def s4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


EXPORT = """
import sys
from s4former.__main__ import main
from s4former.config import UserError
from s4former.inference.export import traced
from s4former.models import ModelConfig, build_segmenter
try:
    main()
except SystemExit as stop:
    if stop.code:
        raise
backbone = {"name": "vit", "image_size": [32, 32], "patch_size": 8, "embed_dim": 16, "depth": 1}
backbone |= {"num_heads": 2, "position_interpolation": "dinov2"}
config = ModelConfig.model_validate({"backbone": backbone, "head": "linear"})
try:
    traced(build_segmenter(config, 3, seed=0), 3, None)
except UserError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def exported(run_folder: Path) -> Path:
    """Of any size, in a process whose types nobody checks: sizes that are left open are no integers."""
    out = run_folder.parent / "any.onnx"
    (done,) = server().script(EXPORT, "export", run_folder, "--out", out)
    assert done.code == 0, done.err
    assert "cannot leave it open; try one size, as in size=224x224" in done.out, "positions as in DINOv2"
    assert "compared on 2 of 2 val images of the run" in done.out
    assert "mIoU on these images" in done.out
    return out


def expected(run_folder: Path, images: np.ndarray) -> np.ndarray:
    network = s4former.load(run_folder, "cpu", "float32").network
    with torch.no_grad():
        return network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).numpy()


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_a_file_of_any_size_computes_what_the_network_does(run_folder: Path, exported: Path) -> None:
    logits = read_logits(exported, "onnx")
    for height, width in ((32, 32), (40, 64), (72, 16)):  # the grid that was trained among them
        for batch in (1, 4):
            images = random_images(batch, height, width)
            np.testing.assert_allclose(logits(images), expected(run_folder, images), atol=1e-5)
    told = {each.key: each.value for each in onnx.load(exported).metadata_props}
    assert json.loads(told["names"]) == NAMES
    assert json.loads(told["input"])["multiple_of"] == PATCH


def test_prediction_without_torch_is_that_with_torch(run_folder: Path, exported: Path) -> None:
    for height, width in ((40, 48), (45, 61)):
        image = random_images(height, width)
        mask, confidence = OnnxModel.load(exported).predict(image)
        with_torch = Model.load(run_folder).predict(image)
        assert mask.shape == confidence.shape == (height, width)
        assert (mask == with_torch.mask).mean() > (0.999 if height % PATCH == 0 else 0.9)
        np.testing.assert_allclose(
            confidence, with_torch.confidence, atol=1e-5 if height % PATCH == 0 else 0.1
        )


BARE = """
import sys
sys.path[:0] = sys.argv[1:3]
sys.argv[:] = ["s4former", *sys.argv[3:]]
from s4former.__main__ import main
try:
    main()
finally:
    print(*(name for name in ("torch", "typer", "pydantic", "jaxtyping.py") if name in sys.modules))
"""


def test_the_command_needs_numpy_pillow_and_onnxruntime_alone(exported: Path, tmp_path: Path) -> None:
    """In an interpreter without site-packages, beside links to these three and what onnxruntime imports."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("numpy", "PIL", "onnxruntime", "flatbuffers", "packaging", "google.protobuf"):
        top = Path(str(importlib.import_module(name).__file__)).parent
        top = top.parent if name == "google.protobuf" else top
        for found in (top, *top.parent.glob(f"{top.name}.libs"), *top.parent.glob("pillow.libs")):
            if not (packages / found.name).exists():
                (packages / found.name).symlink_to(found)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(random_images(30, 50)).save(pictures / "a.png")
    (pictures / "broken.png").write_bytes(b"no image")
    source = str(Path(s4former.__file__).parents[1])
    words = ["predict", exported, pictures, "--out", tmp_path / "out", "--confidence"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, source, packages, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "broken.png" in done.stderr
    assert done.stdout.splitlines() == [f"1 of 2 images: {tmp_path / 'out'}", ""]
    with Image.open(tmp_path / "out/a.png") as index:
        assert (index.mode, index.size) == ("P", (50, 30))
        assert np.array(index).max() < len(NAMES)
    for kind in ("overlay", "confidence"):
        assert Image.open(tmp_path / f"out/a_{kind}.png").size == (50, 30)


@pytest.mark.parametrize(("precision", "near"), [("fp16", 0.01), ("int8", 0.2)])
def test_smaller_files_of_one_size(
    run_folder: Path, tmp_path: Path, s4: CommandLine, precision: str, near: float
) -> None:
    out = tmp_path / "small.onnx"
    rest = ("--size", "24x40", "--precision", precision, "--out", out)
    if precision == "int8":
        filters = len(logging.getLogger().filters)
        assert s4("export", run_folder, *rest, "--max-changed", "0") == 1
        assert "too far from the network, and was not written" in s4.err
        assert not list(tmp_path.iterdir())
    assert s4("export", run_folder, *rest, "--max-changed", "100") == 0, s4.err
    if precision == "int8":
        assert len(logging.getLogger().filters) <= filters + 1  # two exports later
    images = random_images(3, 24, 40)
    found = read_logits(out, "onnx")(images)
    np.testing.assert_allclose(found, expected(run_folder, images), atol=near)
    mask, _ = OnnxModel.load(out).predict(random_images(50, 50))
    assert mask.shape == (50, 50)


def test_what_torch_export_wrote_is_read_again(run_folder: Path, tmp_path: Path, s4: CommandLine) -> None:
    out = tmp_path / "tiny.pt2"
    assert s4("export", run_folder, "--format", "torch-export", "--size", "32x48", "--out", out) == 0, s4.err
    images = random_images(2, 32, 48)
    np.testing.assert_allclose(
        torch.export.load(out).module()(torch.from_numpy(images)).detach().numpy(),
        expected(run_folder, images),
        atol=1e-5,
    )


def test_a_model_without_its_run_is_compared_on_textures(run_folder: Path) -> None:
    found = list(textures(4, (32, 48)))
    assert len({image.shape for image, _ in found}) == 3
    assert all(image.shape[2] == 4 and image.dtype == np.uint8 and mask is None for image, mask in found)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--size", "30x40"), r"multiples of the network's patch of 8 pixels; type --size 32x40"),
        (("--size", "big"), "type height and width"),
        (("--format", "torch-export", "--precision", "int8"), "int8 is for ONNX alone"),
        (("--out", "file.pt"), r"expected the ending .onnx"),
        (("--out", "own.onnx"), "no exported model that s4former wrote"),
        (("--verify", "nowhere"), "there is no such image"),
    ],
)
def test_what_cannot_be_exported_is_said(
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    s4: CommandLine,
    words: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.onnx").write_text("mine")
    assert s4("export", run_folder, *words) == 1
    assert says.replace("\\", "") in " ".join(s4.err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["own.onnx"]


def test_a_network_without_a_graph_names_its_reason(run_folder: Path) -> None:
    network = s4former.load(run_folder, "cpu", "float32").network
    network.head.forward = lambda grids, size: grids[0] if grids[0].sum() > 0 else None
    with pytest.raises(UserError, match=r"torch.export makes no graph of this network: .*"):
        traced(network, 3, (32, 32))


def _with_metadata(exported: Path, path: Path, name: str, value: str | None) -> Path:
    model = onnx.load(exported)
    told = {each.key: each.value for each in model.metadata_props} | {name: value}
    del model.metadata_props[:]
    for key, text in told.items():
        if text is not None:
            model.metadata_props.add(key=key, value=text)
    onnx.save(model, path)
    return path


_RIGHT_INPUT = {"channels": 3, "value_range": None, "size": None, "multiple_of": 8}
_RIGHT_PROTOCOL = {"mode": "whole", "short_side": None, "crop_size": 32, "stride": 16}


@pytest.mark.parametrize("name", ["names", "colors", "input", "evaluate"])
@pytest.mark.parametrize(
    "value",
    [None, "", "[" * 100_000, "[]", "{}", "7", "null", "9" * 5000, '[["a"]]', "[[300, 0, 0]]", "[1, NaN]"],
    ids=lambda value: str(value)[:9],
)
def test_metadata_that_is_none_is_refused(
    exported: Path, tmp_path: Path, name: str, value: str | None
) -> None:
    path = _with_metadata(exported, tmp_path / "a.onnx", name, value)
    with pytest.raises(UserError, match=rf"the metadata '{name}' of .*a\.onnx is .*expected") as told:
        OnnxModel.load(path)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names", '["a", "b"]'),
        ("colors", "[[0, 0, 0], [1, 1, 1], [2, 2, 256]]"),
        ("colors", "[[0, 0, 0], [1, 1, 1]]"),
        ("colors", "[[0, 0, 0], [1, 1, 1], [true, 0, 0]]"),
        *(
            ("input", json.dumps(_RIGHT_INPUT | {key: odd}))
            for key, odd in (("channels", "x"), ("size", [0, 1]))
        ),
        *(("input", json.dumps(_RIGHT_INPUT | {"multiple_of": odd})) for odd in (0, -1, 1.5, None, 10**400)),
        *(("evaluate", json.dumps(_RIGHT_PROTOCOL | {"mode": odd})) for odd in ("all", {}, None)),
        *(("evaluate", json.dumps(_RIGHT_PROTOCOL | {"crop_size": odd})) for odd in (None, [1], [1, 1e9])),
        *(("evaluate", json.dumps(_RIGHT_PROTOCOL | {key: 0})) for key in ("stride", "short_side")),
    ],
)
def test_metadata_that_does_not_fit_is_refused(exported: Path, tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(UserError, match=r"a\.onnx (is|tells of)"):
        OnnxModel.load(_with_metadata(exported, tmp_path / "a.onnx", name, value))


def test_windows_may_be_told_by_one_number(exported: Path, tmp_path: Path) -> None:
    path = _with_metadata(exported, tmp_path / "a.onnx", "evaluate", json.dumps(_RIGHT_PROTOCOL))
    assert OnnxModel.load(path).evaluate["crop_size"] == [32, 32]
    path = _with_metadata(exported, path, "evaluate", json.dumps(_RIGHT_PROTOCOL | {"mode": "slide"}))
    assert OnnxModel.load(path).predict(random_images(40, 48))[0].shape == (40, 48)


def save_onnx(path: Path, domain: str = "", location: str = "") -> Path:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    if location:
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=1)
        weight.external_data.add(key="location", value=location)
    inner = helper.make_graph(
        [helper.make_node("Add", ["w", "w"], ["y"], domain=domain)], "inner", [], [], [weight]
    )
    node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph([node], "outer", [], [])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def test_files_that_need_code_or_files_of_others_are_refused(tmp_path: Path, exported: Path) -> None:
    check_onnx(exported)
    check_onnx(save_onnx(tmp_path / "a.onnx", location="weights.bin"))
    with pytest.raises(UserError, match=r"operators of evil.ops, which are code of others"):
        OnnxModel.load(save_onnx(tmp_path / "b.onnx", domain="evil.ops"))
    for outside in ("../secret", "/etc/passwd"):
        with pytest.raises(UserError, match=f"wants to read {outside}, outside of its folder"):
            OnnxModel.load(save_onnx(tmp_path / "c.onnx", location=outside))
    for content in (b"", b"no model", exported.read_bytes()[:1000]):
        (tmp_path / "d.onnx").write_bytes(content)
        with pytest.raises(UserError, match=r"d\.onnx is no ONNX file"):
            OnnxModel.load(tmp_path / "d.onnx")
    with pytest.raises(UserError, match=r"onnxruntime .* cannot load|does not tell its classes"):
        OnnxModel.load(save_onnx(tmp_path / "e.onnx"))


class _Brightness:
    """A session whose second class is twice as likely everywhere."""

    def run(self, _: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        shape = given["images"].shape[1:3]
        return [np.stack([np.zeros(shape, np.float32), np.ones(shape, np.float32)])[None]]


@pytest.mark.parametrize("stride", [[112, 112], [168, 40], None])
def test_windows_of_a_small_file_leave_no_gap(stride: list[int] | None) -> None:
    protocol = {"mode": "slide", "short_side": None, "crop_size": [168, 168], "stride": stride}
    model = OnnxModel(_Brightness(), ("a", "b"), ((0, 0, 0), (255, 0, 0)), (64, 64), 16, protocol)
    assert np.isfinite(model.logits(random_images(300, 200))).all()


@pytest.mark.parametrize("size", [(20, 30), (64, 20), (20, 90), (100, 90)])
def test_maps_are_resized_as_torch_does(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 64, 48)).astype(np.float32)
    expected = functional.interpolate(torch.from_numpy(maps)[None], size, mode="bilinear")[0].numpy()
    np.testing.assert_allclose(resized_maps(maps, size), expected, atol=1e-4)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_colors_of_16_bits_are_refused_and_not_cut(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"deep.{ending}"
    write = imagecodecs.imwrite if ending == "png" else tifffile.imwrite
    write(path, np.full((8, 8, 3), 300, np.uint16))
    with pytest.raises(DataError, match="more than 8 bits"):
        read_rgb(path)
