"""Runs the loading code of a trainer of songs on a bundle, unmodified, in a process of its own.

``python loaders.py TRAINER FOLDER_OF_ITS_SOURCE BUNDLE`` prints one JSON object. The sources are fetched by hand into
``.venv/trainers`` (see ``tests/export/loaders.txt``). Stand-ins: torchaudio (``stand_in``, reads with soundfile),
torchvision, and empty packages in place of the ``__init__`` files that import whole models and of what only those
models, or a web page, use.
"""

import importlib.abc
import importlib.machinery
import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

Report = dict[str, Any]


def package(name: str, folder: Path) -> None:
    """Let a package be imported from without running its ``__init__``."""
    module = types.ModuleType(name)
    module.__path__ = [str(folder)]
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    sys.modules[name] = module


class Anything(types.ModuleType):
    """A module in place of one that only the models use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda *_, **__: None})


class Torchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for torchvision, which SimpleTuner uses for pictures only."""

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Anything(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def acestep(source: Path, bundle: Path) -> Report:
    """Load ``dataset.json``, build the prompts, and load the audio as preprocessing does."""
    package("acestep", source / "acestep")
    package("acestep.training", source / "acestep/training")
    package("acestep.training.dataset_builder_modules", source / "acestep/training/dataset_builder_modules")
    from acestep.constants import VALID_KEYSCALES, VALID_LANGUAGES, VALID_TIME_SIGNATURES
    from acestep.training.dataset_builder_modules.models import DatasetMetadata
    from acestep.training.dataset_builder_modules.preprocess_audio import load_audio_stereo
    from acestep.training.dataset_builder_modules.preprocess_text import build_text_prompt
    from acestep.training.dataset_builder_modules.scan import ScanMixin
    from acestep.training.dataset_builder_modules.serialization import SerializationMixin

    class Builder(ScanMixin, SerializationMixin):
        def __init__(self) -> None:
            self.samples: list[Any] = []
            self.metadata = DatasetMetadata()

    builder = Builder()
    samples, status = builder.load_dataset(str(bundle / "dataset.json"))
    rows = []
    for sample in samples:
        audio, _ = load_audio_stereo(sample.audio_path, 48000, 240.0)
        rows.append(
            sample.to_dict()
            | {
                "prompt": build_text_prompt(sample, builder.metadata.tag_position, False),
                "shape": list(audio.shape),
                "valid": (not sample.keyscale or sample.keyscale in VALID_KEYSCALES)
                and (not sample.timesignature or int(sample.timesignature) in VALID_TIME_SIGNATURES)
                and sample.language in VALID_LANGUAGES,
            }
        )
    scanned, _ = Builder().scan_directory(str(bundle / "train"))
    return {"status": status, "rows": rows, "sung": [row.filename for row in scanned if not row.is_instrumental]}


def sidestep(source: Path, bundle: Path) -> Report:
    """Find the files of ``dataset.json``, load metadata, prompts and audio, and read the sidecars of the folder."""
    package("sidestep_engine", source / "sidestep_engine")
    from sidestep_engine.data.dataset_builder import build_dataset
    from sidestep_engine.data.preprocess_discovery import (
        discover_audio_files,
        load_dataset_metadata,
        load_sample_metadata,
    )
    from sidestep_engine.data.preprocess_prompt import build_simple_prompt
    from sidestep_engine.vendor.preprocess_audio import load_audio_stereo

    dataset = str(bundle / "dataset.json")
    files = discover_audio_files(None, dataset)
    known = load_sample_metadata(dataset, files)
    whole = load_dataset_metadata(dataset)
    rows = []
    for path in files:
        audio, _ = load_audio_stereo(str(path), 48000, 240.0)
        fields = known[str(path)]
        prompt = build_simple_prompt(fields, whole["tag_position"])
        rows.append(fields | {"prompt": prompt, "shape": list(audio.shape)})
    built, _ = build_dataset(str(bundle / "train"), output=str(bundle / "built.json"))
    folder = json.loads(built.read_text())["samples"]
    built.unlink()
    return {"rows": rows, "folder": folder}


def ai_toolkit(source: Path, bundle: Path) -> Report:
    """Parse the texts as the model does; the parser is cut out of the file, whose imports need a GPU's libraries."""
    text = (source / "extensions_built_in/audio_models/ace_step/ace_step_15_model.py").read_text(encoding="utf-8")
    code = text[text.index("def to_number") : text.index("class AceStep15Model")]
    names: dict[str, Any] = {}
    exec(compile(code, "ace_step_15_model.py", "exec"), names)
    mixins = (source / "toolkit/dataloader_mixins.py").read_text(encoding="utf-8")
    exec(
        compile(mixins[mixins.index("def clean_caption") : mixins.index("def waveform_to_stereo")], "m", "exec"), names
    )
    read = set(re.findall(r'json_prompt.get\("(\w+)"', text))
    rows = []
    for path in sorted((bundle / "train").glob("*.txt")):
        rows.append(names["parse_ace_step_caption"](names["clean_caption"](path.read_text(encoding="utf-8"))))
    return {"rows": rows, "lost": sorted(set(rows[0]) - read)}


def musicgen(source: Path, bundle: Path) -> Report:
    """Load the manifest and every item of the data set, and train a tiny language model for two steps."""
    folders = ("audiocraft", *(f"audiocraft.{name}" for name in ("data", "modules", "utils", "quantization", "models")))
    for name in folders:
        package(name, source / name.replace(".", "/"))
    for name in ("flashy", "flashy.distrib", "spacy", "omegaconf", "num2words", "audiocraft.modules.chroma"):
        sys.modules[name] = Anything(name)
    for name in ("xformers", "audiocraft.quantization", "audiocraft.environment"):
        sys.modules[name] = Anything(name)
    sys.modules["xformers"].ops = types.SimpleNamespace()  # type: ignore[attr-defined]
    from audiocraft.data.audio_dataset import load_audio_meta

    class Environment:
        @staticmethod
        def apply_dataset_mappers(path: str) -> str:
            return path

    sys.modules["audiocraft.environment"].AudioCraftEnvironment = Environment  # type: ignore[attr-defined]
    from audiocraft.data.music_dataset import MusicDataset

    meta = load_audio_meta(bundle / "egs/train/data.jsonl.gz")
    whole = MusicDataset(meta, sample_rate=32000, channels=2, segment_duration=None, shuffle=False)
    segments = MusicDataset(
        meta, sample_rate=32000, channels=1, segment_duration=30.0, num_samples=4, merge_text_p=0.5, drop_other_p=0.5
    )
    rows = []
    for at in range(len(whole)):
        audio, info = whole[at]
        attributes = info.to_condition_attributes().text
        rows.append(
            {"shape": list(audio.shape), "path": info.meta.path, "sample_rate": info.sample_rate}
            | {name: attributes[name] for name in ("title", "artist", "key", "bpm", "genre", "description", "name")}
        )
    shapes = [list(segments[at][0].shape) for at in range(4)]
    return {"rows": rows, "segments": shapes, "losses": _train_musicgen(source, segments)}


def _train_musicgen(source: Path, segments: Any) -> list[float]:
    """Train the trainer's language model, much smaller, with its conditioners and its loss.

    A stand-in for EnCodec, whose weights cannot be shipped, makes codes of the level of each 20 ms. Conditions are
    looked up in tables, as audiocraft can do instead of T5.
    """
    import torch
    from audiocraft.models.lm import LMModel
    from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
    from audiocraft.modules.conditioners import ConditionFuser, ConditioningProvider, LUTConditioner
    from audiocraft.modules.transformer import set_efficient_attention_backend

    set_efficient_attention_backend("torch")
    sys.modules["xformers"].ops.unbind = torch.unbind
    torch.manual_seed(0)
    names, width = ("description", "key", "genre"), 32
    tables = {name: LUTConditioner(64, width, width, "noop") for name in names}
    nothing: dict[str, list[str]] = {"sum": [], "input_interpolate": []}
    fuser = ConditionFuser({"prepend": list(names[1:]), "cross": ["description"], **nothing})
    sizes = {"n_q": 4, "card": 32, "dim": width, "num_heads": 2, "num_layers": 1, "norm_first": True}
    more = {"causal": True, "custom": True, "memory_efficient": False, "cross_attention": True}
    model = LMModel(DelayedPatternProvider(4), ConditioningProvider(tables), fuser, cfg_dropout=0.1, **sizes, **more)
    text = (source / "audiocraft/solvers/musicgen.py").read_text(encoding="utf-8")
    code = text[text.index("    def _compute_cross_entropy") :]
    code = code[: code.index("\n    def ", 10)]
    loss_of: dict[str, Any] = {"torch": torch, "tp": __import__("typing"), "F": torch.nn.functional}
    exec(compile("class Solver:\n" + code, "musicgen.py", "exec"), loss_of)
    optimizer, losses = torch.optim.AdamW(model.parameters(), 1e-3), []
    for _ in range(2):
        audio, infos = segments.collater([segments[at] for at in range(2)])
        level = audio[..., : 50 * 640].unfold(-1, 640, 640).abs().mean(-1)
        codes = (level * torch.tensor([31.0, 310.0, 3100.0, 31000.0])[None, :, None]).long() % 32
        output = model.compute_predictions(codes, [info.to_condition_attributes() for info in infos])
        loss, _ = loss_of["Solver"]._compute_cross_entropy(None, output.logits, codes, output.mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def simpletuner(source: Path, bundle: Path) -> Report:
    """Let the metadata backend find the files of the configuration, and read captions, lyrics and lengths."""
    del source  # it is a package
    import transformers.modeling_utils  # noqa: F401

    sys.meta_path.append(Torchvision())
    library = "simpletuner.simpletuner_sdk.server.services.prompt_library_service"  # of its web page
    for name in (library.rpartition(".services")[0], library.rpartition(".")[0], library):
        sys.modules[name] = Anything(name)
    from simpletuner.helpers.data_backend.local import LocalDataBackend
    from simpletuner.helpers.metadata.backends.discovery import DiscoveryMetadataBackend
    from simpletuner.helpers.prompts import PromptHandler
    from simpletuner.helpers.training.state_tracker import StateTracker

    row = json.loads((bundle / "multidatabackend.json").read_text())[0]
    arguments = types.SimpleNamespace(
        model_family="ace_step",
        model_type="lora",
        output_dir=str(bundle / "output"),
        cache_file_suffix=None,
        metadata_update_interval=3600,
        disable_bucket_pruning=True,
        resolution=512,
        resolution_type="area",
        train_batch_size=1,
        gradient_accumulation_steps=1,
        caption_strategy="textfile",
        delete_unwanted_images=False,
        delete_problematic_images=False,
        prepend_instance_prompt=False,
        only_instance_prompt=False,
        instance_prompt=None,
    )
    StateTracker.set_args(arguments)
    config = {name: row[name] for name in ("dataset_type", "caption_strategy", "audio")}
    StateTracker.set_data_backend_config(row["id"], config)
    accelerator = types.SimpleNamespace(
        num_processes=1, process_index=0, is_main_process=True, is_local_main_process=True, device="cpu"
    )
    backend = LocalDataBackend(accelerator=accelerator, id=row["id"])
    StateTracker.register_data_backend({"id": row["id"], "data_backend": backend, "config": config})
    metadata = DiscoveryMetadataBackend(
        id=row["id"],
        instance_data_dir=row["instance_data_dir"],
        cache_file=str(bundle / "output" / "index"),
        metadata_file=str(bundle / "output" / "metadata"),
        data_backend=backend,
        accelerator=accelerator,
        batch_size=1,
        resolution=512,
        resolution_type="area",
        delete_problematic_images=False,
    )
    rows = []
    for path in sorted(metadata._discover_new_files(ignore_existing_cache=True)):
        buckets: dict[str, Any] = {}
        found: dict[str, Any] = {}
        metadata._process_audio_sample(
            image_path_str=path, aspect_ratio_bucket_indices=buckets, metadata_updates=found, statistics={}
        )
        caption = PromptHandler.magic_prompt(
            sampler_backend_id=row["id"],
            data_backend=backend,
            image_path=path,
            caption_strategy="textfile",
            use_captions=True,
            prepend_instance_prompt=False,
        )
        entry = found[path]
        rows.append(
            {
                "path": path,
                "caption": caption,
                "lyrics": entry.get("lyrics"),
                "original": entry["original_duration_seconds"],
                "used": entry["duration_seconds"],
                "buckets": buckets,
            }
        )
    return {"rows": rows}


def stable_audio_3(source: Path, bundle: Path) -> Report:
    """Load every file as ``scripts/train_lora.py`` does, and train a LoRA of a tiny model for two steps.

    The diffusion transformer, the patches in place of an autoencoder, the LoRA, the loss and the optimizer are the
    trainer's; a stand-in for T5Gemma, whose weights cannot be shipped, looks each prompt up in a table.
    """
    sys.path.append(str(source / "scripts"))
    for name in ("wandb", "comet_ml"):
        sys.modules.setdefault(name, Anything(name))
    import pytorch_lightning as lightning
    import torch
    from stable_audio_3.data.dataset import LocalDatasetConfig, SampleDataset, collation_fn
    from stable_audio_3.models.conditioners import MultiConditioner, NumberConditioner
    from stable_audio_3.models.diffusion import ConditionedDiffusionModelWrapper, DiTWrapper
    from stable_audio_3.models.pretransforms import PatchedPretransform
    from stable_audio_3.training.diffusion import DiffusionCondTrainingWrapper
    from train_lora import caption_metadata_fn

    lightning.seed_everything(0)
    folder, patch, width = str(bundle / "train"), 512, 64
    sizes = {"sample_size": 128 * patch, "sample_rate": 44100, "force_channels": "stereo"}
    files = SampleDataset(
        [LocalDatasetConfig(id="train", path=folder, custom_metadata_fn=caption_metadata_fn)],
        random_crop=False,
        **sizes,
    )
    rows = []
    for at, name in enumerate(files.filenames):
        audio, info = files[at]
        row = {"path": info["path"], "shape": list(audio.shape), "prompt": info["prompt"]}
        rows.append(row | {"seconds": float(info["seconds_total"]), "own": info["path"] == name})

    class Table(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding(1000, width)

        def forward(self, prompts: list[str], _device: Any) -> Any:
            found = torch.tensor([[sum(prompt.encode()) % 1000] for prompt in prompts])
            return self.words(found), torch.ones(len(prompts), 1, dtype=torch.bool)

    sizes_of_net = {"io_channels": 2 * patch, "embed_dim": width, "depth": 1, "num_heads": 2, "cond_token_dim": width}
    model = ConditionedDiffusionModelWrapper(
        DiTWrapper("rectified_flow", local_add_cond_dim=2 * patch + 1, **sizes_of_net),
        MultiConditioner({"prompt": Table(), "seconds_total": NumberConditioner(width, 0, 384)}),
        io_channels=2 * patch,
        sample_rate=44100,
        min_input_length=patch,
        diffusion_objective="rectified_flow",
        pretransform=PatchedPretransform(2, patch),
        cross_attn_cond_ids=["prompt", "seconds_total"],
        local_add_cond_ids=["inpaint_mask", "inpaint_masked_input"],
    )
    wrapper = DiffusionCondTrainingWrapper(
        model,
        lr=None,
        mask_loss_weight=1.0,
        use_ema=False,
        optimizer_configs={"diffusion": {"optimizer": {"type": "AdamW", "config": {"lr": 1e-4}}}},
        timestep_sampler="trunc_logit_normal",
        inpainting_config={"mask_kwargs": {"mask_type_probabilities": [0.1, 0.8, 0.1]}},
        lora_config={"rank": 4, "alpha": 4},
    )
    losses: list[float] = []

    class Losses(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, _trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
            losses.append(float(outputs["loss"] if isinstance(outputs, dict) else outputs))

    trainer = lightning.Trainer(
        max_steps=2, max_epochs=2, accelerator="cpu", logger=False, callbacks=[Losses()], enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(files, batch_size=2, shuffle=True, drop_last=True, collate_fn=collation_fn)
    trainer.fit(wrapper, loader)
    return {"rows": rows, "losses": losses}


def hugging_face(source: Path, bundle: Path) -> Report:
    """Load the folder as its card says; the audio stays encoded, and a stand-in for torchcodec has no code."""
    del source  # it is a package
    for name in ("torchcodec", "torchcodec.encoders", "torchcodec.decoders"):
        sys.modules[name] = Anything(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    import datasets

    datasets.disable_progress_bars()
    found = datasets.load_dataset(str(bundle), cache_dir=str(bundle.parent / "cache"))
    report: Report = {"version": datasets.__version__, "splits": {name: len(rows) for name, rows in found.items()}}
    rows = found["train"].cast_column("audio", datasets.Audio(decode=False))
    report["features"] = {name: str(kind) for name, kind in rows.features.items()}
    keep = [name for name in rows.column_names if name != "audio"]
    report["rows"] = [{"path": row["audio"]["path"], **{name: row[name] for name in keep}} for row in rows]
    return report


def web_dataset(source: Path, bundle: Path) -> Report:
    """Read the tar files with the library's pipeline and decode them."""
    del source  # it is a package
    import io

    import soundfile
    import webdataset

    rows = []
    for split in ("train", "val"):
        urls = [str(path) for path in sorted((bundle / split).glob("*.tar"))]
        for sample in webdataset.WebDataset(urls, shardshuffle=False) if urls else ():
            audio, rate = soundfile.read(io.BytesIO(sample["flac"]))
            known = json.loads(sample["json"])
            text = sample["txt"].decode()
            rows.append({"key": sample["__key__"], "split": split, "shape": list(audio.shape), "rate": rate})
            rows[-1] |= {"text": text, "known": known}
    return {"version": webdataset.__version__, "rows": rows}


LOADERS: dict[str, Callable[[Path, Path], Report]] = {
    "acestep": acestep,
    "side-step": sidestep,
    "ai-toolkit": ai_toolkit,
    "audiocraft": musicgen,
    "simpletuner": simpletuner,
    "sa3": stable_audio_3,
    "hf": hugging_face,
    "webdataset": web_dataset,
}

if __name__ == "__main__":
    report = LOADERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.write("\n" + json.dumps(report) + "\n")
