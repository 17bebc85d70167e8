"""The decorators of kernels: loops that numba compiles at their first call.

All kernels use these decorators, so that ``mirkit.store.compiled`` can store their machine code. Without it, nothing is
written, and each process compiles the kernels that it calls. Compiling them all is most of the time of a first run, so
a kernel is written to be compiled quickly, and for one combination of types: loops instead of expressions of whole
arrays, arrays that the caller makes, and no assignment of an array to a slice.
"""

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any


class Kernels:
    """The kernels that this process has imported.

    Attributes
    ----------
    all : list
        Dispatchers of numba, in the order of their imports.
    added : callable or None
        Called with each kernel that is imported from now on.
    first_call : callable
        Called with a kernel before its first call, which is then made within the context that it returns.
    """

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.added: Callable[[Any], None] | None = None
        self.first_call: Callable[[Any], AbstractContextManager[None]] = lambda kernel: nullcontext()

    @property
    def compiled(self) -> int:
        """Number of compiled signatures; it only grows."""
        return sum(len(kernel.signatures) for kernel in self.all)


KERNELS = Kernels()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Stop Python's garbage collector: the compiler makes so many objects that it takes 14 % of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a kernel.

    Parameters
    ----------
    **options : Any
        Passed to ``numba.njit``.

    Returns
    -------
    callable
        Decorator of the function that is compiled. The result is called from Python; its attribute ``part`` is what
        other kernels may call.
    """
    import numba

    def declare(function: Callable[..., Any]) -> Any:
        part: Any = numba.njit(**_OPTIONS, **options)(function)
        called = False

        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            nonlocal called
            if called:
                return part(*arguments)
            with KERNELS.first_call(part), _without_collector():
                result = part(*arguments)
            called = True
            return result

        call.part = part  # type: ignore[attr-defined]
        if part is not function:  # as with NUMBA_DISABLE_JIT
            KERNELS.all.append(part)
            if KERNELS.added is not None:
                KERNELS.added(part)
        return call

    return declare


def kernel_part(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Declare a function that only kernels call; its machine code is stored with theirs.

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

    unused = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    decorator: Any = numba.njit
    return lambda function: decorator(**_OPTIONS, **unused, **options)(function)


#: Divisions by zero as in NumPy: without checks for an exception, there is less to compile.
_OPTIONS: dict[str, Any] = {"error_model": "numpy"}
