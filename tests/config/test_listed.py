"""Configs that are found by listing a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from s4former.config import Config, Listed


class Shape(Config):
    """What the files of the test describe."""

    name: str


TOGETHER = """
import heavy
from test_listed import Shape
class Circle(Shape):
    radius: int = 1
"""
APART = TOGETHER.replace("import heavy\n", "").replace("Circle", "Square")


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listed[Shape]:
    """A package with one config in the file of its thing, and one apart from it."""
    files = {
        "heavy.py": "",
        "shapes/__init__.py": "",
        "shapes/circle.py": TOGETHER,
        "shapes/square.py": "import heavy\nfrom shapes.configs.square import Square",
        "shapes/configs/__init__.py": "",
        "shapes/configs/square.py": APART,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shapes", "heavy")]:
        monkeypatch.delitem(sys.modules, name)
    return Listed("shapes", Shape, "shape")


def test_a_config_stands_beside_its_thing_or_apart_from_it(shapes: Listed[Shape]) -> None:
    assert shapes.names() == ["circle", "square"]
    assert shapes.config_class("square").__name__ == "Square"
    assert "heavy" not in sys.modules, "what the thing itself needs is not imported for its config"
    assert shapes.config_class("circle").__name__ == "Circle"
    assert "heavy" in sys.modules


def test_other_names_are_told(shapes: Listed[Shape]) -> None:
    with pytest.raises(ValueError, match=r"no shape 'cube'.*circle, square"):
        shapes.config_class("cube")
    with pytest.raises(ValueError, match=r"'\.\./circle' is no import path.*my_project"):
        shapes.config_class("../circle")


def test_a_config_that_lacks_something_is_told_what(shapes: Listed[Shape], tmp_path: Path) -> None:
    unfinished = (
        "import abc\nfrom test_listed import Shape\nclass Oval(Shape, abc.ABC):\n    name: str = 'oval'\n"
    )
    for name in ("area", "side"):
        unfinished += f"    @abc.abstractmethod\n    def {name}(self): ...\n"
    (tmp_path / "shapes/oval.py").write_text(unfinished)
    with pytest.raises(ValueError, match=r"oval defines 0 classes .*; Oval lacks area, side"):
        shapes.config_class("oval")
