"""What is measured: layers of networks and filters of images and signals, with tensors that every engine gets alike."""

from dataclasses import asdict, dataclass

import numpy as np

# What is asked of an engine. The three passes are plain calls, which get the weights and return a new array; in `PLAN`
# the weights are prepared once; `FILTER` is for single-channel images and signals.
FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT = "forward", "input gradient", "weight gradient"
CHANNELS_LAST, PLAN, FILTER = "channels-last forward", "plan", "filter"
PASSES = (FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT)


@dataclass(frozen=True)
class Layer:
    """A convolution layer, or a filter if it has one channel and one filter.

    Attributes
    ----------
    channels, filters : int
        Of the input and of the output.
    size, kernel : tuple of int
        One number a spatial axis.
    padding : int or None
        Before and after each axis; None: such that stride 1 keeps the size.
    known : bool
        False: a layer that nobody looked at while convx was tuned.
    """

    channels: int
    filters: int
    size: tuple
    kernel: tuple
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1
    batch: int = 1
    known: bool = True

    @classmethod
    def from_dict(cls, fields):
        """The inverse of `to_dict`, from JSON."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})

    def to_dict(self):
        """The fields, for JSON."""
        return asdict(self)

    @property
    def name(self):
        """Kernel, stride, dilation, channels, size, and what else is out of the ordinary."""

        def joined(numbers):
            return str(numbers[0]) if len(set(numbers)) == 1 and len(numbers) == 2 else "x".join(map(str, numbers))

        step = f"s{self.stride}" if self.stride > 1 else ""
        spread = f"d{self.dilation}" if self.dilation > 1 else ""
        depthwise = self.groups > 1 and self.groups == self.channels == self.filters
        channels = str(self.channels) if depthwise else f"{self.channels}->{self.filters}"
        words = ["filter" if self.is_filter else "", "1-D" if self.rank == 1 else "", "depthwise" if depthwise else ""]
        words += [f"{'x'.join(map(str, self.kernel))}{step}{spread}"]
        words += ["" if self.is_filter else channels, joined(self.size)]
        words += [f"groups {self.groups}" if self.groups > 1 and not depthwise else ""]
        words += [f"batch {self.batch}" if self.batch > 1 else ""]
        return " ".join(word for word in words if word)

    @property
    def rank(self):
        """Spatial axes."""
        return len(self.size)

    @property
    def is_filter(self):
        """One channel in, one out."""
        return self.channels == self.filters == 1

    @property
    def pads(self):
        """The padding before (and after) each axis."""
        if self.padding is not None:
            return (self.padding,) * self.rank
        return tuple(self.dilation * (k - 1) // 2 for k in self.kernel)

    @property
    def input_shape(self):
        """(N, C, *space)."""
        return (self.batch, self.channels, *self.size)

    @property
    def weight_shape(self):
        """(filters, channels of a group, *kernel)."""
        return (self.filters, self.channels // self.groups, *self.kernel)

    @property
    def output_shape(self):
        """(N, filters, *space)."""
        axes = zip(self.size, self.kernel, self.pads, strict=True)
        return (
            self.batch,
            self.filters,
            *((n + 2 * p - self.dilation * (k - 1) - 1) // self.stride + 1 for n, k, p in axes),
        )

    @property
    def flops(self):
        """Multiplications and additions of the definition, those with padding included."""
        return 2 * int(np.prod(self.output_shape)) * int(np.prod(self.weight_shape[1:]))

    @property
    def tasks(self):
        """What is measured of this layer."""
        return (FILTER,) if self.is_filter else (*PASSES, CHANNELS_LAST, PLAN)

    def tensors(self, dtype):
        """Input, weights and a gradient of the output, the same in every process."""
        random = np.random.default_rng(0)
        shapes = (self.input_shape, self.weight_shape, self.output_shape)
        return tuple(random.standard_normal(shape, np.float32).astype(dtype) for shape in shapes)


def _square(kernel, channels, filters, size, **others):
    return Layer(channels, filters, (size, size), (kernel, kernel), **others)


def _new(*arguments, **others):
    return Layer(*arguments, known=False, **others)


LAYERS = (
    _square(7, 3, 64, 224, stride=2),
    _square(1, 64, 64, 56),
    _square(3, 64, 64, 56),
    _square(3, 128, 128, 56, stride=2),
    _square(3, 128, 128, 28),
    _square(1, 256, 512, 56, stride=2),
    _square(3, 256, 256, 14),
    _square(1, 1024, 256, 14),
    _square(3, 512, 512, 7),
    _square(1, 512, 2048, 7),
    _square(3, 64, 64, 224),
    _square(3, 32, 32, 112, groups=32),
    _square(3, 128, 128, 56, stride=2, groups=128),
    _square(3, 512, 512, 14, groups=512),
    _square(5, 3, 6, 32),
    _square(3, 128, 128, 56),
    _square(1, 512, 512, 28),
    _new(128, 128, (56, 56), (3, 3), groups=32),
    _new(96, 96, (56, 56), (7, 7), groups=96),
    _new(96, 96, (56, 56), (5, 5), stride=2, groups=96),
    _new(192, 192, (17, 17), (1, 7)),
    _new(192, 192, (17, 17), (7, 1)),
    _new(64, 64, (4000,), (15,)),
    _new(32, 32, (16, 64, 64), (3, 3, 3)),
    _new(256, 256, (28, 28), (3, 3), dilation=2),
    _new(37, 53, (45, 61), (3, 3)),
    _new(3, 64, (224, 224), (11, 11), stride=4, padding=2),
    _new(128, 128, (14, 14), (1, 1), batch=32),
    _new(64, 64, (14, 14), (3, 3), batch=32),
    _new(512, 512, (4, 4), (3, 3)),
    _new(64, 3, (128, 128), (3, 3)),
)

FILTERS = (
    *(Layer(1, 1, (1080, 1920), (k, k)) for k in (3, 5, 7, 11)),
    Layer(1, 1, (1_000_000,), (33,)),
)


def chosen(patterns):
    """The layers and filters whose names contain one of the comma-separated patterns (all, if there is none)."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    every = (*LAYERS, *FILTERS)
    return [layer for layer in every if not wanted or any(pattern in layer.name for pattern in wanted)]
