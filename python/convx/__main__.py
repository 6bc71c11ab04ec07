"""Command line: ``python -m convx``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

import convx
from convx import _config

# Each command is a module of convx._commands with add_arguments(parser) and run(arguments) -> exit status.
COMMANDS = {
    "info": "print version, CPU, instruction sets and threads",
    "bench": "time convolution layers on this machine",
    "demo": "filter a photograph, learn a filter, learn to read digits, and draw pictures of it all",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m convx", description="Convolution on the CPU.")
    parser.add_argument("--version", action="version", version=convx.__version__)
    places = parser.add_mutually_exclusive_group()
    for flag, find, text in (
        ("--include-dir", _config.get_include, "print the directory of convx.h"),
        ("--cmake-dir", _config.get_cmake_dir, "print the directory of convxConfig.cmake"),
        ("--pkgconfig-dir", _config.get_pkgconfig_dir, "print the directory of convx.pc"),
    ):
        places.add_argument(flag, dest="place", action="store_const", const=find, help=text)
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        module = import_module(f"convx._commands.{name}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    if options.place:
        print(options.place())
        return 0
    if not options.command:
        parser.print_help()
        return 2
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
