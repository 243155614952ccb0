"""Numpy's BLAS leaves half of the processors to others, however it is asked, in whatever thread comes first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SEARCH = """
import json, os, sys, threading
os.cpu_count = lambda: 6
import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from explorer.runs.duplicates import execute_duplicates

def threads():
    pools = ThreadpoolController().select(internal_api="openblas").info()
    return [pool["num_threads"] for pool in pools if pool["threading_layer"] != "openmp" and "torch" not in pool["filepath"]]

def in_a_thread(work):  # one that has ended holds nothing back: only one thread at a time may set the number
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

in_a_thread(lambda: ThreadpoolController().select(internal_api="openblas").limit(limits=6))
before, trained_with = threads(), torch.get_num_threads()
images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
in_a_thread(lambda: list(execute_duplicates(sys.argv[1], images)))
print(json.dumps([before, threads(), trained_with == torch.get_num_threads()]))
"""


@pytest.mark.slow  # a process of its own, with torch in it
def test_a_search_takes_half_of_them_and_leaves_torch_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEARCH, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    before, after, torch_kept = json.loads(done.stdout)
    if not before:
        pytest.skip("numpy comes with another BLAS than OpenBLAS here")
    assert set(before) == {6} and max(after) == 3 and torch_kept
