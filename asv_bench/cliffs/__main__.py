"""``python asv_bench/cliffs`` and, from within asv_bench, ``python -m cliffs``."""

import sys
from pathlib import Path

if not __package__:  # run as a directory, which puts the directory itself on the path
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from cliffs.command import main

sys.exit(main())
