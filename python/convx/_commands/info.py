"""``python -m convx info``."""

from __future__ import annotations

import argparse
import platform

import numpy as np

from convx import _config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print the configuration of the library and of what it runs in."""
    _config.show_config()
    print(f"python {platform.python_version()}, numpy {np.__version__}, {platform.platform()}")
    print(f"include {_config.get_include()}")
    print(f"cmake {_config.get_cmake_dir()}")
    print(f"pkgconfig {_config.get_pkgconfig_dir()}")
    return 0
