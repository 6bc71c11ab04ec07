"""Where convx might fall off a cliff: odd shapes, first calls, memory over many shapes, small work, busy neighbours.

``python asv_bench/cliffs`` measures convx against itself, each question in fresh processes; it needs NumPy only.
"""
