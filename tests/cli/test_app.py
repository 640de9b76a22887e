"""``s4former app`` in a browser: upload, look, download; nothing is left behind."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

from s4former.config import UserError
from s4former.engine import train
from s4former.inference import Model, Prediction
from s4former.report.app import caption, class_shares, write_zip
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists() and os.environ.get("CI") != "true", reason="needs Debian's chromium"
)
HOSTILE = "<img src=x onerror=alert(1)>.png"


def prediction(*classes: int, sure: float = 0.5) -> Prediction:
    mask = np.array([classes], np.uint8)
    colors = ((250, 0, 0), (0, 250, 0))
    image = np.zeros((*mask.shape, 3), np.uint8)
    return Prediction(image, mask, np.full(mask.shape, sure, np.float32), ("a", "b"), colors)


def test_a_zip_holds_harmless_names_once_and_unknown_pixels(tmp_path: Path) -> None:
    files = ["x/a.png", "y/a.png", "z/a_overlay.png", "/../..\\evil/../.png", "con<|>.png", "猫.jpg"]
    known = {
        file: prediction(0, 1, 1, sure=sure)
        for file, sure in zip(files, np.linspace(0.4, 0.9, 6), strict=True)
    }
    write_zip(tmp_path / "all.zip", known, 0.45)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = archive.namelist()
        masks = [np.array(Image.open(io.BytesIO(archive.read(name)))) for name in ("a.png", "a_2.png")]
    assert len({*names}) == len(names) == 2 * len(files) + 1
    assert all(re.fullmatch(r"[\w.-]+", name) and not name.startswith(".") for name in names)
    assert masks[0].tolist() == [[255, 255, 255]]
    assert masks[1].tolist() == [[0, 1, 1]]


def test_captions_name_the_largest_classes() -> None:
    assert caption("photo", prediction(1, 1, 1, 0)) == "photo: b 75%, a 25%"
    assert class_shares([prediction(0), prediction(1)]) == {0: 0.5, 1: 0.5}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    train(tiny_run(make_data(root / "data")), root / "cells")
    (root / "temporary").mkdir()
    return root


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "s4former", "app", str(home / "cells"), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=home,
        env=os.environ | {"TMPDIR": str(home / "temporary")},
    )
    try:
        assert process.stdout
        yield re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]  # type: ignore[index]
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert [*(home / "temporary").iterdir()] == []
    finally:
        process.kill()


@needs_chromium
@pytest.mark.timeout(900)
def test_upload_overlay_slider_and_download(home: Path, address: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    picture = next((home / "data/images/val").iterdir()).read_bytes()
    uploads = [
        {"name": name, "mimeType": "image/png", "buffer": content}
        for name, content in (("photo.png", picture), (HOSTILE, picture), ("broken.png", b"no picture"))
    ]
    asked: set[str | None] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(120_000)  # a busy machine is slow
        page.on("request", lambda request: asked.add(urlparse(request.url).hostname))
        page.on("dialog", lambda dialog: pytest.fail(f"a file's name was run: {dialog.message}"))
        page.goto(address)
        page.locator("input[type=file]").set_input_files(uploads)  # type: ignore[arg-type]
        page.get_by_text("broken.png:").wait_for()
        page.get_by_text("photo: ").first.wait_for()
        assert page.locator(".grid-container img").count() == 2
        page.get_by_text(re.compile(r"(background|square|disk) \d+\.\d%")).first.wait_for()
        button = page.locator("button:enabled", has_text="Download all")
        button.wait_for()
        page.screenshot(path=str(tmp_path / "wide.png"))

        page.locator("input[type=number]").fill("1")
        page.locator("input[type=number]").blur()
        page.get_by_text("unknown 100.0%").wait_for()
        page.wait_for_timeout(500)
        with page.expect_download() as waiting:
            button.click()
        waiting.value.save_as(tmp_path / "all.zip")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=str(tmp_path / "phone.png"))
        browser.close()
    assert asked == {"127.0.0.1"}
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = sorted(archive.namelist())
        assert {"classes.csv", "photo.png", "photo_overlay.png"} < {*names}
        assert len(names) == 5
        assert not any(set(name) & set("<>/\\ ") for name in names)
        assert set(np.array(Image.open(io.BytesIO(archive.read("photo.png")))).ravel()) == {255}


def test_gradio_missing_is_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from s4former.cli import app

    monkeypatch.setattr(app, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 's4former\[app\]'"):
        app.app(home / "cells")
    assert Model.load(home / "cells").card.names
