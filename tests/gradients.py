"""Numerical gradients in float64, for modules and losses."""

import numpy as np


def difference_quotients(function, array, step=1e-6):
    """The gradient of the number function() with respect to each element of `array`, which is changed and restored."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        below = function()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def check_module(module, x, rtol=1e-6, atol=1e-7, also=()):
    """Compare the gradients of input and parameters with difference quotients; `also` goes to forward too."""
    rng = np.random.default_rng(len(repr(module)))
    y = module(x, *also)
    weights = rng.standard_normal(y.shape)  # the loss is sum(weights * y)
    module.zero_grad()
    found = module.backward(weights)
    gradients = {name: p.grad.copy() for name, p in module.named_parameters()}

    def loss():
        return float((module(x, *also) * weights).sum())

    assert found.shape == x.shape
    np.testing.assert_allclose(found, difference_quotients(loss, x), rtol=rtol, atol=atol)
    for name, parameter in module.named_parameters():
        assert gradients[name].shape == parameter.shape
        expected = difference_quotients(loss, parameter.data)
        np.testing.assert_allclose(gradients[name], expected, rtol=rtol, atol=atol, err_msg=name)
