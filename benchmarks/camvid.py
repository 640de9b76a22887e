"""Train and score methods on CamVid with few labels: same data, backbone, augmentation, steps and optimizer.

    python benchmarks/camvid.py --data DIR --weights FILE --methods supervised,mean_teacher_cutmix,s4former \
        --labels 1_16 --seeds 0,1,2 --steps 600 --eval-split val --out benchmarks/results/camvid_1_16.json
    python benchmarks/camvid.py --data DIR --weights FILE --rows benchmarks/rows/parts.yaml --out ...
    python benchmarks/camvid.py --recipe camvid.long --steps 4000 ...     on a GPU

Labels are named as the lists, ``splits/{labels}/{labeled,unlabeled}.txt``: 1_64, 1_32, 1_16, 1_8 or 1_4. Each
row is trained from scratch, in its own folder under --runs, unless --first-steps says that a cell's rows
share so many supervised steps. A benchmark that was stopped goes on when it is typed again.
"""

from __future__ import annotations

from comparing import Benchmark, main

CAMVID = Benchmark(
    name="CamVid",
    recipe="camvid",
    methods="supervised,mean_teacher_cutmix,s4former",
    labels="1_16",
    splits="splits/{labels}",
    steps=600,
)

if __name__ == "__main__":
    main(CAMVID, str(__doc__))
