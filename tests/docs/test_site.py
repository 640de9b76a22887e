"""The pages as a site: it builds without a warning, and asks no other server for anything."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from pages import ROOT


def test_the_site_builds_strictly_and_stands_alone(tmp_path: Path) -> None:
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert {"index.html", "api.html", "decisions/index.html", "repository/CHANGELOG.html"} <= pages.keys()
    for name, page in pages.items():
        loaded = re.findall(
            r"""<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=["']?(https?://[^"'> ]+)""", page
        )
        assert not loaded, f"{name} loads {loaded}"
    assert "save_pretrained" in pages["api.html"], "docstrings are found"
    assert "MODEL" in pages["share.html"]
