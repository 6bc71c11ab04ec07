"""Profiles of hypothesis, and what every test leaves as it found it."""

import os
import tempfile
from pathlib import Path

import convx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# Not in the source tree, which may be read-only and is searched for tests.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "convx-hypothesis")

_QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}
# Examples are the same in every run, so that what is green stays green; "thorough" looks for new ones, longer.
settings.register_profile("ci", derandomize=True, database=None, **_QUIET)
settings.register_profile("quick", derandomize=True, database=None, **_QUIET)
settings.register_profile("thorough", print_blob=True, **_QUIET)
settings.load_profile(os.environ.get("CONVX_HYPOTHESIS", "ci"))


@pytest.fixture(autouse=True)
def default_threads():
    """Each test begins with, and leaves, the default number of threads."""
    convx.set_num_threads(0)
    yield
    convx.set_num_threads(0)
