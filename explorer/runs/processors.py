"""How many processors numpy may take, while runs train and pages are drawn beside it."""

from __future__ import annotations

import functools
import os


@functools.cache
def spare_processors() -> None:
    """Let numpy's BLAS use half of the processors, from now on, in all of this process.

    Its threads wait for each other, on a busy machine for several times as long as one of them would take alone. For good, and not
    only during a search: it is one number for all threads, and those that take turns at setting it undo each other's. Torch, which
    numbers its results' threads, is left as it is.
    """
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    few = max(1, (os.cpu_count() or 2) // 2)
    for library in ThreadpoolController().select(internal_api="openblas").lib_controllers:
        if library.threading_layer != "openmp" and "torch" not in library.filepath and library.num_threads > few:
            library.set_num_threads(few)
