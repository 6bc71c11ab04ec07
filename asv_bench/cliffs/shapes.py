"""Random layers, the same in every run."""

import dataclasses
import math
import random

from side_by_side.layers import Layer

_LEAST_FLOPS, _MOST_FLOPS = 1e6, 6e8  # less: the call itself counts most; more: only longer


def _between(source, low, high):
    """A whole number between the two, small ones as often as large ones."""
    return round(math.exp(source.uniform(math.log(low), math.log(high))))


def _random_layer(source):
    rank = source.choice((1, 2, 2, 2, 2, 2, 2, 3))
    sizes = ((64, 8000), (6, 120), (4, 24))[rank - 1]
    channels, filters = _between(source, 3, 300), _between(source, 3, 300)
    kernel = source.choice((1, 3, 3, 3, 5, 7))
    kernels = (kernel,) * rank if source.random() < 0.9 else (1,) * (rank - 1) + (kernel,)
    depthwise = source.random() < 0.15
    return Layer(
        channels,
        channels if depthwise else filters,
        tuple(_between(source, *sizes) for _ in range(rank)),
        kernels,
        stride=source.choice((1, 1, 1, 2)),
        groups=channels if depthwise else 1,
        batch=source.choice((1, 1, 1, 2, 5)),
    )


def rounded(layer):
    """The neighbour: channels and sizes rounded up to multiples of 16."""

    def up(number):
        return -(-number // 16) * 16

    return dataclasses.replace(
        layer,
        channels=up(layer.channels),
        filters=up(layer.filters),
        size=tuple(map(up, layer.size)),
        groups=up(layer.groups) if layer.groups > 1 else 1,
    )


def sample(count, seed=2024):
    """So many different layers whose neighbours are others and are not too large."""
    source = random.Random(seed)
    found = {}
    while len(found) < count:
        layer = _random_layer(source)
        if layer.flops >= _LEAST_FLOPS and rounded(layer).flops <= _MOST_FLOPS and rounded(layer) != layer:
            found[layer.name] = layer
    return list(found.values())
