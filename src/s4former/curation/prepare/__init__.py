"""Brings published data sets into their usual layout: downloads or archives at hand, masks, a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from s4former.curation.prepare import ade20k, camvid, cityscapes, coco, voc
from s4former.curation.prepare.steps import DataSet, Planned, Step, carry_out, plan, size
from s4former.curation.prepare.verify import Verification, verify

DATASETS: Mapping[str, Callable[[], DataSet]] = {
    "voc": voc.dataset,
    "cityscapes": cityscapes.dataset,
    "coco": coco.dataset,
    "ade20k": ade20k.dataset,
    "camvid": camvid.dataset,
}
"""The data sets that can be prepared, by name."""

__all__ = ["DATASETS", "DataSet", "Planned", "Step", "Verification", "carry_out", "plan", "size", "verify"]
