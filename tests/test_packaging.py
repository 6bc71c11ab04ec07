"""What is shipped (source archive, wheel, C install), and how users of C, CMake, pkg-config and Cython find it."""

import email
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import convx
import pytest

ROOT = Path(__file__).resolve().parents[1]
HEADER = (ROOT / "src/cconv/include/convx.h").read_text()
VERSION = ".".join(re.findall(r"#define CONVX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER))
PROGRAM = r"""
#include <convx.h>
#include <stdio.h>

int main(void) {
    convx_conv_params p = {0};
    const float input[4] = {1, 2, 3, 4}, weight[2] = {1, -1};
    float output[3];
    int i;
    p.struct_size = sizeof p;
    p.dtype = CONVX_FLOAT32;
    p.rank = 1;
    p.batch = p.groups = p.in_channels = p.out_channels = 1;
    p.input[0] = 4;
    p.kernel[0] = 2;
    p.stride[0] = p.dilation[0] = 1;
    p.input_strides[2] = p.weight_strides[2] = p.output_strides[2] = 1;
    if (convx_conv_output_size(&p, p.output) != CONVX_OK || p.output[0] != 3) return 1;
    if (convx_conv_forward(&p, input, weight, NULL, output) != CONVX_OK) return 2;
    for (i = 0; i < 3; ++i)
        if (output[i] != -1.0f) return 3;
    puts(convx_version());
    return 0;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.26)
project(user C)
find_package(convx {version} REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE convx::convx)
"""
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, ROOT)
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the source archive alone."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "source", filter="data")
    (source,) = (out / "source").iterdir()
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out / "dist", source)
    (found,) = (out / "dist").iterdir()
    return found


