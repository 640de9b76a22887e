"""Resizing of grids and position embeddings."""

from __future__ import annotations

import pytest
import torch

from s4former.ops import resize_bilinear, resize_position_embedding


def test_a_ramp_stays_a_ramp():
    row = torch.arange(8.0).expand(1, 1, 4, 8)
    doubled = resize_bilinear(row, (4, 16))
    # Pixel centers: new pixel j lies at (j + 0.5) / 2 - 0.5 of the old row, clamped at its ends.
    expected = ((torch.arange(16) + 0.5) / 2 - 0.5).clamp(0, 7)
    torch.testing.assert_close(doubled[0, 0, 0], expected)


def test_the_same_size_is_the_same_tensor():
    image = torch.rand(1, 3, 4, 5)
    assert resize_bilinear(image, (4, 5)) is image


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_prefix_positions_stay_and_patches_move_to_the_new_grid(mode):
    rows, cols = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    patches = torch.stack([rows, cols], -1).view(1, 24, 2)
    prefix = torch.tensor([[[7.0, -7.0], [3.0, 3.0]]])
    resized = resize_position_embedding(torch.cat([prefix, patches], 1), (4, 6), (8, 6), 2, mode)
    assert torch.equal(resized[:, :2], prefix)
    grid = resized[:, 2:].view(8, 6, 2)
    torch.testing.assert_close(grid[..., 1], torch.arange(6.0).expand(8, 6))
    assert grid[:, 0, 0].diff().gt(0).all()
    torch.testing.assert_close(grid[:, 0, 0] + grid[:, 0, 0].flip(0), torch.full((8,), 3.0))


def test_the_same_grid_changes_nothing():
    embed = torch.rand(1, 13, 4)
    assert torch.equal(resize_position_embedding(embed, (3, 4), (3, 4), 1), embed)


def test_a_wrong_number_of_positions_is_refused():
    with pytest.raises(ValueError, match="make 13 positions, got 12"):
        resize_position_embedding(torch.rand(1, 12, 4), (3, 4), (6, 8), 1)
