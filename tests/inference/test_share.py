"""A model shared: its folder and page, a small hub on loopback that it comes from, and no code that runs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants as constants
import numpy as np
import pytest

import s4former
from command_line import CommandLine
from s4former.config import UserError
from s4former.engine import train
from s4former.inference import Model
from tiny_run import make_data, tiny_run

NEWEST, OLDER = "1" * 40, "0" * 40
FILES = {"README.md", "model.json", "model.safetensors"}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home_of_alice")
    train(tiny_run(make_data(root / "data")), root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def model(run_folder: Path) -> Model:
    return s4former.load(run_folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A hub with ``alice/cells``, content by path; revisions: `main`, which is `NEWEST`, and any commit."""
    files: dict[str, bytes] = {}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            user, name, _, revision, file = self.path.lstrip("/").split("/")
            commit = NEWEST if revision == "main" else revision
            problem = "RepoNotFound" if f"{user}/{name}" != "alice/cells" else ""
            problem = problem or ("RevisionNotFound" if len(commit) < 40 else "")
            problem = problem or ("EntryNotFound" if file not in files else "")
            content = files.get(file, b"")
            self.send_response(404 if problem else 200)
            self.send_header("X-Error-Code", problem)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", "0" if problem else str(len(content)))
            self.end_headers()
            return b"" if problem else content

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    use(monkeypatch, server.server_port)
    yield files
    server.shutdown()
    server.server_close()


