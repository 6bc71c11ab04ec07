"""What else is measured, beside PyTorch alone: pooling, pointwise functions, linear layers and a training step."""

from dataclasses import asdict, dataclass

import numpy as np

POOLING, ACTIVATION, LINEAR, STEP = "pooling", "activation", "linear", "training step"
GRADIENT, LAST = " gradient", "channels-last "
TASKS = {
    POOLING: (POOLING, POOLING + GRADIENT, LAST + POOLING, LAST + POOLING + GRADIENT),
    ACTIVATION: (ACTIVATION, ACTIVATION + GRADIENT),
    LINEAR: (LINEAR, LINEAR + " input" + GRADIENT, LINEAR + " weight" + GRADIENT),
    STEP: (STEP,),
}


@dataclass(frozen=True)
class Operation:
    """A function of one array.

    Attributes
    ----------
    kind : str
        A key of `TASKS`.
    function : str
        Its name in convx and in torch.nn.functional.
    shape : tuple of int
        Of the input, channels first.
    options : dict
        Keyword arguments.
    outputs : int
        Of a linear layer.
    """

    kind: str
    function: str
    shape: tuple
    options: tuple = ()
    outputs: int = 0

    known = True  # there is nothing that would be tuned on one size
    flops = 0

    @classmethod
    def from_dict(cls, fields):
        """The inverse of `to_dict`, from JSON."""
        options = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in fields["options"])
        return cls(**{**fields, "shape": tuple(fields["shape"]), "options": options})

    def to_dict(self):
        """The fields, for JSON."""
        return asdict(self)

    @property
    def name(self):
        """The call."""
        options = [f"{name.replace('kernel_size', 'k')}={value}".replace("k=", "") for name, value in self.options]
        outputs = [f"->{self.outputs}"] if self.outputs else []
        return " ".join([self.function, "x".join(map(str, self.shape)), *outputs, *options])

    @property
    def tasks(self):
        """What is measured of it."""
        return TASKS[self.kind]

    def tensors(self, dtype):
        """The input, and the weights of a linear layer."""
        random = np.random.default_rng(0)
        x = random.standard_normal(self.shape, np.float32).astype(dtype)
        if not self.outputs:
            return (x,)
        return x, random.standard_normal((self.outputs, self.shape[-1]), np.float32).astype(dtype)


def gradient_of(shape, dtype):
    """A gradient of a result of this shape, the same for every engine."""
    return np.random.default_rng(1).standard_normal(shape, np.float32).astype(dtype)


def _pool(function, shape, kernel_size, **options):
    return Operation(POOLING, function, shape, (("kernel_size", kernel_size), *options.items()))


def _function(function, *shape, **options):
    return Operation(ACTIVATION, function, shape, tuple(options.items()))


_FUNCTIONS = ("relu", "relu6", "leaky_relu", "elu", "hardtanh", "silu", "gelu", "sigmoid", "tanh")

OPERATIONS = (
    _pool("max_pool2d", (1, 64, 112, 112), 3, stride=2, padding=1),
    _pool("max_pool2d", (1, 128, 56, 56), 2),
    _pool("max_pool2d", (1, 256, 20, 20), 5, stride=1, padding=2),
    _pool("max_pool2d", (1, 8, 256, 256), 31, stride=1, padding=15),
    _pool("max_pool2d", (64, 16, 8, 8), 2),
    _pool("max_pool1d", (4, 64, 4000), 4),
    _pool("max_pool3d", (1, 32, 16, 56, 56), 2),
    _pool("avg_pool2d", (1, 192, 35, 35), 3, stride=1, padding=1),
    _pool("avg_pool2d", (1, 128, 56, 56), 2),
    _pool("avg_pool2d", (1, 8, 256, 256), 31, stride=1, padding=15),
    _pool("avg_pool1d", (4, 64, 4000), 4),
    _pool("avg_pool3d", (1, 32, 16, 56, 56), 2),
    Operation(POOLING, "adaptive_avg_pool2d", (8, 512, 7, 7), (("output_size", 1),)),
    Operation(POOLING, "adaptive_avg_pool2d", (1, 256, 14, 14), (("output_size", 6),)),
    Operation(POOLING, "adaptive_max_pool2d", (8, 512, 7, 7), (("output_size", 1),)),
    *(_function(function, 1, 64, 112, 112) for function in _FUNCTIONS),
    _function("relu", 64, 128),
    _function("gelu", 64, 3072, approximate="tanh"),
    _function("softmax", 64, 1000, dim=1),
    _function("softmax", 12, 256, 256, dim=2),
    _function("softmax", 1, 21, 128, 128, dim=1),
    _function("log_softmax", 64, 10, dim=1),
    *(
        Operation(LINEAR, "linear", (rows, ins), (), outs)
        for rows, ins, outs in (
            (1, 2048, 1000),
            (64, 128, 10),
            (64, 784, 256),
            (256, 1024, 1024),
            (128, 768, 3072),
            (1000, 64, 64),
        )
    ),
    Operation(STEP, "digits", (64, 1, 8, 8)),
)


def chosen(patterns):
    """The operations whose names contain one of the comma-separated patterns (all, if there is none)."""
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return [each for each in OPERATIONS if not wanted or any(pattern in each.name for pattern in wanted)]


def digits_network(nn):
    """The network of the training step, of the layers of `convx.nn` or `torch.nn`."""
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
    return nn.Sequential(
        first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )


def digits_state(random=None):
    """Weights of the network of the training step, by the names of both libraries' layers; and targets."""
    random = random or np.random.default_rng(2)
    shapes = {"0.weight": (16, 1, 3, 3), "0.bias": (16,), "3.weight": (32, 16, 3, 3), "3.bias": (32,)}
    shapes |= {"7.weight": (10, 128), "7.bias": (10,)}
    state = {name: 0.1 * random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return state, random.integers(0, 10, 64)
