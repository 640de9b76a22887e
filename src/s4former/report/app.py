"""A local page on which a model looks at pictures: nothing leaves the machine, and nothing stays on it."""

from __future__ import annotations

import csv
import html
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import DataError, UserError
from s4former.inference import Model, Prediction
from s4former.types import IGNORE

UNKNOWN = (128, 128, 128)
_SHOWN_SIDE = 1600
_MOST_PIXELS = 200_000_000
"""Of all pictures together: each takes six bytes while the page is open."""
Predictions = Mapping[str, Prediction]


def serve(model: Model, name: str, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Show the page until interrupted; uploads and results lie in a temporary folder that goes with it.

    Args:
        model: Looks at the pictures.
        name: What the page calls it.
        host: Address to listen on.
        port: Port.
        ready: Told the page's address once it can be opened.

    Raises:
        UserError: If it cannot listen there.
    """
    with TemporaryDirectory(prefix="s4former-app-") as folder:
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder)
        import gradio as gr

        page = app_page(model, name, Path(folder))
        plain = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                inbrowser=False,
                ssr_mode=False,
                enable_monitoring=False,
                footer_links=[],
                theme=plain,
            )
        except (OSError, ValueError) as error:
            raise UserError(
                f"the page cannot be served at {host}:{port} ({error}); type another --port or --host, and "
                "see that no proxy stands between this machine and itself"
            ) from None
        try:
            ready(address)
            page.block_thread()
        finally:
            page.close(verbose=False)


def app_page(model: Model, name: str, folder: Path) -> Any:
    """Return the page; what it makes is written into ``folder``."""
    import gradio as gr

    card = model.card

    def predict(files: list[str] | None, known: Predictions, progress: Any = gr.Progress()) -> Predictions:  # noqa: B008
        found: dict[str, Prediction] = {}
        for number, file in enumerate(files or []):
            progress((number, len(files or [])), unit="images")
            try:
                found[file] = known.get(file) or _kept(model.predict(file))
                if sum(each.mask.size for each in found.values()) > _MOST_PIXELS:
                    del found[file]
                    raise DataError("too many pictures for a page; `s4former predict` takes any number")
            except (DataError, UserError, MemoryError, RuntimeError) as error:
                name = Path(file).name
                gr.Warning(html.escape(f"{name}: {str(error).replace(file, name)}"))
        return found

    def show(known: Predictions, threshold: float) -> tuple[list[tuple[PilImage.Image, str]], str, Any]:
        drawn = [(stem, with_unknown(each, threshold)) for stem, each in _named(known)]
        pictures = [(_small(painted(each)), caption(stem, each)) for stem, each in drawn]
        return pictures, legend([each for _, each in drawn], model), gr.DownloadButton(interactive=False)

    def pack(known: Predictions, threshold: float) -> Any:
        if not known:
            return gr.DownloadButton(value=None, interactive=False)
        path = Path(mkdtemp(dir=folder)) / "predictions.zip"
        write_zip(path, known, threshold)
        return gr.DownloadButton(value=str(path), interactive=True)

    with gr.Blocks(title=f"s4former: {name}", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        method = html.escape(str(card.method.get("name")))
        gr.HTML(
            f"<h1 style='overflow-wrap: anywhere'>{html.escape(name)}</h1><p>{len(card.names)} classes, "
            f"{method}, {card.network} after {card.step:,} steps. Pictures stay on the machine with this "
            "page.</p>"
        )
        known = gr.State({})
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                kinds = ["image"] if card.input.channels in (1, 3) else None
                files = gr.File(file_count="multiple", file_types=kinds, label="Images", height=160)
                threshold = gr.Slider(0, 1, 0, step=0.01, label="Unknown where less confident than")
                download = gr.DownloadButton("Download all as zip", interactive=False)
            with gr.Column(scale=3, min_width=320):
                shares = gr.HTML(legend([], model))
                shown = gr.Gallery(
                    label="Predictions",
                    columns=2,
                    object_fit="contain",
                    height="80vh",
                    format="jpeg",
                    buttons=["fullscreen"],
                )
        given, outputs = [known, threshold], [shown, shares, download]
        predicted = files.change(predict, [files, known], known, show_progress_on=shown)
        predicted.then(show, given, outputs).then(pack, given, download, show_progress="hidden")
        threshold.release(show, given, outputs, show_progress="hidden").then(
            pack, given, download, show_progress="hidden"
        )
    return page


def with_unknown(prediction: Prediction, threshold: float) -> Prediction:
    """Return a prediction whose pixels of less confidence are `IGNORE`, in gray."""
    mask = np.where(prediction.confidence < threshold, np.uint8(IGNORE), prediction.mask)
    unused = IGNORE + 1 - len(prediction.colors)
    return replace(prediction, mask=mask, colors=(*prediction.colors, *[UNKNOWN] * unused))


def caption(stem: str, prediction: Prediction) -> str:
    """Return a picture's name and its three largest classes."""
    shares = class_shares([prediction])
    most = sorted(shares, key=lambda index: -shares[index])[:3]
    return f"{stem}: " + ", ".join(
        f"{'unknown' if index == IGNORE else prediction.names[index]} {shares[index]:.0%}" for index in most
    )


def class_shares(predictions: list[Prediction]) -> dict[int, float]:
    """Return the share of all pixels of each class that is there, and of `IGNORE`."""
    counts = np.zeros(IGNORE + 1, np.int64)
    for each in predictions:
        counts += np.bincount(each.mask.ravel(), minlength=IGNORE + 1)
    return {index: int(count) / int(counts.sum()) for index, count in enumerate(counts) if count}


def legend(predictions: list[Prediction], model: Model) -> str:
    """Return the classes as HTML, those with the largest shares of all pictures first."""
    card = model.card
    shares = class_shares(predictions)
    entries = [
        *zip(range(len(card.names)), card.names, card.colors, strict=True),
        (IGNORE, "unknown", UNKNOWN),
    ]
    chips = (
        f"<span style='opacity: {1 if index in shares or not predictions else 0.5}; white-space: nowrap'>"
        f"<span style='display: inline-block; width: 1em; height: 1em; background: {_css(index, color)}'>"
        f"</span> {html.escape(label)}{f' {shares[index]:.1%}' if index in shares else ''}</span>"
        for index, label, color in sorted(entries, key=lambda entry: -shares.get(entry[0], 0))
    )
    return f"<div style='display: flex; flex-wrap: wrap; gap: 0.2em 1.2em'>{''.join(chips)}</div>"


def _css(index: int, color: tuple[int, int, int]) -> str:
    """Return a class's color, the stripes of `painted` for pixels that are unknown."""
    if index != IGNORE:
        return f"rgb{color}"
    return f"repeating-linear-gradient(135deg, white 0 0.1em, rgb{color} 0.1em 0.4em)"


def painted(prediction: Prediction) -> PilImage.Image:
    """Return the overlay of a prediction, with stripes where it is unknown: photographs may be gray too."""
    overlay = np.array(prediction.overlay())
    height, width = prediction.mask.shape
    period = max(8, min(height, width) // 40)
    stripes = sum(np.ogrid[:height, :width]) % period < period // 4
    overlay[stripes & (prediction.mask == IGNORE)] = 255
    return PilImage.fromarray(overlay)


def write_zip(path: Path, known: Predictions, threshold: float) -> None:
    """Write an index PNG and an overlay of each picture, and what the indices mean, into a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow(["index", "class", "red", "green", "blue"])
        for stem, prediction in _named(known):
            drawn = with_unknown(prediction, threshold)
            for picture, kind in ((drawn.index_image(), ""), (painted(drawn), "_overlay")):
                content = io.BytesIO()
                picture.save(content, format="PNG", compress_level=3)
                archive.writestr(f"{stem}{kind}.png", content.getvalue())
        first = next(iter(known.values()))
        for index, (label, color) in enumerate(zip(first.names, first.colors, strict=True)):
            writer.writerow([index, label, *color])
        writer.writerow([IGNORE, "unknown", *UNKNOWN])
        archive.writestr("classes.csv", table.getvalue())


def _kept(prediction: Prediction) -> Prediction:
    """Return a prediction that takes less memory."""
    return replace(prediction, confidence=prediction.confidence.astype(np.float16))


def _small(picture: PilImage.Image) -> PilImage.Image:
    """Return a picture as large as a screen shows it."""
    picture.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return picture


def _named(known: Predictions) -> Iterator[tuple[str, Prediction]]:
    """Yield predictions with names that are harmless as files, each once."""
    taken: set[str] = set()
    for file, prediction in known.items():
        stem = re.sub(r"[^\w.-]+", "_", Path(file).stem).strip("._")[:80] or "image"
        name, number = stem, 1
        while {name.casefold(), f"{name}_overlay".casefold()} & taken:
            number += 1
            name = f"{stem}_{number}"
        taken |= {name.casefold(), f"{name}_overlay".casefold()}
        yield name, prediction
