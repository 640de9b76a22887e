"""Laws of whole runs, for every method: the edges of small data sets, hidden labels, and that it learns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s4former.config import DataError, read_json
from s4former.data import DataConfig, TrainBatches, open_source
from s4former.engine import read_lines, train
from s4former.methods import config_class, method_names
from s4former.models import ModelConfig, build_segmenter
from s4former.testing import learn
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

METHODS = method_names()
CAMVID = Path(__file__).resolve().parents[3] / "shared" / "datasets" / "camvid"
SHORT = {"steps": 2, "evaluate_every": 0, "save_every": 0, "log_every": 1}


def require_camvid() -> None:
    """Skip where the data set is missing, but fail where it has to be there."""
    if not CAMVID.is_dir():
        reason = f"the data set {CAMVID} is missing"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("labeled", "unlabeled"), [(1, 0), (1, 5), (2, 1)])
def test_few_images_are_enough(method: str, labeled: int, unlabeled: int, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=labeled + unlabeled, val=1, labeled=labeled)
    sizes = {"data.labeled_batch_size": 4, "data.unlabeled_batch_size": 7}  # more than there are
    outcome = train(tiny_run(data, {"method.name": method, **SHORT, **sizes}), tmp_path / "run")
    assert outcome.steps == SHORT["steps"]
    lines = read_lines(tmp_path / "run" / "journal.jsonl")
    learns_from_unlabeled = unlabeled > 0 and config_class(method)().views.unlabeled
    assert all(("pseudo/confident" in line) == learns_from_unlabeled for line in lines)


@pytest.mark.parametrize("method", METHODS)
def test_images_smaller_than_the_crop_and_a_class_nobody_has(method: str, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=4, labeled=1)
    (data / "classes.json").write_text('{"names": ["background", "square", "disk", "unicorn"]}')
    changes = {"method.name": method, "data.crop_size": 64, **SHORT}
    outcome = train(tiny_run(data, changes), tmp_path / "run")
    assert all(line["iou"]["unicorn"] in (None, 0.0) for line in outcome.last.values())


@pytest.mark.parametrize("method", METHODS)
def test_masks_of_unlabeled_images_are_never_opened(method: str, tmp_path: Path) -> None:
    losses = []
    for corrupt in (False, True):
        data = make_data(tmp_path / f"data{corrupt}", train=4, labeled=2)
        if corrupt:
            for hidden in ("train2", "train3"):
                (data / "masks" / "train" / f"{hidden}.png").write_bytes(b"this is no picture")
        train(tiny_run(data, {"method.name": method, **SHORT}), tmp_path / f"run{corrupt}")
        losses.append([line["loss"] for line in read_lines(tmp_path / f"run{corrupt}" / "journal.jsonl")])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_corrupt_labeled_file_is_named(kind: str, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    (data / kind / "train" / "train1.png").write_bytes(b"this is no picture")
    with pytest.raises(DataError, match=r"train1"):
        train(tiny_run(data, SHORT), tmp_path / "run")


def test_the_batches_of_a_run_are_in_its_seed_alone(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    for name in ("one", "two"):
        train(tiny_run(data, SHORT), tmp_path / name)
    one, two = (read_lines(tmp_path / name / "journal.jsonl") for name in ("one", "two"))
    assert [line["loss"] for line in one] == [line["loss"] for line in two]
    assert read_json(tmp_path / "one" / "run.json")["run"]["seed"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_on_real_images(method: str, tmp_path: Path) -> None:
    """On a few street scenes the loss on labeled crops falls by a quarter or more in 50 steps."""
    require_camvid()
    small = {
        "steps": 50,
        "log_every": 5,
        "evaluate_every": 0,
        "save_every": 0,
        "data.root": str(CAMVID),
        "data.labeled_split": "splits/1_64/labeled.txt",
        "data.val_images": None,
        "data.crop_size": 64,
        "data.labeled_batch_size": 4,
        "data.unlabeled_batch_size": 4,
        "data.resize_range": [0.2, 0.4],
        "method.views.labeled": "identity",
        "optimizer.lr": 1e-2,
        "optimizer.head_lr_factor": 1.0,
    }
    if method == "s4former_plus":
        # Its thresholds admit the surest of any class: noise, while the network knows nothing yet.
        small["method.unlabeled_start_step"] = 25
    train(tiny_run(tmp_path, {"method.name": method, **small}), tmp_path / "run")
    losses = [line["loss/supervised"] for line in read_lines(tmp_path / "run" / "journal.jsonl")]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_real_batch_gives_a_finite_step(method: str) -> None:
    """A batch read from real files, padding included, through the method itself."""
    require_camvid()
    config = DataConfig(
        root=str(CAMVID), labeled_split="splits/1_64/labeled.txt", crop_size=64, resize_range=(0.1, 0.2)
    )
    settings = {"shuffle_block": 4} if "shuffle_block" in config_class(method).model_fields else {}
    sizes = {
        "name": "vit",
        "image_size": (64, 64),
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 2,
        "num_heads": 2,
    }
    model = ModelConfig(backbone=sizes, head="linear")
    source = open_source(config)
    built = (
        config_class(method)(**settings).build(build_segmenter(model, len(source.classes), seed=0)).train()
    )
    batch = TrainBatches(config, source, built.config.views, seed=0).batch(0)
    if batch.unlabeled is not None:
        assert not batch.unlabeled.valid.all()
    loss = learn(built, batch).loss
    assert loss.isfinite()
