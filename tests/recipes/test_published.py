"""The recipes of published data sets and the configs with published names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from s4former.config import UserError
from s4former.curation.prepare import DATASETS
from s4former.data import PUBLISHERS
from s4former.models import MiTConfig, SegFormerConvConfig
from s4former.recipes import load_run, recipe_card, recipe_families, recipe_names

pytestmark = pytest.mark.slow

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/*/*.py"))
SETR = "setr_deit-base_pup_bs_8_512x512_80k_pascal_1over16_split_classic_"


def test_the_papers_rows_have_names() -> None:
    names = {name for family in recipe_families().values() for name in family}
    splits = [f"voc.classic_{n}" for n in (92, 183, 366, 732, 1464)]
    splits += [f"voc.blended_{n}" for n in (662, 1323, 2646, 5291)]
    splits += [f"cityscapes.{n}" for n in (186, 372, 744, 1488)]
    splits += [f"coco.1_{n}" for n in (512, 256, 128, 64, 32)]
    splits += [f"ade20k.1_{n}" for n in (64, 32, 16, 8, 4, 2)]
    for split in splits:
        for method in ("supervised", "mean_teacher", "mean_teacher_cutmix", "s4former"):
            assert {f"{split}.{method}", f"{split}.segformer.{method}"} <= names


@pytest.mark.parametrize("file", recipe_families())
def test_every_family_has_mean_teacher_with_and_without_cutmix(file: str) -> None:
    """They differ in CutMix alone, and share all that mean teacher has with the S4Former run beside them."""
    names = [name for name in recipe_families()[file] if name.endswith("mean_teacher")]
    assert names
    for name in names:
        plain, mixed = load_run(name)[0], load_run(f"{name}_cutmix")[0]
        stem = name.removesuffix(".mean_teacher")
        full = load_run(stem if stem in recipe_names() else f"{stem}.s4former")[0].method.model_dump()
        assert (plain.method.model_dump()["cutmix_probability"], full["name"]) == (0, "s4former")
        own = mixed.method.model_dump()
        parts = dict.fromkeys(("patch_shuffle", "pasa", "ncr"), False)
        assert own == {**{key: full[key] for key in own}, "name": "mean_teacher", **parts}
        assert own["cutmix_probability"] == 0.5
        assert plain.method.model_dump() == own | {"cutmix_probability": 0}
        assert plain == mixed.model_copy(update={"method": plain.method})


def test_files_without_recipes_are_no_families() -> None:
    assert "folder" not in recipe_families()
    with pytest.raises(UserError, match="there are ade20k, camvid, cityscapes, coco, demo, msrc, voc"):
        load_run("nope")


@pytest.mark.parametrize("file", recipe_families())
def test_every_file_of_recipes_has_a_run_card(file: str) -> None:
    card = recipe_card(file)
    assert all(word in card for word in ("Run  ", "Expect  ", "Data  "))


def test_published_settings() -> None:
    run, _ = load_run("voc.classic_92.s4former")
    assert (run.data.labeled_batch_size, run.data.unlabeled_batch_size, run.data.crop) == (8, 8, (512, 512))
    assert (run.model.backbone.name, run.model.head.out_indices) == ("deit_base_patch16_224", (11,))
    assert [head.out_indices for head in run.model.auxiliary_heads] == [(4,), (7,), (9,), (11,)]
    assert (run.optimizer.name, run.optimizer.lr, run.optimizer.head_lr_factor) == ("sgd", 1e-3, 10)
    assert (run.optimizer.min_lr, run.optimizer.power, run.optimizer.weight_decay) == (1e-4, 0.9, 0)
    assert (run.steps, run.evaluate_every, run.evaluate.short_side) == (80_000, 1150, 512)
    dump = run.method.model_dump()
    assert (dump["ema_decay"], dump["confidence_threshold"], dump["unlabeled_weight"]) == (0.999, 0.95, 1)
    assert (dump["shuffle_block"], dump["pasa_weight"], dump["auxiliary_weight"]) == (8, 5, 0.4)


def test_a_shuffled_block_has_128_pixels_whatever_the_network() -> None:
    setr, _ = load_run("voc.classic_92.s4former")
    segformer, _ = load_run("voc.classic_92.segformer.s4former")
    assert setr.method.model_dump()["shuffle_block"] * 16 == 128
    assert segformer.method.model_dump()["shuffle_block"] * 32 == 128


def test_the_published_configs_exist_under_their_names() -> None:
    names = {path.name for path in CONFIGS}
    endings = ("sup", "semi_beta_1_th_0.95_MT", "semi_beta_1_th_0.95_MT_w_ours")
    assert {f"{SETR}{ending}.py" for ending in endings} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_published_config_makes_a_run_and_says_where_it_differs(path: Path) -> None:
    run, notes = load_run(path)
    assert notes == []
    assert run.model.pretrained.startswith("pretrain/")
    assert run.data.labeled_batch_size == 8  # global, whatever the number of processes
    assert run.precision == "float32"  # the release knows no other; auto takes bfloat16 on a GPU
    assert path.read_text().startswith('"""Published: ')


