"""What makes a site of these pages, which are written to be read where the code is, too.

The navigation is what ``index.md`` lists below its headings. Files outside of ``docs/`` that a page links to
come along below ``repository/``; a link to anything else in the repository becomes text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "repository"
_LINK = re.compile(r"(?<!\\)(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation of the lists in ``index.md``."""
    nav: list[Any] = [{"Pages": "index.md"}]
    for line in (DOCS / "index.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            nav.append({line.removeprefix("## "): []})
        elif line.startswith("- "):
            [section] = nav[-1].values()
            for _, title, target in _LINK.findall(line):
                section.append({title: _source(DOCS / "index.md", target)})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside that pages link to, and a list of the decisions."""
    pages = sorted(DOCS.rglob("*.md"))
    for path in sorted({target for page in pages for target in _targets(page)}):
        if path.is_file() and not path.is_relative_to(DOCS):
            name = f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    decisions = [page for page in pages if page.parent.name == "decisions"]
    titles = (page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for page in decisions)
    entries = (f"- [{title}]({page.name})" for title, page in zip(titles, decisions, strict=True))
    content = "\n".join(["# Decisions", "", *entries])
    files.append(File.generated(config, "decisions/index.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where their files are in the site."""
    source = page.file.src_uri
    inside = not source.startswith(f"{OUTSIDE}/")
    path = DOCS / source if inside else ROOT / source.removeprefix(f"{OUTSIDE}/")

    def link(match: re.Match[str]) -> str:
        target, _, anchor = match[3].partition("#")
        if "://" in target or not target or not (path.parent / target).exists():
            return match[0]
        found = _source(path, target)
        if files.get_file_from_path(found) is None:
            return match[2]
        relative = os.path.relpath(found, Path(source).parent)
        return f"{match[1]}[{match[2]}]({relative}{'#' + anchor if anchor else ''})"

    return _LINK.sub(link, markdown)


def _targets(page: Path) -> set[Path]:
    links = (match[3].partition("#")[0] for match in _LINK.finditer(page.read_text(encoding="utf-8")))
    return {Path(os.path.normpath(page.parent / link)) for link in links if link and "://" not in link}


def _source(page: Path, target: str) -> str:
    """Return where the site keeps what a page links to."""
    path = Path(os.path.normpath(page.parent / target))
    if path.is_relative_to(DOCS):
        path = path / "index.md" if path.is_dir() else path
        return path.relative_to(DOCS).as_posix()
    return f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}"
