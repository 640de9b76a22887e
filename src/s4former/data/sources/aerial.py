"""Pictures of made-up land from the air, with exact masks: each a pure function of (seed, index).

A scene is a handful of plots with wavy borders. A class has a pattern and a color, but pattern size and
direction differ from plot to plot, and the season (hue, saturation, brightness) from scene to scene: sand in
one season has the color of crops in another. A few scenes show a few seasons; hundreds show them all, with
every season close to some other one. That is what unlabeled scenes can teach.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, UInt8

from s4former.ops.randomness import keyed_generator

CLASS_NAMES = ("water", "forest", "paddies", "crops", "sand", "town")
CLASS_COLORS = ((66, 110, 200), (34, 110, 60), (150, 200, 90), (220, 180, 60), (240, 225, 180), (190, 80, 70))
SCENE_SIZE = 64

# Hue, saturation and value of a class in an average season, and how much darker its pattern is drawn.
_LOOKS = (
    (0.60, 0.6, 0.5, 0.12),
    (0.40, 0.6, 0.35, 0.3),
    (0.28, 0.5, 0.55, 0.15),
    (0.17, 0.6, 0.7, 0.3),
    (0.08, 0.4, 0.85, 0.1),
    (0.93, 0.35, 0.6, 0.45),
)

# How far a season shifts the hue, and by what it multiplies saturation and value.
_SEASONS = ((-0.07, 0.07), (0.4, 1.4), (0.5, 1.4))

Plane = Float[np.ndarray, "h w"]


def render_scene(
    seed: int, index: int, size: int = SCENE_SIZE
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Return the image and the mask of one scene, the same at every call.

    Args:
        seed: Names the world; scenes of different worlds have nothing in common but the rules.
        index: Number of the scene in that world.
        size: Pixels per side.
    """
    generator = keyed_generator(seed, "scene", index)
    plots = _plots(generator, size)
    hue_shift, saturation, brightness = (generator.uniform(*bounds) for bounds in _SEASONS)
    image, mask = np.zeros((size, size, 3)), np.zeros((size, size), np.uint8)
    for plot in range(plots.max() + 1):
        label = int(generator.integers(len(CLASS_NAMES)))
        hue, own_saturation, value, contrast = _LOOKS[label]
        hue = hue + hue_shift + generator.uniform(-0.03, 0.03)
        value = np.clip(value * brightness * generator.uniform(0.85, 1.15), 0.05, 1)
        light = _color(hue, min(1.0, own_saturation * saturation), value)
        dark = _color(hue, 0.8 * min(1.0, own_saturation * saturation), value * (1 - contrast))
        share = _pattern(generator, label, size)[..., None]
        inside = plots == plot
        image[inside] = (share * light + (1 - share) * dark)[inside]
        mask[inside] = label
    sun = 1 + (_noise(generator, size, 2) - 0.5)[..., None] * generator.uniform(0, 0.8)
    grain = generator.normal(0, generator.uniform(0, 0.08), image.shape)
    return (np.clip(image * sun + grain, 0, 1) * 255).astype(np.uint8), mask


def _plots(generator: np.random.Generator, size: int) -> Int[np.ndarray, "h w"]:
    """Number each pixel by its plot: the nearest of a few centers, seen through a wavy glass."""
    y, x = np.mgrid[:size, :size]
    num_plots = int(generator.integers(3, 6))
    center_x, center_y = generator.random((2, num_plots)) * size
    bend_x, bend_y = ((_noise(generator, size, 4) - 0.5) * size * 0.25 for _ in range(2))
    across, down = (x + bend_x)[..., None] - center_x, (y + bend_y)[..., None] - center_y
    nearest: Int[np.ndarray, "h w"] = (across**2 + down**2).argmin(-1)
    return nearest


def _pattern(generator: np.random.Generator, label: int, size: int) -> Plane:
    """Draw how much of a class's lighter color each pixel has, in [0, 1]; each class has its own pattern."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    period, angle = generator.uniform(4, 10), generator.random() * np.pi
    u = (np.cos(angle) * x + np.sin(angle) * y) / period * 2 * np.pi + generator.random() * 6
    v = (np.cos(angle) * y - np.sin(angle) * x) / period * 2 * np.pi + generator.random() * 6
    patterns: dict[str, Callable[[], Plane]] = {
        "water": lambda: np.sin(u + 2 * np.sin(0.6 * v)),
        "forest": lambda: 6 * (_noise(generator, size, int(size / period) + 2) - 0.5),
        "paddies": lambda: 2 * np.maximum(np.sin(0.8 * u), np.sin(0.8 * v)) - 1.3,
        "crops": lambda: np.sin(u),
        "sand": lambda: np.cos(u) + np.cos(v) - 0.8,
        "town": lambda: 3 * np.sin(0.8 * u) * np.sin(0.8 * v),
    }
    drawn: Plane = 1 / (1 + np.exp(-3 * patterns[CLASS_NAMES[label]]()))
    return drawn


def _noise(generator: np.random.Generator, size: int, cells: int) -> Plane:
    """Draw smooth noise in [0, 1] with ``cells`` bumps a side."""
    knots = generator.random((cells + 1, cells + 1))
    place = np.linspace(0, cells - 1e-6, size)
    cell, within = place.astype(int), place % 1
    within = within * within * (3 - 2 * within)
    rows = knots[cell] * (1 - within)[:, None] + knots[cell + 1] * within[:, None]
    smooth: Plane = rows[:, cell] * (1 - within) + rows[:, cell + 1] * within
    return smooth


def _color(hue: float, saturation: float, value: float) -> Float[np.ndarray, 3]:
    """Return an RGB color in [0, 1]; the hue is a share of the color circle."""
    sector = (np.array([5, 3, 1]) + hue % 1 * 6) % 6
    rgb: Float[np.ndarray, 3] = value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)
    return rgb
