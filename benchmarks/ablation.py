"""What is compared when S4Former's parts are: the rows that the benchmarks share."""

from __future__ import annotations

ABLATION: dict[str, list[str]] = {
    "supervised": ["method.name=supervised"],
    "mean teacher": ["method.name=mean_teacher", "method.cutmix_probability=0"],
    "mean teacher + CutMix": ["method.name=mean_teacher", "method.cutmix_probability=0.5"],
    "CutMix + PatchShuffle": ["method.pasa=false", "method.ncr=false"],
    "CutMix + PASA": ["method.patch_shuffle=false", "method.ncr=false"],
    "CutMix + NCR": ["method.patch_shuffle=false", "method.pasa=false"],
    "S4Former": [],
    "S4Former without PatchShuffle": ["method.patch_shuffle=false"],
    "S4Former without PASA": ["method.pasa=false"],
    "S4Former without NCR": ["method.ncr=false"],
    "S4Former, PASA toward confident keys": ["method.pasa_bias_keys=confident"],
    "S4Former, NCR as released (not aligned)": ["method.mix_teacher_logits=false"],
}
"""Rows by name: what is changed against a recipe whose method is S4Former."""
