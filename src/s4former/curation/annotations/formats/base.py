"""What an annotation format is: its files, the classes they know, and the shapes on each image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from s4former.config.base import Config
from s4former.curation.annotations.reading import only_file
from s4former.curation.annotations.shapes import AnnotatedImage, Notes


class AnnotationFormat(Config, ABC):
    """How the annotation files of a drawing tool are read. Its class lives in the file of its name.

    Attributes:
        larger_first: Whether larger shapes are drawn first, as the format knows no order of drawing.
        file_per_image: Whether each image has a file of its own, so that a folder may hold many.
        ending: What the name of the single file ends with, if they have one.
    """

    larger_first: ClassVar[bool] = False
    file_per_image: ClassVar[bool] = False
    ending: ClassVar[str] = ".json"

    name: str
    """The format: the name of its file in ``formats/``, or the import path of a file of your own."""

    def files(self, path: Path) -> list[Path]:
        """Return the files that hold the annotations: usually a single one.

        Args:
            path: The file or folder that ``annotations`` in a ``dataset.yaml`` names.

        Raises:
            DataError: If a folder holds none or several.
        """
        return [only_file(path, self.ending)]

    @abstractmethod
    def class_names(self, path: Path) -> list[str]:
        """Return the classes that the files know: in the order of the format if it has one, else sorted.

        Raises:
            DataError: If a file is broken.
        """

    @abstractmethod
    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return each annotated image with its shapes.

        Args:
            path: The file or folder.
            notes: Counts what a person should know although it is no error.

        Raises:
            DataError: If a file is broken.
        """

    def recognizes(self, path: Path, content: Any) -> bool:
        """Return whether files are of this format, so that it need not be named.

        Args:
            path: A file, or a folder in which no file is of a known format.
            content: What a ``.json`` file holds, or the root element of an ``.xml`` file; None for others.
        """
        return False
