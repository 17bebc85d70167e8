"""The ``kernel`` decorator: loops that numba compiles at their first call.

All kernels use this decorator, so that ``mirkit.store.compiled`` can store their machine code. Without it, nothing is
written, and each process compiles the kernels that it calls.
"""

from collections.abc import Callable
from typing import Any


class Kernels:
    """The kernels that this process has imported.

    Attributes
    ----------
    all : list
        Dispatchers of numba, in the order of their imports.
    added : callable or None
        Called with each kernel that is imported from now on.
    """

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.added: Callable[[Any], None] | None = None

    @property
    def compiled(self) -> int:
        """Number of compiled signatures; it only grows."""
        return sum(len(kernel.signatures) for kernel in self.all)


KERNELS = Kernels()


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a kernel.

    Parameters
    ----------
    **options : Any
        Passed to ``numba.njit``.

    Returns
    -------
    callable
        Decorator of the function that is compiled.
    """
    import numba

    def declare(function: Callable[..., Any]) -> Any:
        compiled: Any = numba.njit(**options)(function)
        if compiled is not function:  # as with NUMBA_DISABLE_JIT
            KERNELS.all.append(compiled)
            if KERNELS.added is not None:
                KERNELS.added(compiled)
        return compiled

    return declare
