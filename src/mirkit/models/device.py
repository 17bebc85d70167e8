"""The device on which a model computes."""

import importlib.metadata
import os
from pathlib import Path

from mirkit.errors import MissingExtra, counted

#: Environment variables that make PyTorch fast on AMD GPUs; it reads them when it is imported.
_ROCM_ENVIRONMENT = {
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
    "FLASH_ATTENTION_TRITON_AMD_ENABLE": "TRUE",
    "PYTORCH_TUNABLEOP_ENABLED": "1",
    "PYTORCH_TUNABLEOP_TUNING": "0",
}
#: Exists if the driver of AMD GPUs is loaded.
_ROCM_DRIVER = Path("/dev/kfd")


def pick(device: str, library: str = "torch") -> str:
    """Return PyTorch's name of the device in the settings; ``auto`` is the first CUDA or ROCm GPU, else the CPU.

    For a model in ONNX Runtime, the CPU replaces a GPU that cannot be used, because most packages of ONNX Runtime have
    no GPU support and the models are small.

    Raises
    ------
    MissingExtra
        The requested device does not exist.
    """
    if library == "onnxruntime":
        import onnxruntime

        wanted = "cuda" if device == "auto" else device
        has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        return wanted if wanted.startswith("cuda") and has_cuda else "cpu"
    _set_environment()
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind == "cuda" and not (torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count()):
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        what = counted(gpus, "CUDA or ROCm GPU") if gpus else "no CUDA or ROCm GPU"
        raise MissingExtra(f"--device {device}: this PyTorch ({torch.__version__}) sees {what}; use --device cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise MissingExtra(f"--device mps: this PyTorch ({torch.__version__}) cannot use it here; use --device cpu")
    return device


def _set_environment() -> None:
    """Set the variables for AMD GPUs, unless the shell has set them, if PyTorch is built for AMD."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    if "rocm" in version or _ROCM_DRIVER.exists():
        for name, value in _ROCM_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
