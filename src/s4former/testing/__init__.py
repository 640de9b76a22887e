"""What a training method promises, as checks that run on any method, inside this package or outside of it."""

from s4former.testing.laws import LAWS, check_method
from s4former.testing.subjects import NUM_CLASSES, SIZE, awake, random_batch, tiny_student, train_steps

__all__ = [
    "LAWS",
    "NUM_CLASSES",
    "SIZE",
    "awake",
    "check_method",
    "random_batch",
    "tiny_student",
    "train_steps",
]
