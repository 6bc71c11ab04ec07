"""The library itself: threads, configuration, and where C users find it."""

from __future__ import annotations

from typing import SupportsIndex

from convx import _core

__all__ = ["get_cmake_dir", "get_include", "get_num_threads", "get_pkgconfig_dir", "set_num_threads", "show_config"]


def set_num_threads(threads: SupportsIndex) -> None:
    """Set how many threads one call may use, for all later calls of this process.

    Results do not depend on it, not by one bit.

    Parameters
    ----------
    threads : int
        At least 1, the calling thread included. 0 goes back to the default: the environment variable
        ``CONVX_NUM_THREADS``, else what the affinity mask and the control group of the process allow.

    Raises
    ------
    TypeError, ValueError
        If `threads` is not an int or is negative.

    Examples
    --------
    >>> import convx
    >>> convx.set_num_threads(1)
    >>> convx.get_num_threads()
    1
    >>> convx.set_num_threads(0)
    """
    _core.set_num_threads(threads)


def get_num_threads() -> int:
    """Return how many threads one call may use.

    Examples
    --------
    >>> import convx
    >>> convx.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def show_config() -> None:
    """Print what a bug report needs: version, compiler, CPU, caches, instruction sets, threads.

    Examples
    --------
    >>> import convx
    >>> convx.show_config()  # doctest: +ELLIPSIS
    convx ...
    """
    print(_core.config().rstrip())


def get_include() -> str:
    """Return the directory that holds ``convx.h``.

    Examples
    --------
    >>> import os
    >>> import convx
    >>> os.path.exists(os.path.join(convx.get_include(), "convx.h"))
    True
    """
    return _installed("include")


def get_cmake_dir() -> str:
    """Return the directory that holds ``convxConfig.cmake``, for ``-Dconvx_DIR=...``.

    Projects that build with scikit-build-core need no such flag: an entry point leads ``find_package(convx)`` here.

    Examples
    --------
    >>> import os
    >>> import convx
    >>> os.path.exists(os.path.join(convx.get_cmake_dir(), "convxConfig.cmake"))
    True
    """
    return _installed("lib/cmake/convx")


def get_pkgconfig_dir() -> str:
    """Return the directory that holds ``convx.pc``, for ``PKG_CONFIG_PATH``."""
    return _installed("lib/pkgconfig")


def _installed(name: str) -> str:
    # Imported here: loading them would be most of the time that importing convx takes.
    from importlib.resources import files
    from os.path import isdir

    # Not beside __file__: in an editable install the package lies in two places.
    path = str(files("convx").joinpath(name))
    if not isdir(path):
        raise FileNotFoundError(f"this installation of convx lacks {name!r} (looked at {path}); reinstall convx")
    return path
