"""Loads a bundle with stable-audio-tools' own code and trains a tiny model on it for two steps.

``mirkit.models.stable_audio`` runs this file in the interpreter where the trainer is installed, which may be an older
Python without mirkit: nothing but the trainer's own dependencies is imported here. A request comes as JSON on standard
input, and the answer leaves as one line of JSON on standard output.

The trainer hides many errors: if a file or the metadata module fails, it loads another random sample. Therefore every
file is first loaded separately, and the sample must be the requested one.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import pickle
import platform
import random
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: Largest number of files that are loaded one by one; they are chosen by the seed.
MOST_FILES = 256
#: Width and largest length of the trained model, so small that a step takes seconds on any machine.
_WIDTH, _STEPS = 64, 2048
#: Exceptions that the trainer's loader, conditioners and training step raise if data and model do not fit.
_RAISED = (
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.PicklingError,
)


@dataclass
class Answer:
    """Result of running the trainer's own code on a bundle.

    Attributes
    ----------
    trainer : str
        Versions of the trainer, of torch and of Python.
    error : str
        Why the trainer, or a package that it needs, could not be imported; "" if it could.
    files : int
        Samples that the trainer's loader found.
    loaded : int
        Number of requested samples that were loaded correctly, with a prompt and the key of every conditioner.
    losses : list of float
        Loss of each training step.
    faults : list of str
        One line for each fault.
    """

    trainer: str = ""
    error: str = ""
    files: int = 0
    loaded: int = 0
    losses: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Answer one request."""
    # Only the answer is written to standard output, not what the trainer, its libraries and its workers print.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    answer = ask(request["dataset"], request["config"], sample_size=request["sample_size"])
    answers.write(json.dumps(asdict(answer)) + "\n")
    answers.close()


def ask(
    dataset: Mapping[str, Any], config: Mapping[str, Any], *, sample_size: int, steps: int = 2, seed: int = 0
) -> Answer:
    """Load a bundle with the trainer's own code and train a tiny model with the bundle's conditioners on it.

    Parameters
    ----------
    dataset : mapping
        Content of ``dataset.json``.
    config : mapping
        The model's config, or the patch for one: its number conditioners and its demo are used. Prompts go through a
        conditioner without weights.
    sample_size : int
        Number of samples in a training example; latents have their own length.
    steps : int
        Training steps.
    seed : int
    """
    found = Answer()
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed), silent("pytorch_lightning"):
        warnings.simplefilter("ignore")
        try:
            _use(found, dataset, config, sample_size, steps, seed)
        except ImportError as error:
            found.error = f"{type(error).__name__}: {_line(error)}"
            return found
        except _RAISED as error:
            found.faults.append(f"training stops: {type(error).__name__}: {_line(error)}")
    if any(not math.isfinite(loss) for loss in found.losses):
        found.faults.append(f"the loss is {found.losses}")
    elif len(found.losses) < steps and not found.faults:
        found.faults.append(f"the loader gave {len(found.losses)} of {steps} batches")
    lines = dict.fromkeys(printed.getvalue().splitlines())
    found.faults += [line for line in lines if line.startswith("Couldn't load")]
    return found


def _use(
    found: Answer, dataset: Mapping[str, Any], config: Mapping[str, Any], sample_size: int, steps: int, seed: int
) -> None:
    """Load samples, train, and record the result."""
    import pytorch_lightning as lightning
    from stable_audio_tools.data.dataset import create_dataloader_from_config
    from stable_audio_tools.training import create_training_wrapper_from_config  # noqa: F401

    def loader(batch: int, **changes: Any) -> Any:
        sizes = {"sample_size": sample_size, "sample_rate": 44100, "audio_channels": 2}
        return create_dataloader_from_config({**dataset, **changes}, batch_size=batch, num_workers=1, **sizes)

    found.trainer = _releases()
    lightning.seed_everything(seed, verbose=False)
    conditioners = [c for c in config["model"]["conditioning"]["configs"] if c["type"] in ("number", "int", "list")]
    infos = load_all(loader, found, dataset["dataset_type"], ["prompt", *(c["id"] for c in conditioners)], seed)
    if not found.faults:
        model = tiny_model(conditioners, infos, sample_size)
        demo(model, config.get("training", {}).get("demo", {}), found)
        found.losses = train(model, loader(min(2, found.files)), steps)


