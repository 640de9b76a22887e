"""What methods share whose teacher is the moving average of the student."""

from __future__ import annotations

from collections.abc import Mapping

from s4former.methods.base import Method
from s4former.methods.configs.base import MethodConfig
from s4former.methods.parts import EMATeacher, EMATeacherConfig
from s4former.types import Segmenter


class WithTeacher(Method):
    """A student, and a teacher that follows it and is what is saved for use.

    Attributes:
        teacher: The moving average of the student's weights.

    Raises:
        TypeError: If the config has no fields of an averaged teacher.
    """

    teacher: EMATeacher
    deployed = "teacher"

    def __init__(self, config: MethodConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        if not isinstance(config, EMATeacherConfig):
            raise TypeError(f"{type(config).__name__} has to derive from EMATeacherConfig as well")
        self.teacher = EMATeacher(config, student)

    @property
    def networks(self) -> Mapping[str, Segmenter]:
        """Student and teacher."""
        return {"student": self.student, "teacher": self.teacher.network}

    def after_update(self, step: int) -> None:
        """Move the teacher toward the student."""
        self.teacher.follow(self.student, step)
