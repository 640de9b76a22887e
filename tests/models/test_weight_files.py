"""What is read as weights: formats, wrappers, folders and shards; and what is said of damaged files."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_networks import tiny
from torch import Tensor, nn

from damage import damaged
from s4former.config import NumericError, S4FormerError, UserError
from s4former.models import convert_weights, load_backbone_weights, read_state, require_finite
from trials import server

pytestmark = pytest.mark.slow

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def vit() -> State:
    """A backbone's own names and values."""
    return {name: value.clone() for name, value in tiny(1, final_norm=True).backbone.state_dict().items()}


def assert_gives(source: Path, vit: State) -> None:
    backbone = tiny(0, final_norm=True).backbone
    load_backbone_weights(backbone, source)
    assert all(torch.equal(value, vit[name]) for name, value in backbone.state_dict().items())


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda vit: {"model_state_dict": vit, "epoch": 3},
        lambda vit: {"train_model": under("module.", vit)},
        lambda vit: {"net": under("_orig_mod.", vit)},
        lambda vit: {"network": {"encoder": vit}, "loss": torch.zeros(())},
        lambda vit: {"state_dict": under("model.backbone.", vit), "pytorch-lightning_version": "2.5"},
        lambda vit: under("module.backbone._orig_mod.", vit) | {"module.head.weight": torch.zeros(2)},
        lambda vit: {"model": {k.replace("blocks.0.", "blocks.0._orig_mod."): v for k, v in vit.items()}},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappers_are_found_by_structure(
    tmp_path: Path, vit: State, wrapped: Callable[[State], Any], zipped: bool
) -> None:
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(2))])
    content = wrapped(vit) | {"optimizer": optimizer.state_dict()}
    torch.save(content, tmp_path / "vit.pth", _use_new_zipfile_serialization=zipped)
    assert_gives(tmp_path / "vit.pth", vit)


def test_numbers_of_numpy_and_arrays_beside_the_tensors_do_no_harm(tmp_path: Path, vit: State) -> None:
    best = {"f8": np.float64(0.5), "f4": np.float32(1), "i8": np.int64(2), "b1": np.bool_(True)}
    torch.save({"model": vit, **best, "palette": np.zeros((3, 3))}, tmp_path / "vit.pth")
    assert_gives(tmp_path / "vit.pth", vit)


class Net(nn.Module):
    """A class that is gone by the time its file is read."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.history = History()


class History:
    def __init__(self) -> None:
        self.values, self.owner = [1, 2], self


class OddDict(OrderedDict[str, Any]):
    pass


@pytest.fixture
def gone() -> Iterator[Any]:
    """These classes in a module that only this process has."""
    module: Any = types.ModuleType("a_module_that_is_gone")
    sys.modules[module.__name__] = module
    for kind in (Net, History, OddDict):
        setattr(module, kind.__name__, kind)
        kind.__module__ = module.__name__
    yield module
    del sys.modules[module.__name__]
    for kind in (Net, History, OddDict):
        kind.__module__ = __name__


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize(
    ("make", "zipped"),
    [
        (lambda vit: {"model": vit, "args": argparse.Namespace(lr=1, out=Path("a"))}, True),
        (lambda vit: {"model": vit, "names": np.array(["a"]), "args": argparse.Namespace()}, False),
        (lambda vit: {"state_dict": OddDict(vit), "message_hub": History()}, True),
        (lambda vit: tiny(1, final_norm=True).backbone, True),
        (lambda vit: Net(tiny(1, final_norm=True).backbone), False),
        (lambda vit: {"epoch": 1, "model": Net(tiny(1, final_norm=True).backbone)}, True),
        (lambda vit: [History(), vit], True),
    ],
    ids=["namespace", "array", "odd dict", "whole module", "own module", "inner module", "list"],
)
def test_the_advised_command_gives_a_file_that_loads(
    tmp_path: Path, vit: State, gone: Any, make: Callable[[State], Any], zipped: bool
) -> None:
    path = tmp_path / "it's from elsewhere.pth"
    torch.save(make(vit), path, _use_new_zipfile_serialization=zipped)
    (tmp_path / "it's from elsewhere_plain.pth").write_bytes(b"somebody's")
    with pytest.raises(UserError, match="holds a Python object") as error:
        read_state(path)
    command = str(error.value).splitlines()[-1]
    assert command.startswith('python -c "')
    read = subprocess.run(
        ["sh", "-c", command.replace("python", r"printf '%s\0'", 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    _, *script = read.stdout.split("\0")[:-1]  # the words, as a shell reads them
    (done,) = server().script(*script, place=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "it's from elsewhere_plain.pth").read_bytes() == b"somebody's"
    assert_gives(tmp_path / "it's from elsewhere_plain_2.pth", vit)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_names_the_command_that_keeps_its_tensors(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    torch.jit.script(layer).save(tmp_path / "program.pt")
    with pytest.raises(UserError, match="is a program") as error:
        read_state(tmp_path / "program.pt")
    command = str(error.value).split("`")[1].replace("python", sys.executable, 1)
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)
    assert torch.equal(read_state(tmp_path / "program_plain.pth")["weight"], layer.weight)


def test_memory_that_is_not_there(tmp_path: Path, vit: State, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(vit, tmp_path / "vit.pth")

    def full(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(UserError, match="not enough memory to read"):
        read_state(tmp_path / "vit.pth")


def shards(folder: Path, vit: State, ending: str) -> Path:
    """A folder of Hugging Face's with two shards and their index."""
    folder.mkdir()
    names, stem = list(vit), {"safetensors": "model", "bin": "pytorch_model"}[ending]
    where = {}
    for number, part in ((1, names[::2]), (2, names[1::2])):
        file = f"{stem}-0000{number}-of-00002.{ending}"
        (save_file if ending == "safetensors" else torch.save)(
            {name: vit[name] for name in part}, folder / file
        )
        where |= dict.fromkeys(part, file)
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_shards(tmp_path: Path, vit: State, ending: str) -> None:
    folder = shards(tmp_path / "vit", vit, ending)
    (index,) = folder.glob("*.index.json")
    for path in (folder, index):
        assert_gives(path, vit)
    done = convert_weights(folder, tmp_path / "vit.safetensors")
    assert done.tensors == len(vit)
    assert_gives(tmp_path / "vit.safetensors", vit)
    next(folder.glob("*-00002-of*")).unlink()
    with pytest.raises(UserError, match=r"lists 2 shards, of which 1 are not beside it: \w+-00002-of-00002"):
        read_state(folder)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a\\b", "", "..", 3, None, "C:x"])
