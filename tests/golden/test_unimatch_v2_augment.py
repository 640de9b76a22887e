"""UniMatch V2's views: their draws replayed with our functions, and our draws by their law.

They change 8-bit images with PIL, we change floats: pixels of strong views differ by 1.4
gray values on average (of 600 views drawn by us at most by 2.7, and one pixel by 21), of crops by at most 2.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unimatch_v2 import Golden

from s4former.augment import Jitter
from s4former.augment.jitter import Changes
from s4former.data import DataConfig
from s4former.data.geometry import Geometry, sample_geometry
from s4former.ops import sample_small_box

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def recorded(golden: Golden) -> Arrays:
    with np.load(golden("unimatch_v2/augment.npz")) as arrays:
        return dict(arrays)


def items(recorded: Arrays, kind: str) -> list[Arrays]:
    """Return the items ``<kind><number>.*``, each with its source."""
    numbers = sorted({key[: key.index(".")] for key in recorded if key.startswith(kind)})
    assert numbers
    found = []
    for name in numbers:
        own = {key.removeprefix(f"{name}."): v for key, v in recorded.items() if key.startswith(f"{name}.")}
        source = f"source{int(own['source'])}"
        found.append(
            own | {"source_image": recorded[f"{source}.image"], "source_mask": recorded[f"{source}.mask"]}
        )
    return found


def geometry(item: Arrays, crop: tuple[int, int]) -> Geometry:
    """Return the crop before it is mirrored: they mirror padding too, so that it comes to lie on the left."""
    (width, height), (left, top) = item["resized"].tolist(), item["offset"].tolist()
    return Geometry((height, width), top, left, crop, flip=False)


def unmirrored(item: Arrays, picture: np.ndarray) -> np.ndarray:
    return picture[:, ::-1] if item["flip"] else picture


def test_crops(recorded: Arrays) -> None:
    for kind, picture in (("example", "weak"), ("labeled", "image")):
        for item in items(recorded, kind):
            theirs = unmirrored(item, item[picture]).astype(int)
            place = geometry(item, theirs.shape[:2])
            inside = place.valid()
            difference = np.abs(place.apply_to_image(item["source_image"]).astype(int) - theirs)[inside]
            assert difference.max() <= 2
            assert difference.mean() < 0.3
            if kind == "example":
                assert np.array_equal(inside, unmirrored(item, item["ignore_mask"]) != 255)
            else:
                ours, mask = place.apply_to_mask(item["source_mask"]), unmirrored(item, item["mask"])
                assert (ours != mask).mean() < 0.05


def test_sizes_after_resizing(recorded: Arrays) -> None:
    """Ours for a factor of draw / long side: equal, but where half a pixel is rounded to the even number."""
    for width, height, smallest, largest, draw, new_width, new_height in recorded["resize_table"].tolist():
        longest = max(width, height)
        assert (smallest, largest) == (int(0.5 * longest), int(2 * longest))
        config = DataConfig(crop_size=56, resize_range=(draw / longest, draw / longest))
        made = sample_geometry(config, (height, width), np.random.default_rng(0))
        exact = (height * draw / longest, width * draw / longest)
        for ours, theirs, side in zip(made.resized, (new_height, new_width), exact, strict=True):
            assert ours == theirs or abs(side % 1 - 0.5) < 1e-6


def test_strong_views(recorded: Arrays) -> None:
    for item in items(recorded, "example"):
        weak = torch.from_numpy(item["weak"].transpose(2, 0, 1).copy()).float() / 255
        for view in (1, 2):
            changes = Changes(
                order=item[f"jitter_order{view}"].tolist() if item[f"jittered{view}"] else [],
                factors=item[f"jitter_factors{view}"].tolist(),
                gray=bool(item[f"gray{view}"]),
                sigma=float(item[f"sigma{view}"]) if item[f"blurred{view}"] else None,
            )
            (changed,) = Jitter().apply(weak[None].clone(), [changes])
            ours = 255 * changed.numpy().transpose(1, 2, 0)
            difference = np.abs(ours - item[f"view{view}"])
            assert difference.mean() < 3
            assert np.percentile(difference, 99) < 14
            assert difference.max() < 30


def test_boxes_are_where_they_say(recorded: Arrays) -> None:
    for item in items(recorded, "example"):
        for view in (1, 2):
            inside = np.zeros_like(item[f"box{view}"])
            x0, y0, x1, y1 = item[f"cutmix{view}"].tolist()
            inside[y0:y1, x0:x1] = 1
            assert np.array_equal(inside, item[f"box{view}"])


def largest_gap(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, in units that one pair in 20,000 exceeds 2.3."""
    values = np.concatenate([first, second])
    shares = [
        np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (first, second)
    ]
    return np.abs(shares[0] - shares[1]).max() / np.sqrt(1 / len(first) + 1 / len(second))


@pytest.mark.parametrize("size", [70, 518])
def test_boxes_have_the_recorded_distribution(recorded: Arrays, size: int) -> None:
    generator = np.random.default_rng(0)
    ours = np.array([sample_small_box(generator, size, size) for _ in range(20_000)])
    theirs = recorded[f"boxes_{size}"].astype(int)
    for measure in (
        lambda x0, y0, x1, y1: x0,
        lambda x0, y0, x1, y1: y0,
        lambda x0, y0, x1, y1: x1 - x0,
        lambda x0, y0, x1, y1: y1 - y0,
        lambda x0, y0, x1, y1: (x1 - x0) * (y1 - y0),
        lambda x0, y0, x1, y1: (y1 - y0) / (x1 - x0),
    ):
        assert largest_gap(measure(*ours.T), measure(*theirs.T)) < 2.3


def test_color_changes_have_the_recorded_distribution(recorded: Arrays) -> None:
    draw, generator = Jitter().draw, np.random.default_rng(0)
    ours = [draw(generator) for _ in range(10_000)]
    jittered, order, factors, gray, blurred, sigma, boxes = (
        np.concatenate([recorded[f"draws.{what}{view}"] for view in (1, 2)])
        for what in ("jittered", "jitter_order", "jitter_factors", "gray", "blurred", "sigma", "cutmix")
    )
    shares = {
        "jittered": (np.mean([bool(each.order) for each in ours]), jittered.mean()),
        "gray": (np.mean([each.gray for each in ours]), gray.mean()),
        "blurred": (np.mean([each.sigma is not None for each in ours]), blurred.mean()),
        "box": (0.5, (boxes[:, 2] > boxes[:, 0]).mean()),
        "box_drawn": (0.5, recorded["box_drawn"].mean()),
    } | {
        f"{change} first": (
            np.mean([each.order[0] == change for each in ours if each.order]),
            (order[jittered][:, 0] == change).mean(),
        )
        for change in range(4)
    }
    for name, (mine, theirs) in shares.items():
        assert abs(mine - theirs) < 0.05, name
    for number in range(4):
        mine = np.array([each.factors[number] for each in ours])
        assert largest_gap(mine, factors[jittered][:, number].astype(float)) < 2.3, number
    sigmas = np.array([each.sigma for each in ours if each.sigma is not None])
    assert largest_gap(sigmas, sigma[blurred].astype(float)) < 2.3
