"""Train and score methods on MSRC-21 with few labels: same labels, first part, steps, views and scoring.

    python benchmarks/msrc.py --data DIR --weights FILE --labels 21,42 --draw 0,1,2 --seeds 0,1 \
        --eval-split val --out benchmarks/results/msrc.json
    python benchmarks/msrc.py --data DIR --weights FILE --methods supervised,s4former_plus --labels 21 \
        --eval-split test --out test.json
    python benchmarks/msrc.py ... --jobs 0/2      and on another machine --jobs 1/2; the same --runs for both

The data set's folder holds ``images/{train,val,test}``, ``masks/{train,val,test}``, ``classes.json`` and
lists ``splits/{labels}_draw{draw}/{labeled,unlabeled}.txt``. The first half of the steps is supervised and
trained once a cell; each row goes on from there. Each run lives in its own folder under --runs: a benchmark
that was stopped goes on when it is typed again. Beside the JSON file come the table (.md) and the figure.
"""

from __future__ import annotations

from comparing import Benchmark, main

MSRC = Benchmark(
    name="MSRC-21",
    recipe="msrc",
    methods="supervised:class_balance=0,supervised_averaged:class_balance=0,mean_teacher_cutmix,s4former,"
    "s4former:views.context=0,unimatch_v2:pasa=true",
    labels="21",
    splits="splits/{labels}_draw{draw}",
    steps=400,
    first_share=0.5,
    first=("method.class_balance=0",),  # weights are for pseudo-labels, here as in the results
    second=("optimizer.head_lr_factor=3",),
)

if __name__ == "__main__":
    main(MSRC, str(__doc__))
