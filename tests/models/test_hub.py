"""Weights from the hub, without one: a small hub on loopback, one that is silent, and none at all."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save
from small_networks import NUM_CLASSES

from s4former.config import UserError
from s4former.models import BACKBONES, ModelConfig, build_segmenter, hub
from s4former.models.weights import load_hub_weights

pytestmark = pytest.mark.slow

NAME = "vit_wee_patch16_reg1_gap_256"
FILE = "model.safetensors"
HALF = (0.5, 0.5, 0.5)
CONFIG = ModelConfig(
    backbone={"name": NAME, "final_norm": True}, pretrained="hub", head="linear", mean=HALF, std=HALF
)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return folder


def use_hub(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """What the environment variable ``HF_ENDPOINT`` does at start."""
    constants, endpoint = huggingface_hub.constants, f"http://127.0.0.1:{port}"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def timms_own() -> dict[str, torch.Tensor]:
    return timm.create_model(NAME, num_classes=0).state_dict()


@pytest.fixture
def small_hub(monkeypatch: pytest.MonkeyPatch, timms_own: dict[str, torch.Tensor]) -> Iterator[list[str]]:
    """A hub that has one file; the list tells what it was asked."""
    content, asked = save(timms_own), []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            if self.answer():
                self.wfile.write(content)

        def answer(self) -> bool:
            asked.append(f"{self.command} {self.path}")
            known = self.path.startswith(f"/timm/{NAME}") and self.path.endswith(FILE)
            self.send_response(200 if known else 404)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)) if known else "0")
            if not known:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return known

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    use_hub(monkeypatch, server.server_port)
    yield asked
    server.shutdown()


def test_a_download_and_then_the_cache_without_a_network(
    monkeypatch: pytest.MonkeyPatch, small_hub: list[str], timms_own: dict[str, torch.Tensor], free_port: int
) -> None:
    loaded = build_segmenter(CONFIG, NUM_CLASSES, seed=0).backbone.state_dict()
    assert any(request.startswith("GET") for request in small_hub)
    for name, value in loaded.items():
        own = timms_own[name.replace("norm.", "fc_norm.") if name.startswith("norm.") else name]
        assert torch.equal(value, own)

    use_hub(monkeypatch, free_port)
    asked = len(small_hub)
    again = build_segmenter(CONFIG, NUM_CLASSES, seed=1).backbone.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in again.items())
    assert len(small_hub) == asked


def test_colors_are_watched_before_anything_is_downloaded(small_hub: list[str]) -> None:
    usual = CONFIG.model_copy(update={"mean": (0.485, 0.456, 0.406)})
    with pytest.raises(UserError, match=r"type model.mean=\[0.5,0.5,0.5\] model.std=\[0.5,0.5,0.5\]"):
        build_segmenter(usual, NUM_CLASSES, seed=0)
    assert not small_hub


def test_images_of_other_channels(small_hub: list[str], timms_own: dict[str, torch.Tensor]) -> None:
    two = CONFIG.model_copy(update={"channels": 2, "mean": (0.5, 0.5), "std": (0.5, 0.5)})
    loaded = build_segmenter(two, NUM_CLASSES, seed=0).backbone.state_dict()["patch_embed.proj.weight"]
    torch.testing.assert_close(loaded, timms_own["patch_embed.proj.weight"][:, :2] * 3 / 2)


def test_a_hub_without_the_file(small_hub: list[str]) -> None:
    config = CONFIG.model_copy(update={"backbone": BACKBONES.parse("vit_tiny_patch16_224")})
    with pytest.raises(UserError, match=r"in21k_ft_in1k holds none of model.safetensors, pytorch_model.bin"):
        build_segmenter(config, NUM_CLASSES, seed=0)
    assert len(small_hub) == 2


def test_no_hub_is_said_in_an_instant(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    use_hub(monkeypatch, free_port)
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        build_segmenter(CONFIG, NUM_CLASSES, seed=0)
    assert time.monotonic() - start < 30  # a busy machine is slow; the hub's own client tries for minutes
    message = str(error.value)
    assert f"http://127.0.0.1:{free_port}/timm/{NAME}.sbb_in1k/resolve/main/{FILE}" in message
    assert f"put it into pretrain/{NAME}.safetensors ({Path.cwd() / 'pretrain'}" in message
    assert f"model.pretrained=pretrain/{NAME}.safetensors" in message
    assert "model.pretrained=none" in message


def test_a_silent_hub_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_PATIENCE", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        use_hub(monkeypatch, listener.getsockname()[1])
        start = time.monotonic()
        with pytest.raises(UserError, match=r"model.pretrained=none"):
            build_segmenter(CONFIG, NUM_CLASSES, seed=0)
    assert time.monotonic() - start < 30


def test_a_download_that_breaks_off(monkeypatch: pytest.MonkeyPatch, small_hub: list[str]) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def broken(*_: Any, **__: Any) -> None:
        raise LocalEntryNotFoundError("the connection broke")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", broken)
    with pytest.raises(UserError, match=r"the connection broke.*model.pretrained=none"):
        build_segmenter(CONFIG, NUM_CLASSES, seed=0)


def test_a_backbone_that_nobody_publishes(small_hub: list[str]) -> None:
    config = ModelConfig(backbone="vit_base_patch16_plus_240", pretrained="hub")
    assert timm.get_pretrained_cfg(config.backbone.name).hf_hub_id is None
    network = build_segmenter(CONFIG.model_copy(update={"pretrained": "none"}), NUM_CLASSES, seed=0).backbone
    with pytest.raises(UserError, match=r"publishes no weights of 'vit_base_patch16_plus_240'"):
        load_hub_weights(network, config)
    assert not small_hub


@pytest.mark.slow
def test_the_environment_names_the_hub(free_port: int) -> None:
    code = (
        "from s4former.models import ModelConfig, build_segmenter\n"
        "import time; start = time.monotonic()\n"
        "try: build_segmenter(ModelConfig(backbone='vit_tiny_patch16_224', pretrained='hub',"
        " mean=[0.5] * 3, std=[0.5] * 3), 2, 0)\n"
        "except Exception as error: print(type(error).__name__, time.monotonic() - start < 30, error)"
    )
    environment = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{free_port}", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.startswith("UserError True the weights of 'vit_tiny_patch16_224'"), done.stdout
    assert f"http://127.0.0.1:{free_port}/timm/vit_tiny_patch16_224" in done.stdout
