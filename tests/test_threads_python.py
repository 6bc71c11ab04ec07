"""Threads, seen from Python: calls at the same time, the GIL, fork, idleness, and how many there are."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import convx
import numpy as np
import oracle
import pytest
from layers import ALGORITHMS, integers, same_sums
from processes import run_python

LAYER = """
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 4, (2, 32, 40, 40)).astype(np.float32)
    w = rng.integers(-3, 4, (32, 32, 3, 3)).astype(np.float32)
    def layer(): return convx.conv2d(x, w, padding=1)
    expected = layer()
    assert np.abs(expected - convx.conv2d(x, w, padding=1, algorithm="reference")).max() < 0.01
"""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_calls_from_many_python_threads_at_once_give_what_calls_one_by_one_give(algorithm):
    rng = np.random.default_rng(5)
    layers = []
    for i in range(12):
        groups = (1, 8, 2)[i % 3]
        x, w = integers(rng, (2, 16, 14 + i, 17), np.float32), integers(rng, (24, 16 // groups, 3, 3), np.float32)
        y = oracle.conv(x, w, None, (1, 1), ((1, 1),) * 2, (1, 1), groups)
        gw = oracle.grad_weight(x, w.shape, y, (1, 1), ((1, 1),) * 2, (1, 1), groups)
        layers.append((x, w, groups, y, gw))

    def work(first):
        for i in range(first, first + 12):
            x, w, groups, y, gw = layers[i % 12]
            got = convx.conv2d(x, w, padding=1, groups=groups, algorithm=algorithm)
            same_sums(got, y, algorithm, (3, 3))
            got = convx.grad.conv2d_weight(
                x, w.shape, y.astype(np.float32), padding=1, groups=groups, algorithm=algorithm
            )
            same_sums(got, gw, algorithm, (3, 3))
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def longest_pause_of_the_main_thread_during(call):
    """(duration of the call in another thread, longest time in it that Python code of this thread did not run)."""
    span = []

    def timed():
        begin = time.perf_counter()
        call()
        span.extend((begin, time.perf_counter()))

    thread = threading.Thread(target=timed)
    ticks = [time.perf_counter()]
    thread.start()
    while thread.is_alive():
        time.sleep(0.0005)
        ticks.append(time.perf_counter())
    thread.join()
    begin, end = span
    inside = [begin, *(tick for tick in ticks if begin < tick < end), end]
    return end - begin, max(np.diff(inside))


def test_other_python_threads_run_while_a_convolution_does():
    x, w = np.ones((8, 64, 160, 160), np.float32), np.ones((64, 64, 3, 3), np.float32)
    plan = convx.plan_conv(x.shape, w)
    gy = np.ones(plan.output_shape, np.float32)
    convx.set_num_threads(1)
    for call in (
        lambda: convx.conv2d(x, w),
        lambda: plan(x),
        lambda: convx.grad.conv2d_input(x.shape, w, gy),
        lambda: convx.grad.conv2d_weight(x, w.shape, gy),
    ):
        # With the GIL held the main thread would stand still from the first to the last.
        shares = []
        for _ in range(5):
            duration, pause = longest_pause_of_the_main_thread_during(call)
            assert duration > 0.01, "too short a call to tell"
            shares.append(pause / duration)
            if shares[-1] < 0.5:
                break
        assert min(shares) < 0.5, shares


def test_a_library_that_has_nothing_to_do_uses_no_processor_time():
    printed = run_python(
        LAYER
        + """
    convx.set_num_threads(4)
    for _ in range(20): layer()
    time.sleep(0.05)  # the bounded spin
    before = time.process_time()
    time.sleep(1)
    print(time.process_time() - before)
    """
    )
    assert float(printed) < 0.02


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_child_forked_after_use_computes_and_so_does_its_parent(threads):
    run_python(
        LAYER
        + f"""
    convx.set_num_threads({threads})
    assert np.array_equal(layer(), expected)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            good = all(np.array_equal(layer(), expected) for _ in range(5))
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if np.array_equal(layer(), expected) else 1)
            good = good and os.waitpid(grandchild, 0)[1] == 0 and np.array_equal(layer(), expected)
            os._exit(0 if good else 1)
        children.append(child)
        assert np.array_equal(layer(), expected)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    """
    )


def test_a_fork_in_the_middle_of_another_threads_call_leaves_both_processes_well():
    run_python(
        LAYER
        + """
    convx.set_num_threads(4)
    stop = False
    def busy():
        while not stop: assert np.array_equal(layer(), expected)
    thread = threading.Thread(target=busy)
    thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0: os._exit(0 if np.array_equal(layer(), expected) else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop = True
    thread.join()
    """
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_after_use(method, tmp_path):
    # A file, since "spawn" imports the main module anew.
    script = tmp_path / "pool.py"
    script.write_text(
        "import multiprocessing\n"
        "import numpy as np\n"
        "import convx\n"
        "def work(i):\n"
        "    x, w = np.full((1, 8, 30, 30), i, np.float32), np.ones((8, 8, 3, 3), np.float32)\n"
        "    return float(convx.conv2d(x, w).sum())\n"
        "if __name__ == '__main__':\n"
        "    convx.set_num_threads(2)\n"
        "    here = [work(i) for i in range(8)]\n"
        f"    with multiprocessing.get_context({method!r}).Pool(3) as pool:\n"
        "        assert pool.map(work, range(8)) == here\n"
        "    assert here[3] == 3 * 8 * 9 * 8 * 28 * 28\n"
        "    print('good')\n"
    )
    assert run_python(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')") == "good\n"


def test_the_number_of_threads_is_what_was_set_and_zero_goes_back():
    default = convx.get_num_threads()
    assert default >= 1
    for threads in (1, 2, 7, 64):
        convx.set_num_threads(threads)
        assert convx.get_num_threads() == threads
    convx.set_num_threads(0)
    assert convx.get_num_threads() == default


def test_a_number_of_threads_that_is_none_is_refused():
    with pytest.raises(ValueError, match="threads"):
        convx.set_num_threads(-1)
    for wrong in (1.5, "2", None, True):
        with pytest.raises(TypeError, match="threads"):
            convx.set_num_threads(wrong)


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3), ("17", 17)])
def test_the_environment_sets_the_default_number_of_threads(value, threads):
    printed = run_python(
        """
        print(convx.get_num_threads())
        convx.set_num_threads(5)
        convx.set_num_threads(0)
        print(convx.get_num_threads())
        """,
        CONVX_NUM_THREADS=value,
    )
    assert printed.split() == [str(threads)] * 2


@pytest.mark.parametrize("value", ["", "0", "-2", "many", "1e3", "99999999999999999999"])
def test_an_environment_that_names_no_number_of_threads_changes_nothing_or_is_capped(value):
    printed = run_python("print(convx.get_num_threads(), len(os.sched_getaffinity(0)))", CONVX_NUM_THREADS=value)
    threads, processors = map(int, printed.split())
    assert 1 <= threads <= max(processors, 1024)


def test_the_affinity_mask_limits_the_default_number_of_threads():
    printed = run_python(
        """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(convx.get_num_threads())
        """,
        CONVX_NUM_THREADS="",
    )
    assert int(printed) == 1


def test_no_thread_is_started_by_import_or_by_calls_that_use_one():
    run_python(
        LAYER
        + """
    before = len(os.listdir("/proc/self/task"))
    convx.set_num_threads(1)
    layer()
    assert len(os.listdir("/proc/self/task")) == before
    """,
        CONVX_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )


def test_at_most_the_threads_asked_for_are_started():
    printed = run_python(
        LAYER
        + """
    before = len(os.listdir("/proc/self/task"))
    convx.set_num_threads(3)
    for _ in range(10): layer()
    print(len(os.listdir("/proc/self/task")) - before)
    """,
        CONVX_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    assert int(printed) == 2
