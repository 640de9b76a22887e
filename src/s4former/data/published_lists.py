"""Which split lists were published, where they are, what they name, and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
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
        sha256: Checksum of its lines in alphabetical order, see `checksum`; None: not known to us, the number
            of images is all that is checked.
    """

    source: str
    target: str
    images: int
    sha256: str | None


@dataclass(frozen=True)
class Publisher:
    """Lists of one publisher.

    Attributes:
        address: What the paths of its lists start from; names a commit, whose files cannot change. None: they
            come with the package.
        lists: The lists.
    """

    address: str | None
    lists: tuple[PublishedList, ...]


def checksum(lines: Iterable[str]) -> str:
    """Return the sha256 of lines in alphabetical order: a split is which images it names, in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


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
92_train_supervised 92 124b0aab2fcd1767214bf465d8fa24dd179c3abe99951a063a92d11c48663987
92_train_unsupervised 10490 7ea77f8ddd7b327e30f9f6e0f9e44b408759cb4353de85666ac7ee137932b6f9
183_train_supervised 183 79b959bccf7753cd70bba8d5abdb7e9c0f16df053ce458916ae19a897149136d
183_train_unsupervised 10399 92513e42c678015ad6d5f97f28c4fff2c5060797822aabeb587f537373bd1749
366_train_supervised 366 f0e702c687e2ba711cb726ace02e2bb0b5571fd73bb3e2419441cd53c196416b
366_train_unsupervised 10216 0bee39f227c8a753c13ce129d48d3689b605afa5be4679214df9ea506f8a3d8c
732_train_supervised 732 8c23014f512884b9ef51e91113e69b7197de6e53c699019956d3874998a005b0
732_train_unsupervised 9850 2080ec33c9d7155dfc62a5ddc9380fb4ee676dfe6b8eae946c9177317110a64c
1464_train_supervised 1464 129f1fe991729b1862115b77738c938c149c1f167baa02b4b3186aea9f0d6a84
1464_train_unsupervised 9118 6d42f86cb89ef37e793748bac95003e09cf3a88ac6453cc678a0c67b45ed0aa5
""",
    f"{VOC}/datasplits/voc_split_CPS": """
662_train_supervised 662 baa85754594fcd33c7f06d9ef173db9f70a0c32f826a2958668ee406db9f7c5a
662_train_unsupervised 9920 c38f02fc6adc3443bbd0cb490dae009ed94c6a1915dae8cb4c3123dd573c3a35
1323_train_supervised 1323 c9ca45b4e688d408cd0856e9d17bdf99a8c9bd1de09d33023e578cdb9a49f1a3
1323_train_unsupervised 9259 0ff7a0ae65046a6dc058eac0c7ed648d8aa759703c9b74c3b8ed5301b8445c8a
2646_train_supervised 2646 fd0e8dca3dac524cf3b8c2b8540bc67bac1fb5df93e562faf35232e90c444295
2646_train_unsupervised 7936 dc5e8c04738506348f5a037465aa196038ad7dcb86abb9c6b60197ce345a41df
5291_train_supervised 5291 42ae9d1941af68208ea7814553f704186d78af00e167240fdce394e7ba9a21a2
5291_train_unsupervised 5291 5338f277730143e02973ac654d6f0fb43e6758bd22769161397c42f08c818e0b
all_train_unsupervised 10582 855dff350b7f447bf43cb98ea626a32e0d0b3b7c5786e03b2712a21355b635bf
""",
    f"{CITYSCAPES}/datasplits/city_splits_CPS": """
186_train_supervised 186 f2d71097c61fe8f40a7f036f705506dae2bd0ca53492dbf10e71383e8714f2f8
186_train_unsupervised 2789 81423ce01e45dfc2f99a50bf51a390cb5dfef3a20e10f7e6a1eaa80abd2c5274
372_train_supervised 372 b4fefaf48fe684be58febb2910fbf61ea94eda18f7bd18a4a7245f0e973c7935
372_train_unsupervised 2603 cc15ae24c8320b0b9176f851ddb107df2664205167ac9aca5d008d10f0528c0b
""",
}

"""Of the release. Its 5291_train_unsupervised.txt is 5291_train_supervised.txt once more; this one names the
other half, as all its other pairs do."""

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
        "6fe6f6007eb248abafdd24b8ba64957a55f7c8baafb805cfe25a53794ec0e733"
    ),
    ("unimatch_v2", "cityscapes/1_16/unlabeled.txt"): (
        "aac85fa3c016292924cd8d0072186b5c8d394de69dda8296eb7cf68dbe30e768"
    ),
    ("unimatch_v2", "cityscapes/val.txt"): (
        "c1ee746e538d93ebc54efb43094de2189ac86203cb9efb15e1c3679f9205feea"
    ),
    ("unimatch_v2", "pascal/92/labeled.txt"): (
        "86834a3e2c861cce8c6b0406f2a20d75ccca85087b583daabf4a3966ce51a48c"
    ),
    ("unimatch_v2", "pascal/92/unlabeled.txt"): (
        "f61ae25e4713e89233a63f22c9dd82b86642b49c482721a21f9e1fb1370bc6fb"
    ),
    ("unimatch_v2", "pascal/val.txt"): ("15b58c7d94169a898682808d71b35618dc8cb3cd72c5ab1cbf8cb88cb54d9802"),
}
"""Checksums of the lists that we have seen."""

_GITHUB = "https://raw.githubusercontent.com"
PUBLISHERS: Mapping[str, Publisher] = MappingProxyType(
    {
        "s4former": Publisher(None, _s4former()),
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
