"""convx beside the other engines that compute convolutions on a CPU.

``python asv_bench/side_by_side`` measures whichever engines are installed, each in a process of its own, and writes the
numbers (JSON) and a picture (SVG) into ``asv_bench/results/``.
"""
