"""Optimisers with the update rules of `torch.optim`: `SGD` and `Adam`.

Examples
--------
>>> import numpy as np
>>> from convx import nn, optim
>>> layer = nn.Conv1d(1, 1, 2, bias=False, dtype=np.float64, rng=0)
>>> descent = optim.SGD(layer.parameters(), lr=0.3, momentum=0.5)
>>> x = np.array([[[1.0, 0.0, -1.0, 2.0]]])
>>> target = np.array([[[2.0, -1.0, 0.0]]])  # made by the filter (2, 1)
>>> for _ in range(100):
...     loss, gradient = nn.mse_loss(layer(x), target)
...     descent.zero_grad()
...     _ = layer.backward(gradient)
...     descent.step()
>>> layer.weight.data.round(3)
array([[[2., 1.]]])
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from convx import _core
from convx.nn._parameter import Parameter

__all__ = ["SGD", "Adam"]


def _at_least_0(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value!r}")


class _Optimizer:
    def __init__(self, parameters: Iterable[Parameter], lr: float, weight_decay: float) -> None:
        if not isinstance(parameters, Iterable):
            raise TypeError(f"parameters must be an iterable, as module.parameters(); got {type(parameters).__name__}")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("parameters is empty: there is nothing to change; parameters() can be read once only")
        for parameter in self.parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError(f"parameters must be nn.Parameter objects, got {type(parameter).__name__}")
        if len({id(parameter) for parameter in self.parameters}) != len(self.parameters):
            raise ValueError("parameters holds one of them twice")
        _at_least_0(lr=lr, weight_decay=weight_decay)
        self.lr = lr
        self.weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters:
            parameter.grad = None


class SGD(_Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    With ``g = grad + weight_decay * p``: ``v = momentum * v + (1 - dampening) * g`` (``g`` itself in the first step),
    then ``p -= lr * v``, or ``p -= lr * (g + momentum * v)`` by Nesterov's rule.

    Parameters
    ----------
    parameters : iterable of Parameter
        What `Module.parameters` returns. Those without a gradient are left alone.
    lr : float
        The learning rate; also an attribute, to change it between steps.
    momentum, weight_decay : float, default 0
    nesterov : bool, default False
        Needs a momentum, and no dampening.
    dampening : float, default 0

    Raises
    ------
    TypeError, ValueError
        For what are no parameters, or values out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        momentum: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        dampening: float = 0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _at_least_0(momentum=momentum)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                "nesterov needs a momentum above 0 and no dampening; got "
                f"momentum={momentum!r}, dampening={dampening!r}"
            )
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self._velocities: list[Any] = [None] * len(self.parameters)

    def step(self) -> None:
        """Change the parameters by one step."""
        _core.sgd_step(
            self.parameters,
            self._velocities,
            self.lr,
            self.momentum,
            self.dampening,
            self.weight_decay,
            self.nesterov,
        )


class Adam(_Optimizer):
    """Adam: steps along a running mean of gradients, scaled by the root of that of their squares.

    Parameters
    ----------
    parameters : iterable of Parameter
        What `Module.parameters` returns. Those without a gradient are left alone.
    lr : float
        The learning rate; also an attribute, to change it between steps.
    betas : pair of floats below 1
        How much of the running means of gradients and of squares is kept each step.
    eps : float
        Added to the root.
    weight_decay : float, default 0
        Times the parameter is added to its gradient.
    amsgrad : bool, default False
        Use the largest running mean of squares so far.

    Raises
    ------
    TypeError, ValueError
        For what are no parameters, or values out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn, optim
    >>> p = nn.Parameter(np.array([1.0, -1.0]))
    >>> adam = optim.Adam([p], lr=0.1)
    >>> p.grad = np.array([100.0, -0.01])
    >>> adam.step()
    >>> p.data.round(3)
    array([ 0.9, -0.9])
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        _at_least_0(eps=eps)
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be two numbers, each at least 0 and below 1; got {betas!r}")
        self.betas = betas
        self.eps = eps
        self.amsgrad = amsgrad
        self._states: list[Any] = [None] * len(self.parameters)

    def step(self) -> None:
        """Change the parameters by one step."""
        beta1, beta2 = self.betas
        _core.adam_step(self.parameters, self._states, self.lr, beta1, beta2, self.eps, self.weight_decay, self.amsgrad)
