"""Losses: each returns its value and its gradient."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, overload

import numpy as np

from convx import _arguments, _core
from convx._types import Array, ArrayLike

__all__ = ["cross_entropy", "mse_loss"]

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def _real(value: ArrayLike, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype not in (np.float32, np.float64):
        _arguments.dtype(array, name)
    return array


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        _arguments.option(reduction, "reduction", dict.fromkeys(("mean", "sum", "none"), 0))


@overload
def mse_loss(
    prediction: ArrayLike, target: ArrayLike, *, reduction: Literal["mean", "sum"] = "mean"
) -> tuple[float, Array]: ...
@overload
def mse_loss(prediction: ArrayLike, target: ArrayLike, *, reduction: Literal["none"]) -> tuple[Array, Array]: ...
def mse_loss(prediction: ArrayLike, target: ArrayLike, *, reduction: Reduction = "mean") -> tuple[Any, Array]:
    """Mean squared difference.

    Parameters
    ----------
    prediction, target : array_like of one shape and dtype, float32 or float64
    reduction : {"mean", "sum", "none"}
        What is done with the squared differences.

    Returns
    -------
    loss : float
        With ``reduction="none"`` an ndarray of the shape of `prediction`.
    gradient : ndarray
        With respect to `prediction`; of the sum, for "none".

    Raises
    ------
    TypeError, ValueError
        For other dtypes, or shapes that differ.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> nn.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    (2.0, array([ 0., -2.]))
    """
    _check_reduction(reduction)
    found, wanted = _real(prediction, "prediction"), _real(target, "target")
    if found.dtype != wanted.dtype:
        _arguments.mixed(wanted, "target", found, "prediction")
    if found.shape != wanted.shape:
        raise ValueError(f"prediction and target must have one shape, got {found.shape} and {wanted.shape}")
    difference = np.asarray(found - wanted)
    if reduction == "none":
        return difference * difference, 2 * difference
    flat = difference.ravel()
    loss = float(np.dot(flat, flat))
    if reduction == "sum":
        return loss, 2 * difference
    if not flat.size:
        return float("nan"), difference
    difference *= difference.dtype.type(2 / flat.size)
    return loss / flat.size, difference


def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Any, Array]:
    """Cross entropy of the softmax of `logits` and the classes that they should have given.

    Parameters
    ----------
    logits : array_like of float32 or float64, shape (N, C), (C,) or (N, C, d1, ...)
        Scores of C classes.
    targets : array_like
        Classes, ints from 0 to C - 1 in the shape of `logits` without C; or probabilities, in the shape and dtype of
        `logits`.
    weight : array_like, shape (C,), optional
        Of each class.
    ignore_index : int, default -100
        A class that counts nothing; for targets that are classes.
    reduction : {"mean", "sum", "none"}
        The mean is weighted by the targets' weights where targets are classes.
    label_smoothing : float from 0 to 1
        The part of the targets that is spread over all classes.

    Returns
    -------
    loss : float
        With ``reduction="none"`` an ndarray in the shape of `logits` without C. NaN where a mean has nothing to count.
    gradient : ndarray
        With respect to `logits`; of the sum, for "none".

    Raises
    ------
    TypeError, ValueError
        For other dtypes, shapes that do not fit, or classes that do not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from convx import nn
    >>> loss, gradient = nn.cross_entropy(np.array([[0.0, 0.0], [3.0, 1.0]]), np.array([1, 0]))
    >>> round(loss, 4), gradient.round(3).tolist()
    (0.41, [[0.25, -0.25], [-0.06, 0.06]])
    """
    _check_reduction(reduction)
    scores, wanted = _real(logits, "logits"), np.asarray(targets)
    if scores.ndim == 0:
        raise ValueError("logits must have at least one dimension, the classes; got a number")
    axis = 0 if scores.ndim == 1 else 1
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing!r}")
    classes = scores.shape[axis]
    scale = None
    if weight is not None:
        scale = _real(weight, "weight")
        if scale.shape != (classes,):
            raise ValueError(f"weight must have the shape ({classes},), one a class; got {scale.shape}")
    plain = scale is None and label_smoothing == 0 and reduction == "mean" and not 0 <= ignore_index < classes
    if plain and scores.ndim == 2 and wanted.dtype.kind in "iu" and wanted.shape == scores.shape[:1]:
        result = _core.plain_cross_entropy(np.ascontiguousarray(scores), wanted)
        if result is not None:
            return result
    logarithms, powers = (_core.softmax_forward(log, scores, axis, None) for log in (True, False))
    if wanted.dtype.kind == "f":
        count, share = _shares_of_probabilities(scores, wanted, scale, axis, label_smoothing)
    else:
        ids, kept = _classes(scores, wanted, axis, ignore_index)
        count, share = _shares_of_classes(scores, ids, kept, scale, axis, label_smoothing)
    # -inf of a class that has no share counts nothing.
    losses = -(np.where(share == 0, 0, logarithms) * share).sum(axis=axis)
    gradient = powers * share.sum(axis=axis, keepdims=True) - share
    if reduction == "none":
        return losses, gradient
    total = float(losses.sum(dtype=np.float64))
    if reduction == "sum":
        return total, gradient
    if not count:
        return float("nan"), np.zeros_like(gradient)
    return total / count, gradient * scores.dtype.type(1 / count)


def _classes(scores: Array, ids: Array, axis: int, ignore_index: int) -> tuple[Array, Array | None]:
    # The classes, 0 in place of those to ignore, and where they count; None: everywhere.
    expected = scores.shape[:axis] + scores.shape[axis + 1 :]
    if ids.dtype.kind not in "iu":
        raise TypeError(f"targets must be ints (classes) or floats (probabilities), got dtype {ids.dtype}")
    if ids.shape != expected:
        raise ValueError(
            f"targets must have the shape {expected} for classes, or that of logits, {scores.shape}, for "
            f"probabilities; got {ids.shape}"
        )
    classes = scores.shape[axis]
    if not ids.size or (ids.min() >= 0 and ids.max() < classes and not 0 <= ignore_index < classes):
        return ids, None
    kept = ids != ignore_index
    ids = np.where(kept, ids, 0)
    if ids.min() < 0 or ids.max() >= classes:
        raise ValueError(
            f"targets must be classes from 0 to {classes - 1}, or ignore_index={ignore_index}; got values from "
            f"{ids.min()} to {ids.max()}"
        )
    return ids, kept


def _shares_of_classes(
    scores: Array, ids: Array, kept: Array | None, scale: Array | None, axis: int, smoothing: float
) -> tuple[float, Array]:
    # What a mean divides by, and the part that each class has in the loss.
    classes = scores.shape[axis]
    share = np.full(scores.shape, smoothing / max(classes, 1), scores.dtype)
    places = np.expand_dims(ids, axis)
    np.put_along_axis(share, places, share.dtype.type(1 - smoothing + smoothing / max(classes, 1)), axis)
    weights = np.ones(ids.shape, scores.dtype)
    if scale is not None:
        share *= scale.reshape((-1,) + (1,) * (scores.ndim - axis - 1))
        weights = scale[ids].astype(scores.dtype)
    if kept is not None:
        share *= np.expand_dims(kept, axis)
        weights = weights * kept
    return float(weights.sum(dtype=np.float64)), share


def _shares_of_probabilities(
    scores: Array, wanted: Array, scale: Array | None, axis: int, smoothing: float
) -> tuple[float, Array]:
    if wanted.dtype != scores.dtype:
        _arguments.mixed(wanted, "targets", scores, "logits")
    if wanted.shape != scores.shape:
        raise ValueError(
            f"targets that are probabilities must have the shape of logits, {scores.shape}; got {wanted.shape}"
        )
    classes = max(scores.shape[axis], 1)
    share = wanted * scores.dtype.type(1 - smoothing) + scores.dtype.type(smoothing / classes)
    if scale is not None:
        share *= scale.reshape((-1,) + (1,) * (scores.ndim - axis - 1))
    return scores.size / classes, share
