"""A model as other people get it: its folder with a page that says what it is, and the Hugging Face hub."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from safetensors.torch import save

from s4former.config.errors import UserError
from s4former.config.outputs import claim
from s4former.config.record import json_text, read_json
from s4former.inference import wording
from s4former.inference.card import CARD, WEIGHTS, ModelCard
from s4former.types import Segmenter

_PAGE = "README.md"


def save_shared(
    network: Segmenter, card: ModelCard, folder: Path, compare: Path | None = None, license: str | None = None
) -> list[Path]:
    """Write a model and its page; see `Model.save_pretrained`."""
    _, state = network.for_inference()
    page = model_page(card, sum(value.numel() for value in state.values()), compare, license)
    paths = [folder / name for name in (CARD, WEIGHTS, _PAGE)]
    outputs = claim(((path, "the model") for path in paths), "model", instead="give a folder of its own")
    weights = save({name: value.detach().cpu().contiguous() for name, value in state.items()})
    outputs.write_text(paths[0], json_text(card.model_dump(mode="json")))
    outputs.write(paths[1], lambda temporary: temporary.write_bytes(weights))
    outputs.write_text(paths[2], page)
    return paths


def push(network: Segmenter, card: ModelCard, repository: str, private: bool, **page: Any) -> str:
    """Upload a model and its page to the hub and return its address; see `Model.push_to_hub`."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    repository = repository.removeprefix("hf:")
    with TemporaryDirectory(prefix="s4former-") as folder:
        paths = save_shared(network, card, Path(folder), **page)
        text = paths[2].read_text(encoding="utf-8").replace("hf:USER/NAME", f"hf:{repository}")
        paths[2].write_text(text, encoding="utf-8")
        api = HfApi()
        try:
            address = str(api.create_repo(repository, private=private, exist_ok=True))
            names = [path.name for path in paths]
            api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                allow_patterns=names,
                commit_message=f"{card.method.get('name')}, step {card.step}",
            )
        except (HFValidationError, LocalTokenNotFoundError) as error:
            raise UserError(f"{repository}: {error}") from None
        except Exception as error:  # the hub's client fails in many ways, none of which we can mend
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"the model could not be uploaded to {repository} ({why}); log in by `hf auth login` with a "
                "token that may write, or write a folder to upload by hand: model.save_pretrained(DIR)"
            ) from error
    return address


def model_page(
    card: ModelCard, parameters: int, compare: Path | None = None, license: str | None = None
) -> str:
    """Return what ``README.md`` says of a model: made from its card alone, so no path of anybody's is in it.

    Args:
        card: What ``model.json`` says.
        parameters: Number of its weights.
        compare: The ``results.json`` of a comparison that the model took part in, for the spread.
        license: License of the model, as Hugging Face abbreviates it.

    Raises:
        UserError: If the comparison is none, or this model is not of it.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("s4former.inference", "."), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": wording.percent,
        "cell": _cell,
        "images": lambda count: f"{count:,} image{'' if count == 1 else 's'}",
    }
    score, facts = card.score, card.trained_on
    best = facts.best if facts and score and facts.best and facts.best["step"] != score["step"] else None
    content = {
        "card": card,
        "facts": facts,
        "title": f"{card.method.get('name')} on {card.architecture.backbone.name}",
        "front_matter": _front_matter(license),
        "backbone": f"`{card.architecture.backbone.name}`",
        "parameters": parameters,
        "crop": " x ".join(map(str, card.crop_size)),
        "score": score,
        "best": best,
        "mean": score and wording.mean(score),
        "protocol": score and wording.caption(score["protocol"]),
        "spread": _spread(card, compare)
        if compare
        else "One run: how far another seed would be off is not known.",
        "unscored": [name for name, iou in score["iou"].items() if iou is None] if score else [],
        "backbone_license": backbone_license(card),
        "license": license,
        "method": json.dumps(card.method, indent=2),
    }
    page = environment.get_template("model_card.md.jinja").render(content)
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def backbone_license(card: ModelCard) -> str:
    """Return under what the weights are published that the backbone started from, as far as is known."""
    import timm

    start = card.trained_on.pretrained if card.trained_on else "something that was not noted"
    if start == "none":
        return "none, it started from random weights"
    try:
        published: Any = timm.get_pretrained_cfg(card.architecture.backbone.hub_name())
    except UserError:
        published = None
    known = getattr(published, "license", None)
    if start == "hub" and known:
        return f"{known}, by timm's record of `{published.hf_hub_id}`"
    hint = f". Those that timm publishes for this backbone are under {known}" if known else ""
    return f"unknown, check: it started from {start}{hint}"


def _front_matter(license: str | None) -> str:
    """Return the lines by which the hub sorts models; scores on one's own images don't belong there."""
    fields = {
        "library_name": "s4former",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "semi-supervised-learning", "s4former"],
        **({"license": license} if license else {}),
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"


def _spread(card: ModelCard, compare: Path) -> str:
    """Return what a comparison says of models made like this one."""
    try:
        results: Mapping[str, Any] = read_json(compare)
        runs, lines = results["runs"], results["lines"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{compare} is no result of `s4former compare`: expected its results.json ({error})"
        ) from None
    miou = card.score["miou"] if card.score else None
    own = None if miou is None else round(100 * miou, 3)
    for run in runs:
        network = run["networks"].get(card.network)
        if network and own is not None and (run["method"], network["last"]) == (card.method["name"], own):
            made_so = (run["group"], card.network, run["row"] or "(first part)")
            for line in lines:
                if (line["group"], line["network"], line["row"]) == made_so:
                    return _many(line["last"])
    raise UserError(
        f"no run in {compare} has the method, the network and the score of this model after its last step"
    )


def _many(last: Mapping[str, Any]) -> str:
    if last["spread"] is None:
        return "One run: how far another seed would be off is not known."
    low, high = last["interval"]
    return (
        f"Of {last['cells']} runs made like this one (other labels or seeds), mean IoU after the last step: "
        f"{last['mean']:.1f} ± {last['spread']:.1f} (standard deviation; 95 % interval of the mean "
        f"{low:.1f} to {high:.1f})."
    )


def _cell(text: str) -> str:
    """Return text that stays in its cell and is no markup."""
    return re.sub(r"([\\`*_\[\]<>|#!])", r"\\\1", " ".join(text.split()))
