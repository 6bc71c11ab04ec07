"""``python asv_bench/side_by_side`` and, from within asv_bench, ``python -m side_by_side``."""

import sys
from pathlib import Path

if not __package__:  # run as a directory, which puts the directory itself on the path
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from side_by_side.command import main

sys.exit(main())
