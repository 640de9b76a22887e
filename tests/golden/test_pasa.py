"""Golden ``pasa``: the attention bias of a confidence mask, exact."""

from __future__ import annotations

import pytest
import torch
from golden_data import cases, load_arrays

from s4former.ops import adaptive_bias, uncertain_share

WEIGHT = 5.0  # of all stored cases


@pytest.fixture
def pasa(golden):
    return cases(load_arrays(golden("pasa.npz")), "conf_mask")


def released_mit_bias(uncertainty, weight):
    """The bias of the released SegFormer code, with its slips.

    It treats token 0 as if it were a class token: the floor((N-1)/2) lowest of tokens 1 to N-1 are silenced,
    at their position in that shorter list, so the row before the one that is meant.
    """
    unsure = uncertainty.float().flatten(1)
    silent = unsure[:, 1:].argsort(dim=1, stable=True)[:, : (unsure.shape[1] - 1) // 2]
    queries = torch.ones_like(unsure).scatter(1, silent, 0)
    return queries[:, :, None] * (weight * (1 - unsure))[:, None, :]


def patch_of(case):
    return case["conf_mask"].shape[-1] // case["unconfidence"].shape[-1]


def equal(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def test_unconfidence_is_the_share_of_unconfident_pixels(pasa):
    for case in pasa.values():
        equal(uncertain_share(~case["conf_mask"].bool(), patch_of(case)), case["unconfidence"])


def test_vit_bias_without_ties(pasa):
    untied = [case for name, case in pasa.items() if name.startswith("vit.") and not case["has_ties"]]
    assert untied
    for case in untied:
        bias = adaptive_bias(case["unconfidence"], WEIGHT, num_prefix_tokens=1).matrix()
        equal(bias, case["bias"])
        silent = (bias == 0).all(dim=2).nonzero()[:, 1].view(bias.shape[0], -1)
        equal(silent, case["silent_query_rows"].sort(dim=1).values)


def test_vit_bias_with_ties_follows_the_rank_rule(pasa):
    tied = [case for name, case in pasa.items() if name.startswith("vit.") and case["has_ties"]]
    assert tied
    for case in tied:
        unsure = case["unconfidence"].flatten(1)
        half = unsure.shape[1] // 2
        full = case["bias_not_adaptive"]
        bias = adaptive_bias(case["unconfidence"], WEIGHT, num_prefix_tokens=1).matrix()
        equal(bias[:, 0], full[:, 0])
        silent = (bias[:, 1:] == 0).all(dim=2)
        assert (silent.sum(dim=1) == half).all()
        boundary = unsure.sort(dim=1).values[:, half - 1 : half]
        assert silent[unsure < boundary].all()
        assert not silent[unsure > boundary].any()
        equal(bias[:, 1:][~silent], full[:, 1:][~silent])


def test_bias_without_silenced_rows(pasa):
    for name, case in pasa.items():
        prefix = 1 if name.startswith("vit.") else 0
        bias = adaptive_bias(case["unconfidence"], WEIGHT, prefix, uncertain_queries_only=False).matrix()
        equal(bias, case["bias_not_adaptive"])


def test_released_bias_of_segformer(pasa):
    released = {name: case for name, case in pasa.items() if name.startswith("mit.")}
    assert released
    for case in released.values():
        equal(released_mit_bias(case["unconfidence"], WEIGHT), case["bias"])
