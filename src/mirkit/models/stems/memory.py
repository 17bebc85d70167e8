"""What happens when a device has no memory left: fewer segments at once, then shorter ones, then an error."""

#: Shortest segment (s) worth trying.
SHORTEST = 1.5


class OutOfMemory(Exception):  # noqa: N818 (a signal between two functions)
    """Not even one segment fits."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch says that memory is short: on a card, on Apple's, or on the CPU."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    told = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in told or "allocate memory" in told)


def give_back(device: str) -> None:
    """Hand cached memory of a card back to its driver."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
