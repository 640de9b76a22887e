"""Where the published split lists are, what they name, and their checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VOC, CITYSCAPES, COCO, ADE20K = "VOCdevkit/VOC2012", "cityscapes", "coco", "ade/ADEChallengeData2016"
"""Folders of the data sets below the root of all data."""


@dataclass(frozen=True)
class PublishedList:
    """One list.

    Attributes:
        source: Its path below the publisher's address.
        target: Where it goes below the root of all data: where the recipes look.
        images: How many images it names.
        sha256: Its checksum; None: not known to us, the number of images is all that is checked.
    """

    source: str
    target: str
    images: int
    sha256: str | None


@dataclass(frozen=True)
class Publisher:
    """Lists of one publisher.

    Attributes:
        address: What the paths of its lists start from; names a commit, whose files cannot change.
        lists: The lists.
    """

    address: str
    lists: tuple[PublishedList, ...]


def _s4former() -> tuple[PublishedList, ...]:
    found = []
    for folder, lists in _S4FORMER.items():
        for row in lists.strip().splitlines():
            name, images, sha256 = row.split()
            path = f"{folder}/{name}.txt"
            found.append(PublishedList(f"data/{path}", path, int(images), sha256))
    return tuple(found)


def _unimatch(name: str, counts: Mapping[str, Mapping[str, str]]) -> tuple[PublishedList, ...]:
    """Return UniMatch's lists: ``labeled`` and ``unlabeled`` of each split, and one to validate on."""
    found = []
    for key, splits in counts.items():
        rows = [
            (f"{key}/{split}/{kind}.txt", int(count))
            for split, both in splits.items()
            for kind, count in zip(("labeled", "unlabeled"), both.split(), strict=True)
        ]
        for path, images in (*rows, (f"{key}/val.txt", _VAL[key])):
            below = path.removeprefix(f"{key}/")
            target = f"{_FOLDERS[key]}/datasplits/{name}/{below}"
            found.append(PublishedList(f"splits/{path}", target, images, _UNIMATCH_SUMS.get((name, path))))
    return tuple(found)


_S4FORMER = {
    f"{VOC}/datasplits/voc_split_U2PL": """
92_train_supervised 92 7feeb5314d99485739e79c385d3b70145d44dc60190acb4d5df63165c630ef6a
92_train_unsupervised 10490 9ae9c7726c7e06f8ef40cddfea55911128157c5a21c3c5195074e4e45e48031f
183_train_supervised 183 5dac0b72efebf63344c90c3700537e6d667c80bfa4c17205d96d459e655ec976
183_train_unsupervised 10399 4a3f4c77c01bae73b342439dbb3eb9f09b102e5ca5680fcfd941785bafd0cc98
366_train_supervised 366 97abd8fe7d52346b2663e6faed73e89560a171788ea0a12c012bff26c74a25d4
366_train_unsupervised 10216 2cb6fe3645fa20e66653209b003e9d8b059e18bc664341515ea352eac2ef273c
732_train_supervised 732 b2973f8d47b780e0bc53f598a51fb651c21c7485f4d02111296452abb931ce44
732_train_unsupervised 9850 077f8aab596629403bb38177c3c678a17a30eb7132a38f4952237763b311a170
1464_train_supervised 1464 129f1fe991729b1862115b77738c938c149c1f167baa02b4b3186aea9f0d6a84
1464_train_unsupervised 9118 ba34ae09804b56761fbb46667ed6eb962a498205c068521b1105a0944f08ac40
""",
    f"{VOC}/datasplits/voc_split_CPS": """
662_train_supervised 662 baa85754594fcd33c7f06d9ef173db9f70a0c32f826a2958668ee406db9f7c5a
662_train_unsupervised 9920 c38f02fc6adc3443bbd0cb490dae009ed94c6a1915dae8cb4c3123dd573c3a35
1323_train_supervised 1323 c9ca45b4e688d408cd0856e9d17bdf99a8c9bd1de09d33023e578cdb9a49f1a3
1323_train_unsupervised 9259 0ff7a0ae65046a6dc058eac0c7ed648d8aa759703c9b74c3b8ed5301b8445c8a
2646_train_supervised 2646 fd0e8dca3dac524cf3b8c2b8540bc67bac1fb5df93e562faf35232e90c444295
2646_train_unsupervised 7936 dc5e8c04738506348f5a037465aa196038ad7dcb86abb9c6b60197ce345a41df
5291_train_supervised 5291 42ae9d1941af68208ea7814553f704186d78af00e167240fdce394e7ba9a21a2
5291_train_unsupervised 5291 42ae9d1941af68208ea7814553f704186d78af00e167240fdce394e7ba9a21a2
all_train_unsupervised 10582 21a0161e7202e136f4cfddc07cbd81ffcf2d177e96b38ab4fb71c23b7192b1b0
""",
    f"{CITYSCAPES}/datasplits/city_splits_CPS": """
186_train_supervised 186 a7f3aea6232d7ecf817a8c69d8b8a397929340ea259ebd7947e1efc3f0048aec
186_train_unsupervised 2789 41575a67d28a7ea6a8f0e79abee8c6c3473a349adeeced06dea991ff2aaa398a
372_train_supervised 372 387fd4111f3b2f16b8cb5984d4c090bd352a47fb7a867091289d09478d77efc6
372_train_unsupervised 2603 4ff3f5f02447b015084b6384ae9449223f183ab8e72623ee476b94c9b9b382c8
""",
}

