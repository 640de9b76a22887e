"""One file from the Hugging Face hub: from its cache if it is there, else downloaded, or a quick refusal."""

from __future__ import annotations

from pathlib import Path

from s4former.config.errors import UserError
from s4former.models.weight_files import first_line

_PATIENCE = 4.0
"""Seconds that the hub may take to answer at all; its own client would try for most of a minute."""

_NAMES = ("model.safetensors", "pytorch_model.bin")


def hub_file(repository: str, backbone: str, name: str | None = None) -> Path:
    """Return where the weights of a repository lie on this machine, downloading them if need be.

    With the file in the hub's cache, no network is used.

    Args:
        repository: As ``timm/deit_base_patch16_224.fb_in1k``, with ``@revision`` or without.
        backbone: Whose weights they are, for messages.
        name: The file in it; none: the usual ones.

    Raises:
        UserError: If the hub can't be reached, or has no such file.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, after = repository.partition("@")
    revision = after or None
    names = [name] if name else [*_NAMES]
    for file in names:
        cached = try_to_load_from_cache(repository, file, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    for file in names:
        url = hf_hub_url(repository, file, revision=revision)
        try:
            get_hf_file_metadata(url, timeout=_PATIENCE)
            return Path(hf_hub_download(repository, file, revision=revision))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # what the client calls a download that broke off
                raise _unreachable(url, backbone, error) from error
        except Exception as error:  # the hub's clients fail in many ways, none of which we can mend
            raise _unreachable(url, backbone, error) from error
    raise UserError(
        f"the hub's {repository} holds none of {', '.join(names)}; give model.pretrained a file, or `none`"
    )


def _unreachable(url: str, backbone: str, error: Exception) -> UserError:
    file = f"pretrain/{backbone}{Path(url).suffix}"
    return UserError(
        f"the weights of {backbone!r} are not in the hub's cache and could not be had from the hub "
        f"({first_line(error)}). Get {url} on a machine with a network, put it into {file} "
        f"({Path(file).absolute()}) and type model.pretrained={file}; or start from random weights with "
        "model.pretrained=none"
    )
