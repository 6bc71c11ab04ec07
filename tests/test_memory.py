"""What a call costs in memory: little, never a patch matrix; and nothing stays behind."""

import pytest
from processes import run_python

# Peak resident memory of what runs between two looks, in bytes: VmHWM, set back to what is resident now.
METER = """
    def peak():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    def growth(call):
        with open("/proc/self/clear_refs", "w") as refs: refs.write("5")
        before = peak()
        call()
        return peak() - before
"""
LAYER = """
    x = np.ones((1, 64, 224, 224), np.float32)
    w = np.ones((64, 64, 3, 3), np.float32)
    out = np.zeros((1, 64, 224, 224), np.float32)
    out += 0  # every page is there before the call
    convx.set_num_threads(2)
    convx.conv2d(x[:, :, :12, :12], w)  # the library's code and the threads' stacks as well
"""


@pytest.mark.parametrize("algorithm", ["auto", "gemm", "direct"])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_a_large_layer_needs_less_than_four_megabytes_on_two_threads(layout, algorithm):
    view = "np.moveaxis(a.reshape(1, 224, 224, 64), -1, 1)" if layout == "channels_last" else "a"
    printed = run_python(
        METER
        + LAYER
        + f"""
    x, out = ({view} for a in (x, out))
    print(growth(lambda: convx.conv2d(x, w, padding=1, out=out, algorithm={algorithm!r})))
    """
    )
    assert int(printed) < 4 * 2**20


@pytest.mark.parametrize("algorithm", ["auto", "gemm", "direct"])
def test_gradients_of_a_large_layer_need_less_than_eight_megabytes_on_two_threads(algorithm):
    printed = run_python(
        METER
        + LAYER
        + f"""
    gw = np.zeros_like(w)
    layer = dict(padding=1, algorithm={algorithm!r})
    print(growth(lambda: convx.grad.conv2d_input(x.shape, w, x, out=out, **layer)))
    print(growth(lambda: convx.grad.conv2d_weight(x, w.shape, out, out=gw, **layer)))
    """
    )
    assert max(map(int, printed.split())) < 8 * 2**20


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "symmetric"])
def test_no_padding_mode_makes_a_padded_copy(mode):
    printed = run_python(
        METER
        + f"""
    x, w = np.ones((1, 1, 3000, 3000), np.float32), np.ones((1, 1, 3, 3), np.float32)
    out = np.zeros_like(x)
    out += 0
    convx.set_num_threads(2)
    convx.conv2d(x[:, :, :12, :12], w)
    print(growth(lambda: convx.conv2d(x, w, padding=1, padding_mode={mode!r}, out=out)))
    """
    )
    assert int(printed) < 4 * 2**20


def test_the_meter_notices_five_megabytes():
    printed = run_python(METER + "\n    print(growth(lambda: np.ones(5 * 2**20, np.uint8)))")
    assert int(printed) > 4 * 2**20


def test_ten_thousand_calls_of_every_kind_leave_nothing_behind():
    printed = run_python(
        METER
        + """
    x, w = np.ones((2, 4, 9, 9), np.float32), np.ones((4, 4, 3, 3), np.float32)
    strange = np.ones((2, 9, 9, 4), np.float32).transpose(0, 3, 1, 2)[:, :, ::-1]
    b, gy = np.ones(4, np.float32), np.ones((2, 4, 7, 7), np.float32)
    def refused(call, kind):
        try: call()
        except kind: return
        raise AssertionError("not refused")
    def every_kind():
        convx.conv2d(x, w, b, activation="silu")
        convx.conv2d(strange, w, padding=((1, 2), (0, 1)), padding_mode="reflect")
        convx.conv2d(np.moveaxis(x, 1, -1), w, layout="channels_last", algorithm="direct")
        convx.conv_transpose2d(gy, w, stride=2)
        convx.grad.conv2d_input(x.shape, w, gy)
        convx.grad.conv2d_weight(x, w.shape, gy)
        convx.grad.conv_bias(gy)
        convx.plan_conv(x.shape, w, b)(x)
        refused(lambda: convx.conv2d(x, w, algorithm="winograd_7x7"), ValueError)
        refused(lambda: convx.conv2d(x, w.astype(np.float64)), TypeError)
        refused(lambda: convx.plan_conv(x.shape, w, algorithm="gemm", workspace_limit=1), ValueError)
        refused(lambda: convx.conv2d(x, w, out=x[:, :, 1:8, 1:8]), ValueError)
    def shapes(i):  # no cache may grow with the shapes that it has seen
        convx.conv1d(np.ones((1, 1, 5 + i), np.float32), np.ones((1, 1, 3), np.float32), padding=i)
    for i in range(300): every_kind(), shapes(i % 50)
    before = resident()
    for i in range(1000): every_kind(), shapes(i)
    print(resident() - before)
    """
    )
    # 12,000 calls: less than 24 bytes each, the slack of the allocators.
    assert int(printed) < 300_000


def test_memory_that_runs_out_is_a_memory_error_and_the_next_call_works():
    printed = run_python(
        """
    x, w = np.ones((1, 512, 30, 30), np.float32), np.ones((512, 512, 3, 3), np.float32)
    out, good = np.zeros((1, 512, 28, 28), np.float32), np.full((1, 512, 28, 28), 512 * 9, np.float32)
    convx.set_num_threads(1)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    calls = {
        "plan": lambda: convx.plan_conv(x.shape, w, algorithm="gemm"),
        "result": lambda: convx.conv2d(np.broadcast_to(x, (200, 512, 30, 30)), w),
        "workspace": lambda: convx.conv2d(np.moveaxis(x, 1, -1), w, layout="channels_last",
                                          out=np.moveaxis(out, 1, -1), algorithm="gemm"),
    }
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    for name, call in calls.items():
        try:
            call()
        except MemoryError:
            print(name)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    convx.conv2d(x, w, out=out, algorithm="gemm")
    assert np.array_equal(out, good)
    plan = calls["plan"]()
    assert np.array_equal(plan(x), good)
    """
    )
    assert {"plan", "result"} <= set(printed.split())


@pytest.mark.parametrize("algorithm", ["gemm", "direct", "reference", "auto"])
def test_whatever_memory_is_left_a_call_gives_the_right_result_or_a_memory_error(algorithm):
    printed = run_python(
        f"""
    algorithm = {algorithm!r}
    x, w = np.ones((1, 64, 30, 30), np.float32), np.ones((64, 64, 3, 3), np.float32)
    good = np.full((1, 64, 28, 28), 64 * 9, np.float32)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    convx.set_num_threads(4)
    outcomes = []
    for room in (0, 1 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24, 1 << 28):
        child = os.fork()
        if child == 0:
            out = np.zeros_like(good)
            with open("/proc/self/statm") as statm:
                size = int(statm.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + room, hard))
            outcome = 1
            try:
                convx.conv2d(x, w, out=out, algorithm=algorithm)
                # Winograd's tiles, which auto may take, are not exact on integers.
                outcome = 0 if np.abs(out - good).max() < 1 / 32 else 1
            except MemoryError:
                outcome = 2
            os._exit(outcome)
        outcomes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(*outcomes)
    """
    )
    outcomes = list(map(int, printed.split()))
    assert set(outcomes) <= {0, 2}, outcomes
    assert outcomes[-1] == 0
