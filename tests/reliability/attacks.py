"""Files that were made to do harm: refused in words; nothing runs, nothing outside is read or written."""

from __future__ import annotations

import hashlib
import io
import json
import operator
import os
import pickle
import shutil
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from disks import sums
from mutations import call
from PIL import Image

from trials import Trials

Attack = Callable[[], str]
ATTACKS: dict[str, Attack] = {}
"""Functions that write into the working folder, a small world, and return what a person would type."""
SECRET = "the secret of another person"
_RUNS_CODE = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
)


def attack(make: Attack) -> Attack:
    """List an attack."""
    ATTACKS[make.__name__] = make
    return make


class Call:
    """What is called by whoever unpickles it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made_of = function, arguments

    def __reduce__(self) -> Any:
        return self.made_of


_CALLS = {
    "system": lambda: Call(os.system, "touch escaped"),
    "eval": lambda: Call(eval, "open('escaped', 'w')"),
    "exec": lambda: Call(exec, "import os; os.system('touch escaped')"),
    "open": lambda: Call(open, "escaped", "w"),
    "getattr": lambda: Call(operator.attrgetter("system"), Call(__import__, "os")),
    "import": lambda: Call(__import__, "antigravity"),
    "load": lambda: Call(torch.load, "evil2.pth"),
    "compile": lambda: Call(compile, "1", "x", "exec"),
    "hidden": lambda: {"a": [{"b": (Call(os.system, "touch escaped"),)}]},
    "named numpy": lambda: Call(np.core.multiarray._reconstruct, os.system, (0,), b"b"),  # type: ignore[attr-defined]
}


def _pickled(name: str, zipped: bool) -> Attack:
    def make() -> str:
        content = {"state_dict": {"w": torch.ones(2)}, "meta": _CALLS[name]()}
        torch.save(content, "evil.pth", _use_new_zipfile_serialization=zipped)
        return "convert evil.pth w.safetensors"

    return make


for _name in _CALLS:
    ATTACKS[f"pickle {_name}, zip"] = _pickled(_name, True)
    ATTACKS[f"pickle {_name}, legacy"] = _pickled(_name, False)


@attack
def plain_pickle() -> str:
    Path("evil.pth").write_bytes(pickle.dumps({"w": _CALLS["system"]()}))
    return "predict evil.pth photos/p0.png --out out"


@attack
def pickle_by_opcodes() -> str:
    Path("evil.bin").write_bytes(b"cposix\nsystem\n(S'touch escaped'\ntR.")
    return "train run.yaml --out new load_from=evil.bin"


@attack
def pretrained_weights() -> str:
    torch.save({"model": _CALLS["system"]()}, "evil.pth")
    return "train run.yaml --out new model.pretrained=evil.pth"


@attack
def saved_state_with_a_right_checksum() -> str:
    shutil.copytree("run", "new")
    index = Path("new/checkpoint/index.json")
    (entry,) = json.loads(index.read_text())
    file = index.with_name(entry["file"])
    torch.save({"state": _CALLS["system"]()}, file)
    entry |= {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    index.write_text(json.dumps([entry]))
    return "train run.yaml steps=1 evaluate_every=0 --out new --resume"


@attack
def arrays_of_objects() -> str:
    np.savez("evil.npz", w=np.array([_CALLS["system"]()], dtype=object))
    return "convert evil.npz w.safetensors"


@attack
def image_of_objects() -> str:
    np.save("photos/evil.npy", np.array([_CALLS["system"]()], dtype=object))
    return "predict run photos/evil.npy --out out"


@attack
def program_as_weights() -> str:
    torch.jit.script(torch.nn.Linear(2, 2)).save("evil.pt")
    return "convert evil.pt w.safetensors"


def _yaml(text: str, command: str) -> Attack:
    def make() -> str:
        Path("evil.yaml").write_text(text)
        return command

    return make


_APPLY = "!!python/object/apply:os.system [touch escaped]"
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
ATTACKS |= {
    "yaml tag in a run": _yaml(f"steps: {_APPLY}\n", "config show evil.yaml"),
    "yaml tag in a data set": _yaml(
        f"names: {_APPLY}\nlabeled: {{images: photos, masks: photos}}\n", "check evil.yaml"
    ),
    "yaml new object": _yaml(
        "!!python/object/new:subprocess.Popen [[touch, escaped]]\n", "config show evil.yaml"
    ),
    "yaml bomb in a run": _yaml(_BOMB + "steps: *i\n", "config show evil.yaml"),
    "yaml bomb in a data set": _yaml(
        _BOMB + "names: *i\nlabeled: {images: photos, masks: photos}\n", "check evil.yaml"
    ),
    "yaml deeply nested": _yaml("steps: " + "[" * 100_000, "config show evil.yaml"),
}


@attack
def yaml_tag_in_an_override() -> str:
    return "config show demo steps=!!python/object/apply:os.system[touch]"


@attack
def yaml_tag_in_yolo() -> str:
    Path("yolo/labels").mkdir(parents=True)
    Path("yolo/data.yaml").write_text(f"names: {_APPLY}\n")
    Path("yolo/labels/train0.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    return "init data/images/train --masks yolo --out d.yaml"


def _xml(start: str, label: str) -> Attack:
    def make() -> str:
        Path("evil.xml").write_text(
            f'<?xml version="1.0"?>\n{start}<annotations>'
            '<image id="0" name="train0.png" width="48" height="40">'
            f'<polygon label="{label}" points="1,1;9,1;9,9"/></image></annotations>'
        )
        return "init data/images/train --masks evil.xml --out d.yaml"

    return make


_LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
ATTACKS |= {
    "xml bomb": _xml(f'<!DOCTYPE x [<!ENTITY a "lol">{_LAUGHS}]>', "&j;"),
    "xml reads a file": _xml('<!DOCTYPE x [<!ENTITY a SYSTEM "../outside/secret.txt">]>', "&a;"),
    "xml asks a server": _xml('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "a"),
}


def _png(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _picture(name: str, content: bytes) -> Attack:
    def make() -> str:
        Path(name).write_bytes(content)
        return f"predict run {name} --out out"

    return make


def _tiff(width: int, height: int, pages: int = 1) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 2**32 - 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (
        b"II*\0"
        + struct.pack("<I", 8)
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", 8 * (pages > 1))
    )


_HEADER = np.lib.format.header_data_from_array_1_0(np.zeros(1)) | {"shape": (2**20, 2**20, 3)}


def _npy() -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, _HEADER)
    return content.getvalue()


ATTACKS |= {
    "image of 4 gigapixels": _picture("evil.png", _png(65_000, 65_000)),
    "image of 2^62 pixels": _picture("evil2.png", _png(2**31 - 1, 2**31 - 1)),
    "image that unpacks without end": _picture("evil3.png", _png(30_000, 30_000, bytes(2**25))),
    "TIFF of 2^62 pixels": _picture("evil.tif", _tiff(2**31, 2**31)),
    "TIFF whose pages go round": _picture("evil2.tif", _tiff(40, 48, 2)),
    "array of 3 TiB": _picture("evil.npy", _npy()),
    "GIF of 2^32 pixels": _picture("evil.gif", b"GIF89a" + b"\xff" * 8 + bytes(40)),
}


def _list(line: str) -> Attack:
    def make() -> str:
        Path("evil.txt").write_text(line + "\n")
        return "check run.yaml data.labeled_split=../evil.txt"

    return make


ATTACKS |= {
    f"split list {line[:12]}": _list(line)
    for line in (
        "../../outside/secret",
        "/etc/passwd",
        "..\\..\\outside\\secret",
        "train0/../../../outside/secret",
    )
}


def _annotated(name: str, content: dict[str, Any]) -> Attack:
    def make() -> str:
        Path("drawn").mkdir()
        (Path("drawn") / name).write_text(json.dumps(content))
        return (
            f"init data/images/train --masks drawn{'/coco.json' if name == 'coco.json' else ''} --out d.yaml"
        )

    return make


def _coco(file: str) -> dict[str, Any]:
    shape = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": 0}
    image = {"id": 1, "file_name": file, "height": 40, "width": 48}
    return {"images": [image], "annotations": [shape], "categories": [{"id": 1, "name": "a"}]}


def _labelme(file: str) -> dict[str, Any]:
    shape = {"label": "a", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    return {"imagePath": file, "imageHeight": 40, "imageWidth": 48, "shapes": [shape]}


ATTACKS |= {
    "COCO names a file outside": _annotated("coco.json", _coco("../../outside/secret.png")),
    "COCO names an absolute file": _annotated("coco.json", _coco("/etc/passwd")),
    "labelme names a file outside": _annotated("x.json", _labelme("../../outside/secret.png")),
}


def _onnx(location: str, domain: str = "") -> Attack:
    def make() -> str:
        import onnx
        from onnx import TensorProto, helper

        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        node = helper.make_node("Add" if not domain else "Run", ["x", "w"], ["y"], domain=domain)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], [tensor])
        opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
        onnx.save(helper.make_model(graph, opset_imports=opsets), "evil.onnx")
        Path("link").symlink_to("../outside/secret.txt")
        return "predict evil.onnx photos/p0.png --out out"

    return make


ATTACKS |= {
    "onnx reads a file outside": _onnx("../outside/secret.txt"),
    "onnx reads an absolute file": _onnx("/etc/passwd"),
    "onnx reads through a link": _onnx("link"),
    "onnx has code of others": _onnx("w.bin", "evil.domain"),
}


def _module() -> str:
    """Write a module that can be imported, and return its name."""
    Path("their_code").mkdir()
    Path("their_code/part.py").write_text("open('escaped', 'w').close()\n")
    sys.path.insert(0, str(Path.cwd()))
    return "their_code.part"


def _part_of_a_model(part: str, module: str, command: str) -> Attack:
    def make() -> str:
        shutil.copytree("run", "new")
        card = json.loads(Path("new/model/model.json").read_text())
        card["architecture"][part] = {"name": module or _module()}
        Path("new/model/model.json").write_text(json.dumps(card))
        return command

    return make


ATTACKS |= {
    f"model card names a module as {part}, {command.partition(' ')[0]}": _part_of_a_model(part, "", command)
    for part in ("backbone", "head")
    for command in ("predict new photos/p0.png --out out", "val new", "train run.yaml --out it load_from=new")
}
ATTACKS["model card names a window"] = _part_of_a_model(
    "head", "idlelib.idle", "predict new photos --out out"
)


def _part_of_a_run(**parts: Any) -> Attack:
    def make() -> str:
        shutil.copytree("run", "new")
        record = json.loads(Path("new/run.json").read_text())
        record["run"] |= json.loads(json.dumps(parts).replace("MODULE", _module()))
        Path("new/run.json").write_text(json.dumps(record | {"config": "run.yaml"}))
        return "train run.yaml --out new --resume"

    return make


ATTACKS |= {
    "run names a module as method": _part_of_a_run(method={"name": "MODULE"}),
    "run names a module as callback": _part_of_a_run(callbacks=["MODULE"]),
    "run names a module as policy": _part_of_a_run(method={"name": "fixmatch", "views": {"weak": "MODULE"}}),
}


@attack
def data_set_names_a_module() -> str:
    labeled = f"images: data/images/train, annotations: drawn.csv, annotations_format: {_module()}"
    Path("drawn.csv").touch()
    Path("evil.yaml").write_text(f"names: [a, b]\nlabeled: {{{labeled}}}\n")
    return "check evil.yaml"


@attack
def shards_outside() -> str:
    Path("parts").mkdir()
    index = {"metadata": {}, "weight_map": {"w": "../../outside/secret.txt"}}
    Path("parts/model.safetensors.index.json").write_text(json.dumps(index))
    return "convert parts w.safetensors"


@attack
def safetensors_with_a_huge_header() -> str:
    Path("evil.safetensors").write_bytes(struct.pack("<Q", 2**62) + b'{"a":')
    return "convert evil.safetensors w.safetensors"


def _archive(make: Callable[[Path], None], name: str) -> Attack:
    def write() -> str:
        make(Path(name))
        return f"unpack {name}"

    return write


def _zip(member: str, link: bool = False) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo(member)
            info.external_attr = (0o120777 if link else 0o644) << 16
            archive.writestr(info, "../outside/secret.txt" if link else "evil")

    return write


def _tar(member: str, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            info = tarfile.TarInfo(member)
            info.type, info.linkname, info.size = kind, "../outside/secret.txt", 4 * (kind == tarfile.REGTYPE)
            archive.addfile(info, io.BytesIO(b"evil"))

    return write


ATTACKS |= {
    "zip-slip": _archive(_zip("../outside/new.txt"), "evil.zip"),
    "zip-slip, absolute": _archive(_zip("/tmp/escaped-by-zip"), "evil.zip"),
    "zip-slip, backslashes": _archive(_zip("..\\outside\\new.txt"), "evil.zip"),
    "zip with a link": _archive(_zip("a", link=True), "evil.zip"),
    "tar-slip": _archive(_tar("../outside/new.txt"), "evil.tar"),
    "tar with a link": _archive(_tar("a", tarfile.SYMTYPE), "evil.tar"),
    "tar with a hard link": _archive(_tar("a", tarfile.LNKTYPE), "evil.tar"),
    "tar with a device": _archive(_tar("a", tarfile.CHRTYPE), "evil.tar"),
}


def _in_place(make: Callable[[], object], command: str) -> Attack:
    def write() -> str:
        make()
        return command

    return write


def _ledger(name: str, link: Callable[[str, str], None]) -> None:
    Path("out").mkdir()
    link("../outside/secret.txt" if link is os.link else "../../outside/secret.txt", f"out/{name}")


ATTACKS |= {
    f"{name} is a {kind}": _in_place(partial(_ledger, name, link), "predict run photos --out out")
    for name in (".s4former-outputs.jsonl", ".s4former-predict.jsonl")
    for kind, link in (("link", os.symlink), ("hard link", os.link))
} | {
    f"{file} is a pipe": _in_place(partial(os.mkfifo, file), command)
    for file, command in {
        "photos/x.png": "predict run photos --out out",
        "photos/y.png": "shards make photos --out packed",
        "pipe.yaml": "config show pipe.yaml",
        "pipe.txt": "check run.yaml data.labeled_split=../pipe.txt",
    }.items()
}
ATTACKS["an image without an end"] = _in_place(
    partial(os.symlink, "/dev/zero", "photos/x.png"), "shards make photos --out packed"
)


def _line(name: str, line: str) -> Attack:
    """Return what adds a line to a diary of a run and goes on with the run."""

    def make() -> str:
        shutil.copytree("run", "new")
        with Path("new", name).open("a") as file:
            file.write(f"{line}\n")
        return "train run.yaml steps=1 evaluate_every=0 --out new --resume"

    return make


ATTACKS |= {
    "journal nested deeply": _line("journal.jsonl", '{"step": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "journal of huge numbers": _line("journal.jsonl", '{"step": ' + "9" * 5000 + "}"),
    "journal with a step that is a list": _line("journal.jsonl", '{"step": [1], "loss": 1.0}'),
    "scores of no network": _line("scores.jsonl", '{"step": 1, "network": {"a": []}}'),
}


def _told_by_onnx(name: str, value: str | None) -> Attack:
    def make() -> str:
        import onnx

        code, said = call(["export", "run", "--size", "32x32", "--out", "net.onnx"])
        assert not code, said
        model = onnx.load("net.onnx")
        (chosen,) = [each for each in model.metadata_props if each.key == name]
        if value is None:
            model.metadata_props.remove(chosen)
        else:
            chosen.value = value
        onnx.save(model, "evil.onnx")
        return "predict evil.onnx photos/p0.png --out out"

    return make


ATTACKS |= {
    "onnx metadata nested deeply": _told_by_onnx("input", "[" * 100_000 + "]" * 100_000),
    "onnx metadata of huge numbers": _told_by_onnx("evaluate", "9" * 5000),
    "onnx metadata without classes": _told_by_onnx("names", None),
    "onnx metadata with a color of 300": _told_by_onnx("colors", "[[300, -1, 0], [0, 0, 0], [1, 1, 1]]"),
}


@attack
def archive_of_zeros() -> str:
    with zipfile.ZipFile("evil.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", bytes(2**28 + 1))
    return "convert evil.pth w.safetensors"


def _stored(line: str) -> Attack:
    """Not refused: what was stored of files and is damaged is looked at anew."""

    def make() -> str:
        call(["check", "run.yaml"])
        (store,) = Path("data").glob(".s4former/check/images.jsonl")
        store.write_text(f"{store.read_text().splitlines()[0]}\n{line}\n")
        return "check run.yaml"

    return make


_STORES = {
    "check store of other types": _stored('7\n[1]\n["x", null, {}]'),
    "check store of huge numbers": _stored("9" * 5000),
    "check store of no numbers": _stored('["train0", [NaN, 1], {"a": {"b": []}}]'),
}
ATTACKS |= _STORES


@attack
def names_that_are_markup() -> str:
    """Not refused: the page shows the name as it is, and nothing in it is markup."""
    evil = "<img src=x onerror=alert(1)>\"'&amp;"
    for kind in ("images", "masks"):
        shutil.copy(f"data/{kind}/train/train0.png", f"data/{kind}/train/{evil}.png")
    Path("data/classes.json").write_text(
        json.dumps({"names": ["</script><script>alert(1)</script>", "b", "c"]})
    )
    Path("data/labeled.txt").write_text(f"{evil}\ntrain1\n")
    return "check run.yaml --html page.html"


ACCEPTED = {"names_that_are_markup": 0, **dict.fromkeys(_STORES, 0)}


def attack_everything(trials: Trials, root: Path, names: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Try attacks, each in a world of its own.

    Yields:
        A record per attack, with what went wrong, if anything.
    """
    from every_verb import make_world

    if not (root / "world").exists():
        make_world(root / "world")
    for name in names or ATTACKS:
        place = root / "place" / "inside"
        shutil.rmtree(root / "place", ignore_errors=True)
        shutil.copytree(root / "world", place)
        (root / "place/outside").mkdir()
        (root / "place/outside/secret.txt").write_text(SECRET)
        Image.new("RGB", (48, 40), (1, 2, 3)).save(root / "place/outside/secret.png")
        before = sums(root / "place/outside")
        (trial,) = trials.call("attacks:suffer", name, place=place)
        wrong = (
            [*trial.value["wrong"]]
            if trial.value
            else [f"the process ended with {trial.code}: {trial.err[-1500:]}"]
        )
        wrong += ["something outside changed"] if sums(root / "place/outside") != before else []
        yield {"attack": name, "code": trial.value and trial.value["code"], "wrong": wrong}