@pytest.fixture(scope="module")
def tree(wheel, tmp_path_factory):
    """The wheel unpacked in a place that nothing knows of."""
    place = tmp_path_factory.mktemp("some place else")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The C library, built and installed by CMake alone, then moved."""
    work = tmp_path_factory.mktemp("c")
    run("cmake", "-S", ROOT, "-B", work / "build", "-G", "Ninja", "-DCMAKE_DISABLE_FIND_PACKAGE_Python=ON")
    run("cmake", "--build", work / "build")
    run("cmake", "--install", work / "build", "--prefix", work / "first")
    return (work / "first").rename(work / "moved")


@pytest.fixture
def user(tmp_path):
    (tmp_path / "user.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(version=VERSION))
    return tmp_path


def build_with_cmake(user, directory):
    run("cmake", "-S", user, "-B", user / "build", "-G", "Ninja", f"-Dconvx_DIR={directory}")
    run("cmake", "--build", user / "build")
    return run(user / "build/user").strip()


def build_with_pkgconfig(user, directory):
    tool = shutil.which("pkg-config") or shutil.which("pkgconf")
    words = run(tool, "--cflags", "--libs", "convx", PKG_CONFIG_PATH=str(directory))
    # Paths with spaces come escaped: a shell takes them apart.
    compiler = " ".join(["cc", *WARNINGS, "user.c", "-o", "user", words.strip()])
    run("sh", "-c", compiler, cwd=user)
    library = next(Path(directory).parent.glob("libconvx.so")).parent
    return run(user / "user", LD_LIBRARY_PATH=str(library)).strip()


def test_version_has_one_home():
    assert convx.__version__ == importlib.metadata.version("convx") == VERSION


def test_sdist_holds_every_source_and_nothing_built(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    expected = {"PKG-INFO", "pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"}
    for folder in ("src", "python", "cmake", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in (".pyc", ".so") and "__pycache__" not in path.parts:
                expected.add(str(path.relative_to(ROOT)))
    assert expected <= names
    assert sdist.name == f"convx-{VERSION}.tar.gz"
    kinds = {Path(name).suffix for name in names}
    assert not kinds & {".o", ".so", ".pyc", ".whl", ".png", ".a", ".html"}
    tops = {name.split("/", 1)[0] for name in names}
    assert not tops & {".git", ".ci", ".venv", "build", "dist", "asv_bench", "demo-out", "shared"}


def test_wheel_is_one_for_every_python_and_small(wheel):
    assert re.fullmatch(rf"convx-{VERSION}-cp311-abi3-\w+\.whl", wheel.name)
    assert wheel.stat().st_size <= 1_200_000


def test_wheel_holds_each_file_once_and_no_source(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [n.removeprefix("convx/") for n in archive.namelist() if n.startswith("convx/")]
        others = {n.split("/")[0] for n in archive.namelist() if not n.startswith("convx/")}
    assert others == {f"convx-{VERSION}.dist-info"}
    assert len(names) == len(set(names))
    assert sorted(n for n in names if ".so" in n) == ["_core.abi3.so", "lib/libconvx.so"]
    assert not [n for n in names if n.endswith((".pyx", ".pxi", ".c", ".pyc"))]
    config = [
        f"lib/cmake/convx/convx{part}.cmake" for part in ("Config", "ConfigVersion", "Targets", "Targets-release")
    ]
    modules = [str(p.relative_to(ROOT / "python/convx")) for p in (ROOT / "python/convx").rglob("*.py")]
    expected = {"include/convx.h", "capi.pxd", "_core.pyi", "py.typed", "lib/pkgconfig/convx.pc", *config, *modules}
    assert expected <= set(names)
    strangers = set(names) - expected - {"_core.abi3.so", "lib/libconvx.so"}
    assert all(n.endswith((".png", ".npy", ".txt")) for n in strangers), strangers


def test_wheel_requires_numpy_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"convx-{VERSION}.dist-info/METADATA"))
    assert metadata.get_all("Requires-Dist") == ["numpy>=2"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "BSD-3-Clause"


def test_libraries_need_only_the_system_and_each_other(tree):
    def dynamic(path, kind):
        return re.findall(rf"\({kind}\)\s.*\[(.+)\]", run("readelf", "-d", path))

    core, library = tree / "convx/_core.abi3.so", tree / "convx/lib/libconvx.so"
    assert dynamic(core, "RUNPATH") == ["$ORIGIN/lib"]
    assert dynamic(library, "SONAME") == ["libconvx.so"]
    system = re.compile(r"(libc|libm|libpthread|ld-linux[\w-]*)\.so\.\d+")
    assert all(system.fullmatch(name) for name in dynamic(library, "NEEDED"))
    assert "libconvx.so" in dynamic(core, "NEEDED")
    assert all(system.fullmatch(name) for name in dynamic(core, "NEEDED") if name != "libconvx.so")


def test_the_library_exports_the_functions_of_the_header_and_nothing_else(tree):
    declared = set(re.findall(r"^CONVX_API [^;(]*?\b(convx_\w+)\(", HEADER, re.MULTILINE))
    lines = run("nm", "-D", "--defined-only", tree / "convx/lib/libconvx.so").splitlines()
    exported = {line.split()[-1].split("@")[0] for line in lines if line.split()[1] != "A"}
    assert exported == declared
    assert len(declared) > 15


def test_the_core_uses_only_the_stable_abi(wheel):
    report = json.loads(run(sys.executable, "-m", "abi3audit", "--strict", "--report", wheel))
    (spec,) = report["specs"].values()
    found = {item["name"]: item["result"] for item in spec["wheel"]}
    assert found["_core.abi3.so"]["is_abi3"]
    assert found["_core.abi3.so"]["non_abi3_symbols"] == []
    assert found["_core.abi3.so"]["computed"] <= "3.11"


def test_the_unpacked_wheel_works_where_it_lies(tree):
    # An editable install of convx puts a finder before the path: here it must not answer.
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Redirecting' not in type(f).__name__];"
        "import convx, numpy as np; print(convx.__file__); print(convx.conv1d(np.ones((1, 3)), np.ones((1, 1, 2))))"
    )
    place, result = run(sys.executable, "-c", code, cwd=tree, PYTHONPATH=str(tree)).splitlines()
    assert Path(place).is_relative_to(tree)
    assert result == "[[2. 2.]]"


def test_c_users_of_the_wheel_build_with_cmake(tree, user):
    assert build_with_cmake(user, tree / "convx/lib/cmake/convx") == VERSION


def test_c_users_of_the_wheel_build_with_pkgconfig(tree, user):
    assert build_with_pkgconfig(user, tree / "convx/lib/pkgconfig") == VERSION


def test_c_users_of_the_installed_package_build_with_what_the_command_line_prints(user):
    ask = [sys.executable, "-m", "convx"]
    assert build_with_cmake(user, run(*ask, "--cmake-dir").strip()) == VERSION
    assert build_with_pkgconfig(user, run(*ask, "--pkgconfig-dir").strip()) == VERSION


def test_c_library_installs_without_python_and_moves(prefix, user):
    (library,) = prefix.glob("lib*/**/libconvx.so")
    assert build_with_cmake(user, library.parent / "cmake/convx") == VERSION
    assert build_with_pkgconfig(user, library.parent / "pkgconfig") == VERSION
    assert (prefix / "include/convx.h").read_text() == HEADER
    assert not list(prefix.rglob("*.py*"))
    soname = f"libconvx.so.{VERSION.split('.')[0]}"
    assert sorted(p.name for p in library.parent.glob("libconvx*")) == ["libconvx.so", soname, f"libconvx.so.{VERSION}"]


def test_a_version_of_another_minor_is_not_accepted(tree, user):
    (user / "CMakeLists.txt").write_text(CMAKE.format(version="0.999"))
    with pytest.raises(AssertionError, match=r"compatible\s+with\s+requested\s+version"):
        build_with_cmake(user, tree / "convx/lib/cmake/convx")


def test_cython_users_find_header_library_and_pxd_by_the_entry_points(tree, tmp_path):
    files = {
        "pyproject.toml": """
            [build-system]
            requires = ["scikit-build-core", "Cython", "convx"]
            build-backend = "scikit_build_core.build"
            [project]
            name = "user"
            version = "1"
            """,
        "CMakeLists.txt": """
            cmake_minimum_required(VERSION 3.26)
            project(user C)
            find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
            find_package(convx REQUIRED)
            add_custom_command(OUTPUT user.c DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/user.pyx" VERBATIM
              COMMAND Python::Interpreter -m cython -3 "${CMAKE_CURRENT_SOURCE_DIR}/user.pyx" -o user.c)
            python_add_library(user MODULE "${CMAKE_CURRENT_BINARY_DIR}/user.c" WITH_SOABI)
            target_link_libraries(user PRIVATE convx::convx)
            install(TARGETS user DESTINATION .)
            """,
        "user.pyx": """
            from convx cimport capi

            def answer():
                return capi.convx_version().decode(), capi.CONVX_OVERLAP, sizeof(capi.convx_conv_params)
            """,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    path = {"PYTHONPATH": str(tree)}
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", tmp_path, **path)
    with zipfile.ZipFile(next((tmp_path / "dist").iterdir())) as archive:
        archive.extractall(tmp_path / "site")
    path = {"PYTHONPATH": f"{tree}:{tmp_path / 'site'}", "LD_LIBRARY_PATH": str(tree / "convx/lib")}
    found = run(sys.executable, "-c", "import user; print(*user.answer())", cwd=tree, **path).split()
    assert found[:2] == [VERSION, "7"]
    assert int(found[2]) > 300


def test_importing_convx_adds_little_to_importing_numpy(tmp_path):
    # This thread's processor time: neither other processes nor NumPy's threads count. Bytecode is there after one run.
    code = "import time, numpy; start = time.thread_time(); import convx; print(time.thread_time() - start)"
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    times = [float(run(sys.executable, "-c", code, **kept)) for _ in range(7)]
    assert min(times) <= 0.020
