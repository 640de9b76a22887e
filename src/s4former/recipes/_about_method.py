"""What is said of the method that is chosen for a data set of one's own."""

from __future__ import annotations

from s4former.engine.run import Run
from s4former.inference.config import LEAST_IMAGES
from s4former.methods.configs.s4former import S4FormerConfig
from s4former.recipes.derived import Decision, chosen


def about_method(run: Run, unlabeled: int, val: int) -> list[Decision]:
    """Return what was decided about the method, for so many unlabeled and val images."""
    method, few = run.method, f"; {LEAST_IMAGES} val images or more could show it, {val} cannot"
    if not isinstance(method, S4FormerConfig):
        reason = (
            "there is no unlabeled image; add a folder of images without masks as `unlabeled: {images: DIR}` "
            "to learn from them too"
        )
        return [Decision(f"method=supervised: {reason}", "method.name")]
    return [
        Decision(
            f"method=s4former: {unlabeled} unlabeled images are learned from as well; they "
            "helped on photographs, not on CamVid's street scenes (docs/when_unlabeled_images_help.md)",
            "method.name",
        ),
        chosen(
            "method.patch_shuffle",
            "false",
            "a block is a large part of a small crop, and shuffling them lost points in most measurements",
        ),
        chosen("method.unlabeled_start_step", method.unlabeled_start_step, "labeled images alone come first"),
        chosen(
            "fall_back",
            "true",
            "the network from before unlabeled images take part is kept, and is the model if val shows the "
            f"end to be worse{few if val < LEAST_IMAGES else ''}",
            given="method.name",
        ),
        chosen(
            "method.confidence_threshold",
            f"{method.confidence_threshold:g}",
            f"as published, but that of a class falls until its surest {method.class_share:.0%} are learned "
            "(method.class_share)",
        ),
    ]