def test_the_released_segformer_config() -> None:
    run, _ = load_run(next(path for path in CONFIGS if "segformer" in path.name))
    assert run.model.backbone == MiTConfig(name="mit_b4", drop_path=0.1)
    assert run.model.head == SegFormerConvConfig(channels=256)
    assert (run.steps, run.evaluate_every) == (40_000, 1000)
    optimizer = run.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.head_lr_factor) == ("adamw", 6e-5, 10)
    assert (optimizer.weight_decay, optimizer.power, optimizer.min_lr, optimizer.warmup_steps) == (
        0.01,
        1.0,
        0,
        1500,
    )
    assert (run.evaluate.mode, run.evaluate.crop_size, run.evaluate.stride) == ("slide", 768, 512)


def test_the_three_commands_train_three_methods_that_share_all_else() -> None:
    runs = [
        load_run(path)[0]
        for ending in ("sup", "semi_beta_1_th_0.95_MT", "semi_beta_1_th_0.95_MT_w_ours")
        for path in CONFIGS
        if path.name == f"{SETR}{ending}.py"
    ]
    assert [run.method.name for run in runs] == ["supervised", "mean_teacher", "s4former"]
    assert len({run.optimizer.model_dump_json() for run in runs}) == 1
    assert len({run.model.model_dump_json() for run in runs}) == 1
    assert runs[2].method.model_dump()["as_released"]


def test_a_preset_replaces_the_network_before_its_fields_change() -> None:
    run, _ = load_run(
        "demo", ["model.pretrained=mine.pth", "model=dinov2_small", "model.head.out_indices=[3]"]
    )
    assert (run.model.backbone.name, run.model.pretrained, run.model.head.out_indices) == (
        "vit_small_patch14_dinov2",
        "mine.pth",
        (3,),
    )
    with pytest.raises(UserError, match=r"there is no network 'resnet50'.*setr_deit_base"):
        load_run("demo", ["model=resnet50"])


@pytest.mark.parametrize("family", ["voc", "cityscapes", "coco", "ade20k"])
def test_recipes_look_where_prepare_and_splits_fetch_put_things(family: str) -> None:
    lists = {each.target: each.images for one in PUBLISHERS.values() for each in one.lists}
    prepared = DATASETS[family]()
    layout = prepared.config(Path("data"))
    for name in recipe_families()[family]:
        data = load_run(name)[0].data
        assert data.root == layout.root
        for field in (
            "val_images",
            "val_masks",
            "train_images",
            "image_suffix",
            "mask_suffix",
            "test_images",
        ):
            assert getattr(data, field) == getattr(layout, field)
        # VOC's own masks are fewer, so the recipes of either kind of split read the folder made with SBD's.
        assert data.train_masks in (layout.train_masks, "SegmentationClassAug")
        counts = [lists[f"{prepared.folder}/{data.labeled_split}"]]
        counts.append(lists[f"{prepared.folder}/{data.unlabeled_split}"])
        assert sum(counts) == prepared.images["labeled"]
        labels = re.search(r"\d+", name.partition(".")[2])
        assert labels is not None
        if family in ("voc", "cityscapes"):  # the names of others are shares
            assert counts[0] == int(labels[0])
