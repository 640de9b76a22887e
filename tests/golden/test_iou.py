"""Golden ``iou``: areas per image and scores of a whole set."""

from __future__ import annotations

import numpy as np
import torch
from golden_data import cases, load_arrays

from s4former.ops import Scores, confusion_matrix


def matrices(case):
    """Return the confusion matrix of each image."""
    num_classes = int(case["num_classes"])
    return torch.stack(
        [confusion_matrix(*pair, num_classes) for pair in zip(case["pred"], case["label"], strict=True)]
    )


def test_areas_per_image(golden):
    for case in cases(load_arrays(golden("iou.npz")), "pred").values():
        matrix = matrices(case)
        intersect = matrix.diagonal(dim1=1, dim2=2)
        label, pred = matrix.sum(2), matrix.sum(1)
        assert torch.equal(intersect, case["area_intersect"])
        assert torch.equal(label, case["area_label"])
        assert torch.equal(pred, case["area_pred"])
        assert torch.equal(label + pred - intersect, case["area_union"])


def test_scores_of_the_set(golden):
    for case in cases(load_arrays(golden("iou.npz")), "pred").values():
        scores = Scores.from_matrix(matrices(case).sum(0))
        for actual, name in (
            (scores.iou, "iou"),
            (scores.acc, "acc"),
            (scores.miou, "mIoU"),
            (scores.macc, "mAcc"),
            (scores.aacc, "aAcc"),
        ):
            np.testing.assert_allclose(actual, case[name].numpy(), rtol=1e-12, equal_nan=True)
        present = case["iou"].numpy()[~np.isnan(case["acc"].numpy())]
        np.testing.assert_allclose(scores.miou_present, present.mean(), rtol=1e-12)