_FOLDERS = {"pascal": VOC, "cityscapes": CITYSCAPES, "coco": COCO, "ade20k": ADE20K}
_VAL = {"pascal": 1_449, "cityscapes": 500, "coco": 5_000, "ade20k": 2_000}
_BLENDED = {"1_16": "662 9920", "1_8": "1323 9259", "1_4": "2646 7936"}
_CLASSIC = {
    "92": "92 10490",
    "183": "183 10399",
    "366": "366 10216",
    "732": "732 9850",
    "1464": "1464 9118",
}
_COMMON = {
    "cityscapes": {"1_16": "186 2789", "1_8": "372 2603", "1_4": "744 2231", "1_2": "1488 1487"},
    "coco": {
        "1_512": "232 118055",
        "1_256": "463 117824",
        "1_128": "925 117362",
        "1_64": "1849 116438",
        "1_32": "3697 114590",
    },
}
_UNIMATCH = {
    "pascal": {**_CLASSIC, **_BLENDED, **{f"u2pl_{split}": both for split, both in _BLENDED.items()}},
    **_COMMON,
}
_UNIMATCH_V2 = {
    "pascal": _CLASSIC,
    **_COMMON,
    "ade20k": {
        "1_64": "316 19894",
        "1_32": "631 19579",
        "1_16": "1263 18947",
        "1_8": "2526 17684",
        "1_4": "5052 15158",
        "1_2": "10105 10105",
    },
}
_UNIMATCH_SUMS = {
    ("unimatch_v2", "cityscapes/1_16/labeled.txt"): (
        "64195914dce1231133c7dc611fece213bc3a87fe4e0b73fbd96add7dfa8a2f46"
    ),
    ("unimatch_v2", "cityscapes/1_16/unlabeled.txt"): (
        "7f18e2aefb5e88598910e291a935117daaeef51c6828edeb62f8a6c882be0a79"
    ),
    ("unimatch_v2", "cityscapes/val.txt"): (
        "cf5aa35c0e4446bc684b61b6be88e22299ef7b1851852b53fc6a34794f161544"
    ),
    ("unimatch_v2", "pascal/92/labeled.txt"): (
        "8a02aa6a1253178b105bd25b36f0a27daeedf6b3959f399aa47d24783f3a8306"
    ),
    ("unimatch_v2", "pascal/92/unlabeled.txt"): (
        "a3eb5ef8d2ae547f131bfa60b8111d21700d458b545741336633d5aa209254d5"
    ),
    ("unimatch_v2", "pascal/val.txt"): ("df002e3a730c57678f63aa3e46a4c827a4066f1dc1814e24d0e8b215075e0c6c"),
}
"""Checksums of the lists that we have seen."""

_GITHUB = "https://raw.githubusercontent.com"
PUBLISHERS: Mapping[str, Publisher] = MappingProxyType(
    {
        "s4former": Publisher(
            f"{_GITHUB}/JoyHuYY1412/S4Former/2fe87ec639678b2787ce36e6603d6ab8f2ea7134", _s4former()
        ),
        "unimatch": Publisher(
            f"{_GITHUB}/LiheYoung/UniMatch/0324f3dd4a22128105a5eb135d2586c0bb3cc647",
            _unimatch("unimatch", _UNIMATCH),
        ),
        "unimatch_v2": Publisher(
            f"{_GITHUB}/LiheYoung/UniMatch-V2/66d517c30ccec7ed157147148e687127686adf87",
            _unimatch("unimatch_v2", _UNIMATCH_V2),
        ),
    }
)
"""The publishers by name."""
