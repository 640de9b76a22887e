"""Reads the project's pages: code blocks with the remarks before them, tables, links and headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)

_FENCE = re.compile(r"^(```+|~~~+) *(\w*) *$")
_REMARK = re.compile(r"^<!-- (.*) -->$")
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: What follows the fence, as in ``sh``.
        text: What it holds.
        line: Number of its first line, from 1.
        remark: The HTML comment on the line before it; empty: there is none.
    """

    language: str
    text: str
    line: int
    remark: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found, inside = [], None
    remark = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is None and fence:
            inside = (fence[1], fence[2], number + 1, [], remark)
        elif inside is not None and line.strip() == inside[0]:
            found.append(Block(inside[1], "\n".join(inside[3]), inside[2], inside[4]))
            inside = None
        elif inside is not None:
            inside[3].append(line)
        match = _REMARK.match(line)
        remark = match[1] if match else ""
    assert inside is None, f"{page}: the block of line {inside[2]} has no end"
    return found


def prose(page: Path) -> str:
    """Return a page's text without its fenced blocks, whose lines stay as empty ones."""
    lines, fence = [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        match = _FENCE.match(line)
        if fence is None and match:
            fence = match[1]
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is None:
            lines.append(line)
            continue
        lines.append("")
    return "\n".join(lines)


def commands(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the commands of a shell block with their line numbers; comments are left out."""
    start, text = 0, ""
    for number, line in enumerate(block.text.splitlines(), block.line):
        start = start if text else number
        text += line.rstrip("\\") + " "
        if line.endswith("\\"):
            continue
        if text.strip() and not text.lstrip().startswith("#"):
            yield start, text.strip()
        text = ""
    assert not text, f"line {start}: the command does not end"


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return _LINK.findall(text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for line in prose(page).splitlines():
        match = _HEADING.match(line)
        if not match:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def tables(page: Path, heading: str) -> list[list[list[str]]]:
    """Return the tables below a heading as rows of cells, without their first row and the ruler below it."""
    section = re.split(rf"^#+ +{re.escape(heading)}$", prose(page), flags=re.MULTILINE)
    assert len(section) == 2, f"{page.name} should have one heading {heading!r}"
    own = re.split(r"^#{1,6} ", section[1], flags=re.MULTILINE)[0]
    found = []
    for chunk in re.split(r"\n(?!\|)", own):
        rows = [line for line in chunk.splitlines() if line.startswith("|")]
        if rows:
            cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows[2:]]
            found.append([[cell.strip().replace("\\|", "|") for cell in row] for row in cells])
    return found


def code(cell: str) -> list[str]:
    """Return the pieces of a cell that are set as code."""
    return re.findall(r"``? ?(.+?) ?``?(?!`)", cell)
