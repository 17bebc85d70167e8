"""Work for engines: what well-behaved and ill-behaved functions do in a worker process."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def double(x: int) -> int:
    return 2 * x


def refuse_three(x: int) -> int:
    if x == 3:
        raise ValueError("three is refused")
    return x


def double_all(items: Sequence[int]) -> list[int]:
    return [2 * x for x in items]


def refuse_three_of(items: Sequence[int]) -> list[int]:
    return [refuse_three(x) for x in items]


def die_of_three(items: Sequence[int]) -> list[int]:
    return [die_on_three(x) for x in items]


def unpicklable(x: int) -> object:
    return (lambda: x) if x == 1 else x


def die_on_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def crash(x: int) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return x


def leave(x: int) -> int:
    os._exit(7)
    return x


def die_once(marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def hang_on_three(x: int) -> int:
    if x == 3:
        time.sleep(60)
    return x


def process_number(x: int) -> int:
    return os.getpid()


def threads(x: int) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}


def where(x: int) -> dict[str, object]:
    """Tell on which node of a Ray cluster this is, and take long enough that every worker gets an item."""
    import ray

    time.sleep(0.5)
    node = ray.get_runtime_context().get_node_id()
    return {"node": node, "pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}


def linger(x: int) -> int:
    time.sleep(1)
    return x


def hold(megabytes: int) -> int:
    block = bytearray(os.urandom(1 << 20) * megabytes)
    time.sleep(2 if megabytes > 100 else 0)
    return len(block) >> 20


class Unloadable:
    """A function that arrives in a worker broken, as when a library is missing there."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("no number",)

    def __call__(self, x: int) -> int:
        return x


def run_beside(folder: str) -> int:
    """Die at the first call; at the second, count the others at work."""
    others = Path(folder)
    mine = others / f"{os.getpid()}.running"
    if not (others / "died").exists():
        (others / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    mine.touch()
    count, deadline = 1, time.monotonic() + 3  # a busy machine starts the other worker late
    while count < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        count = len(list(others.glob("*.running")))
    time.sleep(0.3)  # long enough for the other one to see this one
    mine.unlink()
    return count


def slow_write(path: str) -> str:
    """Begin a file, tell so, and take long to finish it; take it back when broken off."""
    temp = Path(path + ".part")
    try:
        temp.write_text(str(os.getpid()))
        time.sleep(60)
        temp.rename(path)
    finally:
        temp.unlink(missing_ok=True)
    return path


if __name__ == "__main__":  # a run of its own, to be interrupted: chores.py FOLDER
    import chores

    from mirkit import engines

    folder = Path(sys.argv[1])
    list(engines.run(chores.slow_write, [str(folder / name) for name in "abcd"], jobs=2))
