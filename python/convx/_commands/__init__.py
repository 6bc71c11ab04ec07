"""The commands of ``python -m convx``, a module each."""
