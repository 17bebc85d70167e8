"""Memory and threads of this machine that workers may use."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

#: Share of the machine's memory that workers get by default.
_SHARE = 0.9
#: Libraries with threads of their own read these variables when they are loaded.
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
)
#: Environment variable with the number of a worker, from 0.
WORKER = "MIRKIT_WORKER"
_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/proc/cpuinfo")


def cores() -> int:
    """Return the number of processor cores that this process, or its container, may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or "max 100000"
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count


@cache
def cpu_name() -> str:
    """Return the name of the processor, or its architecture where the system does not name it."""
    with suppress(OSError):
        if sys.platform == "darwin":
            name, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
            ctypes.CDLL(None).sysctlbyname(b"machdep.cpu.brand_string", name, ctypes.byref(size), None, 0)
            return name.value.decode("utf-8", "replace") or platform.machine()
        for line in _CPUS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def default_memory() -> int:
    """Return the bytes that all workers together get by default: 90 % of this machine's or container's memory."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int((_CGROUP / name).read_text()))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return int(_SHARE * total)


def resident(pid: int | None) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0


def threads_each(jobs: int) -> dict[str, str]:
    """Return the environment of one of ``jobs`` workers: one thread, or its share of those that the shell allows."""
    return {name: str(max(1, (_threads_in(name) or _threads_in("OMP_NUM_THREADS")) // jobs)) for name in _THREADS}


def worker_number() -> int | None:
    """Return the number of this worker, from 0 on each machine, or None in a process that is no worker."""
    number = os.environ.get(WORKER, "")
    return int(number) if number.isdecimal() else None


def _threads_in(name: str) -> int:
    text = os.environ.get(name, "").partition(",")[0]  # OpenMP takes a number for each level of nesting
    return int(text) if text.isdecimal() else 0
