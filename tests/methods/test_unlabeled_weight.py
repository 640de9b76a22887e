"""From when on, and how much, unlabeled images count."""

from __future__ import annotations

from s4former.methods.mean_teacher import MeanTeacherConfig


def test_the_ramp_starts_where_unlabeled_images_do() -> None:
    config = MeanTeacherConfig(unlabeled_weight=2, unlabeled_start_step=10, unlabeled_ramp_steps=4)
    assert [config.before_unlabeled_start(step) for step in (0, 9, 10)] == [True, True, False]
    assert [config.loss_weights(step) for step in (10, 11, 14, 99)] == [(1, 0), (1, 0.5), (1, 2), (1, 2)]


def test_averaged_losses_have_weights_that_add_up_to_one() -> None:
    config = MeanTeacherConfig(unlabeled_weight=3, unlabeled_ramp_steps=3, average_losses=True)
    assert [config.loss_weights(step) for step in (0, 1, 3)] == [(1, 0), (0.5, 0.5), (0.25, 0.75)]
