"""How much of this machine the workers may take: memory and threads."""

import os
from contextlib import suppress
from pathlib import Path

#: Share of the machine's memory that workers get when nobody says otherwise.
_SHARE = 0.9
#: Libraries that compute with threads of their own read these when they are loaded.
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
)
#: Tells a worker which of them it is, from 0.
WORKER = "MIRKIT_WORKER"
_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processor cores that this process, or this container, may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or "max 100000"
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count


def default_memory() -> int:
    """Bytes that all workers get together when nobody says otherwise: most of this machine, or of this container."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((_CGROUP / name).read_text()))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return int(_SHARE * total)


def resident(pid: int | None) -> int:
    """Bytes of memory that a process holds; 0 when it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0


def threads_each(jobs: int) -> dict[str, str]:
    """Environment of one of ``jobs`` workers: one thread, or its share of what the shell allows to all together."""
    return {name: str(max(1, (_asked(name) or _asked("OMP_NUM_THREADS")) // jobs)) for name in _THREADS}


def worker_number() -> int | None:
    """Which of the workers of an engine this process is, from 0 on this machine; None: it is no worker."""
    told = os.environ.get(WORKER, "")
    return int(told) if told.isdecimal() else None


def _asked(name: str) -> int:
    text = os.environ.get(name, "").partition(",")[0]  # OpenMP takes a number for each level of nesting
    return int(text) if text.isdecimal() else 0