def suffer(name: str) -> dict[str, Any]:
    """Type what an attack wants typed, in this process, and return what was wrong with the end."""
    words, done, watching = ATTACKS[name]().split(), list[str](), [True]
    secrets = {os.path.realpath("../outside") + "/", "/etc/passwd"}

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching[0]:
            return
        if event.startswith(_RUNS_CODE) and not _is_harmless(arguments):
            done.append(f"{event} {arguments}")
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            done.extend(f"opened {path}" for secret in secrets if path.startswith(secret))

    sys.addaudithook(hear)
    if words[0] == "unpack":
        code, said = _unpack(Path(words[1]))
    else:
        code, said = call(words)
    watching[0] = False
    wrong = [*done, *(["it ran code"] if Path("escaped").exists() else [])]
    if code != ACCEPTED.get(name, code if code in (1, 3) else 1):
        wrong.append(f"exit code {code}: {said[-1500:]}")
    if "Traceback" in said or "internal error" in said or SECRET in said:
        wrong.append(said[-1500:])
    if len(said) > 5000:
        wrong.append(f"{len(said)} characters")
    if name == "names_that_are_markup":
        page = Path("page.html").read_text() if Path("page.html").exists() else ""
        wrong += ["markup"] if "<img src=x" in page or "<script>alert" in page or not page else []
    return {"code": code, "wrong": wrong}


def _is_harmless(arguments: tuple[Any, ...]) -> bool:
    """Whether it is the question for the commit, which every run asks git."""
    return bool(arguments) and str(arguments[0]).rpartition("/")[2] in ("git", "")


def _unpack(archive: Path) -> tuple[int, str]:
    from s4former.config import S4FormerError
    from s4former.curation.prepare.archives import unpack

    try:
        unpack(archive, Path("unpacked"), lambda name: name)
    except S4FormerError as error:
        return error.exit_code, str(error)
    return 0, ""
