"""Changes of color and sharpness: of several pictures at once, on any device, each by an amount of its own.

Pictures may be written over; the one to go on with is what is returned. Nothing waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from s4former.augment.base import Pictures

RGB = Float[Tensor, "b 3 h w"]
Amounts = Sequence[float]  # one for each picture


def change(
    pictures: Pictures, how: Callable[[Tensor, Amounts], Tensor], amounts: Sequence[float | None]
) -> Pictures:
    """Change those pictures that have an amount, and leave the others as they are.

    Args:
        pictures: The pictures.
        how: The change, one of those below.
        amounts: By how much each picture is changed; None: not at all.
    """
    chosen = [index for index, amount in enumerate(amounts) if amount is not None]
    given = [amount for amount in amounts if amount is not None]
    if not chosen:
        return pictures
    if len(chosen) == len(pictures):
        return how(pictures, given)
    places = _beside(pictures, torch.tensor(chosen))
    return pictures.index_copy_(0, places, how(pictures[places], given))


def column(amounts: Amounts, pictures: Pictures) -> Float[Tensor, "b 1 1 1"]:
    """Return numbers, one for each picture, as a tensor to calculate with on the pictures' device."""
    return _beside(pictures, torch.tensor(amounts, dtype=torch.float32))[:, None, None, None]


def shift(pictures: Pictures, amounts: Amounts) -> Pictures:
    """Add an amount to all channels, within [0, 1]."""
    return pictures.add_(column(amounts, pictures)).clamp_(0, 1)


def scale(pictures: Pictures, factors: Amounts) -> Pictures:
    """Multiply all channels, within [0, 1]."""
    return pictures.mul_(column(factors, pictures)).clamp_(0, 1)


def contrast(pictures: RGB, factors: Amounts) -> RGB:
    """Multiply the distance of all channels from the picture's mean luma, within [0, 1]."""
    kept, mean = column(factors, pictures), luma(pictures).mean((1, 2, 3), keepdim=True)
    return pictures.mul_(kept).add_(mean.mul_(1 - kept)).clamp_(0, 1)


def saturation(pictures: RGB, factors: Amounts) -> RGB:
    """Multiply each pixel's distance from its luma, within [0, 1]."""
    kept, gray = column(factors, pictures), luma(pictures)
    return pictures.mul_(kept).add_(gray.mul_(1 - kept)).clamp_(0, 1)


def hsv_saturation(pictures: RGB, factors: Amounts) -> RGB:
    """Multiply the saturation of HSV, up to full saturation; hue and value stay."""
    value, chroma = _value_and_chroma(pictures)
    # Every channel's distance from the largest one scales with the saturation.
    ratio = torch.minimum(value / chroma.clamp_min_(1e-12), column(factors, pictures))
    return pictures.sub_(value).mul_(ratio).add_(value)


def hue(pictures: RGB, turns: Amounts) -> RGB:
    """Turn the hue of HSV by shares of the color circle; saturation and value stay.

    Say hues count sixths of the circle: red is at 0, green at 2, blue at 4. A channel lies below the largest
    one by the chroma times d - 1, held between 0 and 1, where d is how far the hue is from the channel's own.
    How far it is from red is, times the chroma, a sum of the channels, whichever of them is the largest: so
    all pixels go the same way, and nothing is divided.
    """
    red, green, blue = pictures.chunk(3, dim=1)
    value, chroma = _value_and_chroma(pictures)
    from_red = (green + blue).sub_(red).sub_(value).add_(chroma, alpha=2)
    angle = from_red.copysign_(green - blue)  # from -3 to 3, times the chroma, as all that follows
    for own, channel in enumerate((red, green, blue)):
        places = [(2 * own - 6 * turn + 3) % 6 - 3 for turn in turns]
        # Two angles differ by up to 6; beyond 3, the way around the circle is shorter: 3 - | |x| - 3 |.
        difference = torch.addcmul(angle, chroma, column(places, pictures), value=-1, out=channel)
        farther = difference.abs_().sub_(chroma, alpha=3).abs_()
        below = farther.neg_().add_(chroma, alpha=2).clamp_min_(0)
        torch.sub(value, torch.minimum(below, chroma, out=channel), out=channel)
    return pictures


def grayscale(pictures: RGB, amounts: Amounts) -> RGB:
    """Take the color away, whatever the amounts."""
    return pictures.copy_(luma(pictures))


def blur(pictures: Pictures, sigmas: Amounts) -> Pictures:
    """Blur by a Gaussian that is cut off at three standard deviations, in pixels; borders mirror pixels."""
    limit = min(pictures.shape[2:]) - 1
    reaches = [min(int(np.ceil(3 * sigma)), limit) for sigma in sigmas]
    longest = max(reaches)
    offsets = np.arange(-longest, longest + 1)
    weights = np.exp(-0.5 * (offsets / np.array(sigmas)[:, None]) ** 2)
    weights[np.abs(offsets) > np.array(reaches)[:, None]] = 0
    weights /= weights.sum(1, keepdims=True)
    taps = [column(tap, pictures) for tap in weights.T.tolist()]
    for dim in (2, 3):
        length = pictures.shape[dim]
        edges = [longest, longest, 0, 0] if dim == 3 else [0, 0, longest, longest]
        wide = F.pad(pictures, edges, mode="reflect")
        pictures = wide.narrow(dim, 0, length) * taps[0]
        for start, tap in enumerate(taps[1:], 1):
            pictures.addcmul_(wide.narrow(dim, start, length), tap)
    return pictures


def luma(pictures: RGB) -> Float[Tensor, "b 1 h w"]:
    """Return the brightness that an eye sees in red, green and blue."""
    red, green, blue = pictures.chunk(3, dim=1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _value_and_chroma(pictures: RGB) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
    """Return the largest channel, and by how much it exceeds the smallest."""
    red, green, blue = pictures.chunk(3, dim=1)
    value, smallest = torch.maximum(red, green), torch.minimum(red, green)
    torch.maximum(value, blue, out=value)
    torch.minimum(smallest, blue, out=smallest)
    return value, torch.sub(value, smallest, out=smallest)


def _beside(pictures: Pictures, values: Tensor) -> Tensor:
    """Return a small tensor on the pictures' device; from pinned memory, so that nobody waits for a GPU."""
    return values.pin_memory().to(pictures.device, non_blocking=True) if pictures.is_cuda else values
