"""What the documentation shows is what happens: docstrings, and the code in README.md."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import convx
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PACKAGE = ROOT / "python/convx"
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem != "__main__" and "_commands" not in path.parts
]
PUBLIC = [getattr(module, name) for module in (convx, convx.grad, convx.nn, convx.optim) for name in module.__all__]
FUNCTIONS = [each for each in PUBLIC if callable(each)]


def run_examples(text, name):
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert test.examples
    runner = doctest.DocTestRunner(verbose=False)
    report = []
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_print_what_they_show(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


@pytest.mark.parametrize("each", FUNCTIONS, ids=lambda each: each.__qualname__)
def test_every_public_function_has_a_summary_and_a_result_or_parameters(each):
    assert each.__doc__
    summary = each.__doc__.strip().splitlines()[0]
    assert summary.endswith(".")
    assert len(summary) <= 120


@pytest.mark.parametrize(
    "name", [n for n in convx.__all__ if n.startswith(("conv1", "conv2", "conv3", "conv_", "plan"))]
)
def test_every_layer_function_documents_its_parameters_and_shows_an_example(name):
    text = getattr(convx, name).__doc__
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert re.search(rf"^\s*{section}\n\s*-+$", text, re.MULTILINE), section
    assert ">>> " in text


def test_python_in_the_readme_prints_what_it_shows():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    run_examples("\n".join(blocks), "README.md")


def test_c_in_the_readme_computes_differences(tmp_path):
    (program,) = re.findall(r"```c\n(.*?)```", README, re.DOTALL)
    source, binary = tmp_path / "readme.c", tmp_path / "readme"
    source.write_text(program)
    library = Path(convx.get_include()).parent / "lib"
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = ["cc", *warnings, source, f"-I{convx.get_include()}", f"-L{library}", "-lconvx", "-o", binary]
    subprocess.run(command, check=True)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    run = subprocess.run([binary], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "2", "4", "8", "16"]


def test_the_readme_starts_with_the_demo_and_the_tests():
    first = re.search(r"```\n(.*?)```", README, re.DOTALL).group(1)
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_and_targets_in_the_pages_exist(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z0-9-]+)", text, re.MULTILINE)) <= targets


def test_the_command_line_lists_the_commands_that_the_readme_names():
    shown = subprocess.run([sys.executable, "-m", "convx", "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"python -m convx (\S+?)[\s)]", README):
        assert option in shown
