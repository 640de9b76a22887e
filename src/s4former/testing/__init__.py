"""What a training method promises, as checks that run on any method, inside this package or outside of it."""

from s4former.testing.laws import LAWS, Subject, check_method
from s4former.testing.subjects import NUM_CLASSES, SIZE, awake, learn, random_batch, tiny_student, train_steps

__all__ = [
    "LAWS",
    "NUM_CLASSES",
    "SIZE",
    "Subject",
    "awake",
    "check_method",
    "learn",
    "random_batch",
    "tiny_student",
    "train_steps",
]