def use(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """What the environment variable ``HF_ENDPOINT`` does at start."""
    endpoint = f"http://127.0.0.1:{port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


def test_a_folder_to_share_predicts_the_same_and_names_nobody(
    model: Model, run_folder: Path, tmp_path: Path
) -> None:
    written = model.save_pretrained(tmp_path / "shared", license="cc-by-4.0")
    assert {path.name for path in written} == FILES
    picture = next((run_folder.parent / "data/images/val").iterdir())
    first, second = (each.predict(picture) for each in (model, s4former.load(tmp_path / "shared")))
    assert np.array_equal(first.mask, second.mask)
    assert np.array_equal(first.confidence, second.confidence)
    text = "".join(path.read_text() for path in written if path.suffix in (".md", ".json"))
    assert "home_of_alice" not in text
    assert str(Path.home()) not in text
    page = written[2].read_text()
    assert "2 images with masks and 3 images without" in page
    assert f"| 6 | {100 * model.card.score['miou']:.2f}" in page
    assert "license: cc-by-4.0" in page
    assert "none, it started from random weights" in page
    assert "another camera" in page


def test_nothing_of_anybodys_is_replaced(model: Model, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"README\.md is there already.*\n.*give a folder of its own"):
        model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md"}
    with pytest.raises(UserError, match="is there already"):
        model.save_pretrained(run_folder / "model")


def test_a_comparison_tells_the_spread(model: Model, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    last = {"mean": 51.2, "spread": 3.4, "interval": [45.8, 56.6], "cells": 4}
    own = {"last": round(100 * model.card.score["miou"], 3)}
    run = {"method": "s4former", "row": "s4former", "group": "2", "networks": {"teacher": own}}
    line = {"group": "2", "row": "s4former", "network": "teacher", "last": last}
    results.write_text(json.dumps({"runs": [run], "lines": [line]}))
    page = model.save_pretrained(tmp_path / "shared", compare=results)[2].read_text()
    assert "Of 4 runs made like this one" in page
    assert "51.2 ± 3.4" in page
    results.write_text(json.dumps({"runs": [run | {"method": "fixmatch"}], "lines": [line]}))
    with pytest.raises(UserError, match=r"no run in .*results.json has the method"):
        model.save_pretrained(tmp_path / "other", compare=results)
    results.write_text("{}")
    with pytest.raises(UserError, match="is no result of `s4former compare`"):
        model.save_pretrained(tmp_path / "other", compare=results)
    assert not (tmp_path / "other").exists()


def test_from_the_hub_and_then_without_a_network(
    model: Model, hub: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub |= {path.name: path.read_bytes() for path in model.save_pretrained(tmp_path / "shared")}
    hub["trap.py"] = b"raise SystemExit"
    image = np.zeros((32, 32, 3), np.uint8)
    loaded = s4former.load(f"hf:alice/cells@{OLDER}")
    assert np.array_equal(loaded.predict(image).mask, model.predict(image).mask)
    s4former.load("hf:alice/cells")
    snapshots = tmp_path / "cache/models--alice--cells/snapshots"
    for commit in (NEWEST, OLDER):
        assert {path.name for path in (snapshots / commit).iterdir()} == FILES - {"README.md"}

    use(monkeypatch, 9)  # nobody listens there
    assert s4former.load("hf:alice/cells").card == model.card
    with pytest.raises(UserError, match="is not in the hub's cache, and the hub cannot be reached"):
        s4former.load("hf:alice/others")


def test_what_the_hub_does_not_have(
    hub: dict[str, bytes],
    run_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    type_ = CommandLine(monkeypatch, capsys)
    images = run_folder.parent / "data/images/val"
    assert type_("predict", "hf:bob/cells", images, "--out", tmp_path / "out") == 1
    assert "is not on the hub, or not open to you" in " ".join(type_.err.split())
    assert not (tmp_path / "out").exists()
    for name, problem in {
        "hf:alice/cells@v9": "has no revision 'v9'",
        "hf:alice/cells": "has no model.json, so it is no model of s4former",
        "hf:alice": "expected hf:user/name or hf:user/name@revision",
        "hf:../../etc": "expected hf:user/name",
        "hf:alice--x/..": "not on the hub",
    }.items():
        with pytest.raises(UserError, match=problem):
            s4former.load(name)


def test_no_code_is_run(
    model: Model, hub: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap/head.py").write_text("raise SystemExit('the trap was sprung')")
    (tmp_path / "trap/__init__.py").write_text("raise SystemExit('the trap was sprung')")
    monkeypatch.syspath_prepend(tmp_path)
    for number, (part, value) in enumerate(
        [
            ("head", "trap.head"),
            ("head", {"name": "trap.head"}),
            ("backbone", "trap.head"),
            ("backbone", {"name": "trap.head"}),
            ("auxiliary_heads", ["trap.head"]),
            ("auxiliary_heads", [{"name": "trap.head"}]),
        ]
    ):
        card = model.card.model_dump(mode="json")
        card["architecture"][part] = value
        hub |= {"model.json": json.dumps(card).encode(), "model.safetensors": b""}
        with pytest.raises(UserError, match=r"trap.head; models from the hub run no code"):
            s4former.load(f"hf:alice/cells@{number:040}")
    hub["model.json"] = b"[" * 100_000
    with pytest.raises(UserError, match=r"model.json of hf:alice/cells is not JSON"):
        s4former.load("hf:alice/cells")


def test_push_uploads_three_files_and_says_what_is_wrong(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}

    class Api:
        def create_repo(self, repository: str, **options: Any) -> str:
            sent["made"] = options
            return f"https://huggingface.co/{repository}"

        def upload_folder(self, *, folder_path: str, **options: Any) -> None:
            sent["page"] = (Path(folder_path) / "README.md").read_text()
            sent["files"] = {path.name for path in Path(folder_path).iterdir()} & {*options["allow_patterns"]}
            if options["repo_id"] == "bob/cells":
                raise PermissionError("403 Forbidden")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert model.push_to_hub("alice/cells", private=True) == "https://huggingface.co/alice/cells"
    assert sent["files"] == FILES
    assert sent["made"] == {"private": True, "exist_ok": True}
    assert 's4former.load("hf:alice/cells")' in sent["page"]
    with pytest.raises(UserError, match=r"bob/cells \(403 Forbidden\); log in by `hf auth login`"):
        model.push_to_hub("bob/cells")
