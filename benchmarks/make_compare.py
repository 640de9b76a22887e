"""Write ``docs/compare.md`` from the result files in ``benchmarks/results``.

python benchmarks/make_compare.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s4former.config import read_json
from s4former.config.record import write_text
from s4former.studies.comparison import markdown, score_table

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "compare.md"
INTRODUCTION = """# Methods compared

Made by `benchmarks/make_compare.py` from the result files that each section names; do not edit it.

Rows of a section have equal steps, views, labels and scoring. A *cell* is a label count, a draw of the
labeled images and a seed: in a cell all rows start from the same weights and see the same labeled crops, so
differences are taken pair by pair, and their 95 % intervals are those of Student's t over the pairs. Cells of
one draw share their labeled images, so where draws are few an interval tells more of seeds than of draws.
*Last* is the score after the last step, of the network that is saved (\\*) and of the other one; *best* is
the highest score on the way, chosen on the very images that are scored, and shows how much such a choice
flatters. `s4former compare` makes such tables for your own data."""
EARLIER = "## Before `s4former compare`\n\nmIoU in percent after the last step, mean over seeds."


def page() -> str:
    """Return the page."""
    found = {path: read_json(path) for path in sorted(RESULTS.glob("*.json"))}
    studies = [_study(path, content) for path, content in found.items() if "lines" in content]
    earlier = [_earlier(path, content) for path, content in found.items() if _is_earlier(content)]
    if earlier:
        earlier.insert(0, EARLIER)
    return "\n\n".join([INTRODUCTION, *studies, *earlier]) + "\n"


def _study(path: Path, content: dict[str, Any]) -> str:
    table = score_table(content["lines"], content["against"], content["title"], content["part"])
    name = f"benchmarks/results/{path.name}"
    parts = [f"## {content['title']}", f"{content['date']}, [{path.name}](../{name}). {_protocol(content)}"]
    parts.append(markdown(table))
    parts.append("\n".join(f"- {sentence}" for sentence in content["notes"]))
    figure = path.with_suffix(".png")
    if figure.is_file():
        parts.append(f"![Score over label count](../benchmarks/results/{figure.name})")
    return "\n\n".join(parts)


def _protocol(content: dict[str, Any]) -> str:
    hardware = {run["hardware"]["processor"] for run in content["runs"]}
    rows = [f"`{name}`: `{' '.join(changes)}`" for name, changes in content["rows"].items() if changes]
    return f"On {', '.join(sorted(hardware))}. Rows change: {'; '.join(rows)}."


def _is_earlier(content: Any) -> bool:
    return isinstance(content, dict) and {"title", "summary", "runs"} <= content.keys()


def _earlier(path: Path, content: dict[str, Any]) -> str:
    lines = [f"{content['title']} ([{path.name}](../benchmarks/results/{path.name}))", ""]
    lines += ["| row | network | last |", "|---|---|---:|"]
    for row, networks in content["summary"].items():
        for network, values in networks.items():
            mean, spread = values["last"]
            lines.append(f"| {row} | {network} | {mean:.1f}{'' if spread is None else f' ± {spread:.1f}'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write_text(PAGE, page())
    print(PAGE)
