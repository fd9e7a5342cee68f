from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

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