def test_shards_lie_beside_their_index(tmp_path: Path, vit: State, name: Any) -> None:
    folder = shards(tmp_path / "vit", vit, "safetensors")
    save_file(vit, tmp_path / "secret.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"cls_token": name}}))
    with pytest.raises(UserError, match="expected the name of a file beside it, no path"):
        read_state(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {}}'])
def test_what_is_no_index(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match=r"index.json (is no index of shards|lists 0 shards)"):
        read_state(tmp_path)


def test_an_index_that_promises_more_than_its_shards_hold(tmp_path: Path, vit: State) -> None:
    folder = shards(tmp_path / "vit", vit, "safetensors")
    index = folder / "model.safetensors.index.json"
    listed = json.loads(index.read_text())
    listed["weight_map"]["blocks.9.norm1.weight"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(listed))
    with pytest.raises(UserError, match=r"lack 1 of the tensors .* blocks.9.norm1.weight"):
        read_state(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "mae.pth"])
def test_folders_with_one_file(tmp_path: Path, vit: State, name: str) -> None:
    (save_file if name.endswith("safetensors") else torch.save)(vit, tmp_path / name)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text("")
    assert_gives(tmp_path, vit)


def test_folders_without_a_choice(tmp_path: Path, vit: State) -> None:
    with pytest.raises(UserError, match=r"no weight file in .*expected a run folder, .* pytorch_model.bin"):
        read_state(tmp_path)
    for name in ("a.pth", "b.pth"):
        torch.save(vit, tmp_path / name)
    with pytest.raises(UserError, match=r"holds 2 weight files, a.pth, b.pth; give one of them, as .*a.pth"):
        read_state(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="has no model yet"):
        read_state(tmp_path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_values_that_are_no_numbers_are_named(
    tmp_path: Path, vit: State, bad: float, dtype: torch.dtype
) -> None:
    state = {name: value.to(dtype, copy=True) for name, value in vit.items()}
    state["blocks.1.mlp.fc1.bias"][3] = bad
    save_file(state, tmp_path / "vit.safetensors")
    backbone = tiny(0, final_norm=True).backbone
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(NumericError, match=r"vit.safetensors .* 1 of 42 tensors: blocks.1.mlp.fc1.bias"):
        load_backbone_weights(backbone, tmp_path / "vit.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    with pytest.raises(NumericError, match=r"blocks.1.mlp.fc1.bias"):
        convert_weights(tmp_path / "vit.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_what_is_not_loaded_may_hold_anything(vit: State) -> None:
    load_backbone_weights(
        tiny(0, final_norm=True).backbone, vit | {"head.weight": torch.full((2,), torch.nan)}
    )
    require_finite({"empty": torch.zeros(0), "counts": torch.arange(3), "mask": torch.ones(2).bool()}, "FILE")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (torch.eye(16).to_sparse(), "sparse_coo"),
        (torch.eye(16) * 1j, "complex64"),
        (torch.empty(16, 16, device="meta"), "hold no values"),
        (torch.ones(16, 16, dtype=torch.int8), r"whole numbers \(torch.int8\)"),
    ],
)
def test_tensors_that_are_no_weights(vit: State, value: Tensor, why: str) -> None:
    with pytest.raises(
        UserError, match=f"(?s)blocks.0.attn.proj.weight.*{why}|{why}.*blocks.0.attn.proj.weight"
    ):
        load_backbone_weights(tiny(0).backbone, vit | {"blocks.0.attn.proj.weight": value})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "npz"])
def test_damaged_files_end_in_our_own_errors(tmp_path: Path, vit: State, kind: str) -> None:
    whole = tmp_path / "whole"
    if kind == "safetensors":
        save_file(vit, whole)
    elif kind == "npz":
        with whole.open("wb") as file:
            np.savez(file, **{name: value.numpy() for name, value in vit.items()})
    else:
        torch.save({"model": vit, "n": np.float64(1)}, whole, _use_new_zipfile_serialization=kind == "zip")
    content, generator, refused = whole.read_bytes(), random.Random(kind), 0
    for _ in range(150):
        (tmp_path / "vit.pth").write_bytes(damaged(content, generator))
        try:
            load_backbone_weights(tiny(0).backbone, tmp_path / "vit.pth", strict=False)
        except S4FormerError:
            refused += 1
    assert refused > 50


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    for name, member in (("bomb.pth", "archive/data.pkl"), ("bomb.npz", "w.npy")):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(member, bytes(2**28 + 1))
        with pytest.raises(UserError, match=rf"{name} can't be read: its .* MiB would unpack to 256 MiB"):
            read_state(tmp_path / name)


def test_zeros_that_were_packed_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", w=np.zeros((1000, 1000), np.float32))
    assert read_state(tmp_path / "zeros.npz")["w"].shape == (1000, 1000)
