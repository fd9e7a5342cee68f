from __future__ import annotations

import gc
import subprocess
import sys
import textwrap

import pytest

from service.freed_memory import made_to_stay

AFTER_A_LARGE_BLOCK = textwrap.dedent("""
    import numpy as np
    from pathlib import Path
    from service.freed_memory import give_back_freed_memory

    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1_000_000

    give_back_freed_memory()
    np.ones(20_000_000, np.uint8)  # freed at once
    before = resident_mb()
    blocks = [np.ones(1_000_000, np.uint8) for _ in range(30)]
    held = resident_mb() - before
    blocks.clear()
    print(held, resident_mb() - before)
""")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_goes_back_to_the_system_though_a_large_block_was_freed_before():
    output = subprocess.run([sys.executable, "-c", AFTER_A_LARGE_BLOCK], capture_output=True, text=True, check=True).stdout

    held, left = map(int, output.split())
    assert held >= 29
    assert left <= 3


AFTER_A_START = textwrap.dedent("""
    import numpy as np
    import onnxruntime
    from pathlib import Path
    from service.freed_memory import give_back_code

    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1_000_000

    before = resident_mb()
    give_back_code()
    print(before - resident_mb(), int(np.arange(10).sum()), len(onnxruntime.get_available_providers()) > 0)
""")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_code_that_has_run_goes_out_of_memory_and_runs_again():
    output = subprocess.run([sys.executable, "-c", AFTER_A_START], capture_output=True, text=True, check=True).stdout

    freed, total, available = output.split()
    assert int(freed) >= 5
    assert (total, available) == ("45", "True")


def test_what_is_made_to_stay_is_never_looked_through():
    with made_to_stay():
        assert not gc.isenabled()
        kept = [[number] for number in range(100)]
    try:
        assert gc.isenabled()
        assert not any(one is kept for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_the_collector_goes_on_where_a_start_has_failed():
    with pytest.raises(OSError, match="no such port"), made_to_stay():
        raise OSError("no such port")

    assert gc.isenabled()
    gc.unfreeze()
