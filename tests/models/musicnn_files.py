"""Checkpoints in TensorFlow's format, written by hand, with random weights of the shapes of musicnn."""

from pathlib import Path

import numpy as np

SHAPES: dict[str, tuple[int, ...]] = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
    "dense_1": (200, 50),
}
NORMS = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)


def variables(seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights that keep numbers of ordinary size, some factors of normalizations negative."""
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for name, shape in SHAPES.items():
        found[f"{name}/kernel"] = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        found[f"{name}/bias"] = 0.1 * rng.standard_normal(shape[-1])
    for i, count in enumerate(NORMS):
        name = f"batch_normalization_{i}" if i else "batch_normalization"
        found[f"{name}/gamma"] = rng.uniform(0.5, 1.5, count) * rng.choice([1, 1, 1, -1], count)
        found[f"{name}/beta"] = 0.1 * rng.standard_normal(count)
        found[f"{name}/moving_mean"] = 0.1 * rng.standard_normal(count)
        found[f"{name}/moving_variance"] = rng.uniform(0.5, 1.5, count)
    return {name: array.astype(np.float32) for name, array in found.items()}


def write_checkpoint(index: Path, data: Path, arrays: dict[str, np.ndarray], *, block: int = 20) -> None:
    """Write a checkpoint as TensorFlow does: a LevelDB table of entries, and the numbers one after the other."""
    index.parent.mkdir(parents=True, exist_ok=True)
    numbers, rows = b"", [(b"", b"\x08\x01")]  # the header of the bundle: one file
    for name in sorted(arrays):
        raw = np.ascontiguousarray(arrays[name]).astype(arrays[name].dtype.newbyteorder("<")).tobytes()
        kind = {"float32": 1, "int64": 9}[arrays[name].dtype.name]
        dims = b"".join(_message(2, _field(1, size)) for size in arrays[name].shape)
        entry = _field(1, kind) + _message(2, dims) + _field(4, len(numbers)) + _field(5, len(raw)) + b"\x35abcd"
        rows.append((name.encode(), entry))
        numbers += raw
    table, handles = b"", []
    for first in range(0, len(rows), block):
        part = rows[first : first + block]
        handles.append((part[-1][0], _varint(len(table)) + _varint(len(_block(part)))))
        table += _block(part) + b"\0cccc"
    meta = _varint(len(table)) + _varint(len(_block([])))
    table += _block([]) + b"\0cccc"
    footer = meta + _varint(len(table)) + _varint(len(_block(handles)))
    table += _block(handles) + b"\0cccc"
    index.write_bytes(table + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little"))
    data.write_bytes(numbers)


def write_package(site: Path, seed: int = 0) -> Path:
    """Write the weights of a package musicnn into a folder of installed packages; return the package."""
    for i, name in enumerate(("MTT_musicnn", "MSD_musicnn")):
        folder = site / "musicnn" / name
        write_checkpoint(folder / ".index", folder / ".data-00000-of-00001", variables(seed + i))
    return site / "musicnn"


def _block(rows: list[tuple[bytes, bytes]]) -> bytes:
    out, before, restarts = b"", b"", []
    for i, (key, value) in enumerate(rows):
        shared = 0
        if i % 16 == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += _varint(shared) + _varint(len(key) - shared) + _varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return out + b"".join(r.to_bytes(4, "little") for r in restarts) + len(restarts).to_bytes(4, "little")


def _field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