def _releases() -> str:
    """Return the versions of the trainer, of torch and of Python."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    try:
        release = " " + version("stable-audio-tools")
    except PackageNotFoundError:  # the trainer is a checkout of its repository
        release = ""
    return f"stable-audio-tools{release} (torch {torch.__version__}, Python {platform.python_version()})"


def load_all(loader: Any, found: Answer, kind: str, wanted: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Load samples one by one, and check that each is the requested one and has all keys."""
    samples = _in_shards(loader(1, resampled_shards=False)) if kind == "wds" else _by_name(loader(1), found, seed)
    infos = []
    for name, info in samples:
        found.files += kind == "wds"
        lacking = [key for key in wanted if key not in info]
        if lacking:
            found.faults.append(f"{name}: the trainer is not given {lacking[0]}")
        elif not isinstance(info["prompt"], str):
            found.faults.append(f"{name}: the prompt is {type(info['prompt']).__name__}")
        else:
            found.loaded += 1
            infos.append(info)
    if not found.files:
        found.faults.append("the trainer finds nothing")
    return infos


def _by_name(loader: Any, found: Answer, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    data = loader.dataset
    found.files = len(data.filenames)
    picked = sorted(random.Random(seed).sample(range(found.files), min(MOST_FILES, found.files)))
    for at in picked:
        name = data.filenames[at]
        name = name if isinstance(name, str) else name[0]  # 0.0.20 lists a latent with its json
        sound, info = data[at]
        if info.get("path", info.get("latent_filename")) != name:
            found.faults.append(f"{name}: the trainer takes another one in its place")
        elif not bool(sound.isfinite().all()):
            found.faults.append(f"{name}: not a number in it")
        else:
            yield name, {**info, "shape": tuple(sound.shape)}


def _in_shards(loader: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for at, (sound, infos) in enumerate(loader):
        info = {key: value[0] if isinstance(value, list) else value for key, value in infos[0].items()}
        yield f"sample {at + 1}", {**info, "shape": tuple(sound.shape[-2:])}


def tiny_model(conditioners: Sequence[Mapping[str, Any]], infos: Sequence[Mapping[str, Any]], sample_size: int) -> Any:
    """Return a conditioned diffusion model of the trainer that differs from a real one only in its size."""
    from stable_audio_tools.models import create_model_from_config
    from stable_audio_tools.training import create_training_wrapper_from_config

    prompts = sorted({info["prompt"] for info in infos})
    ids = ["prompt", *(c["id"] for c in conditioners)]
    configs = [{"id": "prompt", "type": "list", "config": {"options": prompts}}, *map(dict, conditioners)]
    latents = "latent_filename" in infos[0]
    patch = max(64, -(-sample_size // _STEPS))
    channels = infos[0]["shape"][0] if latents else 2 * patch
    config: dict[str, Any] = {
        "model_type": "diffusion_cond",
        "sample_rate": 44100,
        "sample_size": sample_size,
        "audio_channels": 2,
        "model": {
            "io_channels": channels,
            "conditioning": {"cond_dim": _WIDTH, "configs": configs},
            "diffusion": {
                "type": "dit",
                "cross_attention_cond_ids": ids,
                "config": {
                    "io_channels": channels,
                    "embed_dim": _WIDTH,
                    "depth": 1,
                    "num_heads": 2,
                    "cond_token_dim": _WIDTH,
                },
            },
        },
        "training": {"learning_rate": 1e-4, "use_ema": False, "mask_padding": True, "pre_encoded": latents},
    }
    if not latents:
        patched = {"type": "patched", "config": {"channels": 2, "patch_size": patch}}
        config["model"]["pretransform"] = patched
    return create_training_wrapper_from_config(config, create_model_from_config(config))


def demo(model: Any, demo: Mapping[str, Any], found: Answer) -> None:
    """Pass the conditions of the demos through the conditioners, as the first training step does."""
    conditions = demo.get("demo_cond", [])
    if len(conditions) != demo.get("num_demos", len(conditions)):
        found.faults.append(f"demo: {demo['num_demos']} demos and conditions for {len(conditions)}")
    if conditions:
        model.diffusion.conditioner(conditions, "cpu")


def train(model: Any, loader: Any, steps: int) -> list[float]:
    """Train for some steps with the trainer's own wrapper; return the losses, NaN where a weight has become NaN."""
    import pytorch_lightning as lightning

    losses: list[float] = []

    class Losses(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            losses.append(float(outputs["loss"]))
            if any(not bool(weight.isfinite().all()) for weight in module.parameters()):
                losses[-1] = math.nan

    trainer = lightning.Trainer(
        max_steps=steps,
        max_epochs=steps,
        accelerator="cpu",
        logger=False,
        callbacks=[Losses()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader)
    return losses


@contextlib.contextmanager
def silent(name: str) -> Iterator[None]:
    """Limit a library's log to errors."""
    log = logging.getLogger(name)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


if __name__ == "__main__":
    main()
