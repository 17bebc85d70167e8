"""Demucs and DrumSep: separation by networks of the package ``demucs``, from their published checkpoints."""

from mirkit.catalog import STEMS
from mirkit.models.backend import Backend, File, Model

_HUB = "https://huggingface.co"
_HTDEMUCS = f"{_HUB}/adefossez/HTDemucs/resolve/cbc8a9b1a87023b7fd74e7b3412e6321c0eab003"
_HTDEMUCS_FT = f"{_HUB}/adefossez/HTDemucs-ft/resolve/d74ac89c3a1e874fc78f152555cf4d8533f06cd4"
_HTDEMUCS_6S = f"{_HUB}/adefossez/HTDemucs-6s/resolve/3c5ee475be622df764938de97e4281a7b07ffa58"
_DEMUCS_OLD = "https://dl.fbaipublicfiles.com/demucs"

# No license is stated for any weights of Demucs. The revisions of htdemucs (2026-08-31) and htdemucs_ft that are pinned
# above are the ones that removed "license: mit" from their Hugging Face pages. The maintainer in 2022: "not covered by
# the MIT license, and are provided only for scientific purposes" (facebookresearch/demucs#327); in 2023, asked about
# htdemucs: "provided for research purpose" (#508).
_SCIENTIFIC = "the maintainer in 2022: only for scientific purposes"
_DEMUCS_LICENSE = f"none stated (the page said MIT until 2026-08-31; {_SCIENTIFIC})"
_DEMUCS_FT_LICENSE = f"none stated (the page said MIT until 2026; {_SCIENTIFIC})"
_DEMUCS_6S_LICENSE = "none stated (the maintainer of htdemucs in 2023: for research)"
_DEMUCS_OLD_LICENSE = f"none stated ({_SCIENTIFIC})"


def _checkpoint(folder: str, signature: str, size: int, sha256: str) -> File:
    """Return the row of a ``.th`` file; its name has the first digits of its checksum."""
    # The checksums of the folder hybrid_transformer are those of openmirlab/demucs-infer (config/checkpoints.toml) and,
    # in their first eight digits, of facebookresearch/demucs (remote/files.txt).
    name = f"{signature}-{sha256[:8]}.th"
    return File(name, f"{_DEMUCS_OLD}/{folder}/{name}", size, sha256, name)


# Where the checksums were found. The first eight digits of those of ``.th`` files are part of their official names.
_DEMUCS_INFER = "package demucs-infer 4.4.0: config/checkpoints.toml"
_DEMUCS_FILES = "package demucs 4.1.0: remote/files.txt, the first eight digits"
_DRUMSCRIBE = "prakhar267/drumscribe: docs/legal/COMMERCIAL_MODEL_RIGHTS_APPROVAL.md"
_EDITOR = "ArPaN-DS/AI_audio_video_image_editor: download_models.py"


def _demucs(
    name: str, root: str, license: str, size: int, sources: tuple[str, ...], *checksums: tuple[str, str, str]
) -> Model:
    """Return a model with a signature, the checksum of the safetensors file and that of the ``.th`` file per network.

    Both files of a network contain the same tensors in half precision.
    """
    files = tuple(
        File(
            f"{signature}.safetensors",
            f"{root}/{signature}.safetensors",
            size,
            sha256,
            copies=(_checkpoint("hybrid_transformer", signature, size, older),),
        )
        for signature, sha256, older in checksums
    )
    one = len(files) == len(STEMS)  # of models of several networks, htdemucs_ft has one for each stem
    return Model(
        name, "demucs", f"Demucs {name}", files, license, commercial=False, sources=sources, network_per_stem=one
    )


def _demucs_old(name: str, folder: str, source: str, *files: tuple[str, int, str]) -> Model:
    """Return a model of which only the ``.th`` files exist, with the signature, size and checksum of each."""
    rows = tuple(_checkpoint(folder, *file) for file in files)
    sources = (_DEMUCS_INFER, source)
    return Model(name, "demucs", f"Demucs {name}", rows, _DEMUCS_OLD_LICENSE, commercial=False, sources=sources)


BACKEND = Backend(
    "stems",
    "demucs",
    "Demucs",
    "separator",
    loader="mirkit.models.demucs.load:load",
    gather="mirkit.models.demucs.checkpoint:gather",
    package="demucs",
    extra="stems",
    code_license="MIT",
    weights_license="none stated",
    commercial=False,
    weights=(
        _demucs(
            "htdemucs_ft",
            _HTDEMUCS_FT,
            _DEMUCS_FT_LICENSE,
            84_025_440,
            (_DRUMSCRIBE, _EDITOR),
            (
                "f7e0c4bc",
                "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f",
                "ba3fe64ae8ef66ac9a4857222ce48efbdc5eb3ad375cb79dd13debee5aaa4066",
            ),
            (
                "d12395a8",
                "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56",
                "e57c48e6b0e38af4f7118d7bd08c49f0a0c0edf7d09143bdd902ea0d237303e6",
            ),
            (
                "92cfc3b6",
                "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59",
                "ef3bcb9c8b40d14ae5d51b6db2587339cc12c6b77c0be151ce6d69002e087bf2",
            ),
            (
                "04573f0d",
                "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c",
                "f3cf25b222c4eed7cd49dd8b2c9597d50c18bd154090f7b919cfa5f93cf22c49",
            ),
        ),
        _demucs(
            "htdemucs",
            _HTDEMUCS,
            _DEMUCS_LICENSE,
            84_025_440,
            ("ZSYUYIIE/popex: .github/workflows/demucs-linux-real-model-e2e.yml", _EDITOR),
            (
                "955717e8",
                "d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd",
                "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
            ),
        ),
        _demucs(
            "htdemucs_6s",
            _HTDEMUCS_6S,
            _DEMUCS_6S_LICENSE,
            54_885_744,
            (
                "dadrockyt-sys/dadrock-tabs-android: scripts/songsterr-fresh",
                "codingfoxxx/yarg-autochart: SECURITY_LOG.md",
            ),
            (
                "5c90dfd2",
                "d2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411",
                "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd",
            ),
        ),
        _demucs_old(
            "hdemucs_mmi",
            "hybrid_transformer",
            _DEMUCS_FILES,
            ("75fc33f5", 167_407_275, "1941ce654b11df4132b9f4eae408556b4c83fad6fe26b4bc0dbcb36b975befb3"),
        ),
        _demucs_old(
            "mdx",
            "mdx_final",
            "gearaldblynn-lang/Meiao: deploy/voiceover/demucs-models.json",
            ("0d19c1c6", 178_048_329, "0f06f20ed6ddc8058fa72ccc4845f3a88916eff7d007b623924193de217bbcf4"),
            ("7ecf8ec1", 178_048_329, "70f50cc947d08f32e6dd8e2b687d398fa5ef9e51d1bd7600e32205d1f44be6b9"),
            ("c511e2ab", 167_334_095, "fe6987756a7087d339bf63b19bb481b12cea02d3bc0de7583df7597210209649"),
            ("7d865c68", 167_918_783, "3d5dd56b5bc986f136dff98655ded22b2b033f465ccec7a28640a6b15fd71ed6"),
        ),
        _demucs_old(
            "mdx_extra",
            "mdx_final",
            _DEMUCS_FILES,
            ("e51eebcc", 167_399_275, "c1b80bdd6de58274abf359e66822a76f49ce2b9f086fc5dc917ac14598e6bebf"),
            ("a1d90b5c", 167_391_595, "ae9d245283bf24b552913ee233a1101dcd0aeaed59b1c0a2da0e1f6eda15101b"),
            ("5d2d6c55", 167_391_595, "db83574e05b2308f76e2764819da673f2d16d437b9e619f5fcb72f275fc0e24f"),
            ("cfa93e08", 167_399_275, "61801ae1567d606c97a9c3469e943ae306d0a873eeb60d623ae7cfc7042b3f68"),
        ),
    ),
    gain="stems by a trained network; the embedded method only filters",
    memory=1500 * 2**20,
    seconds_per_minute=85.0,
    batch_size=8,
    citation="""\
@inproceedings{rouard2023hybrid,
  title = {Hybrid Transformers for Music Source Separation},
  author = {Rouard, Simon and Massa, Francisco and D{\\'e}fossez, Alexandre},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2023}
}""",
)


_DRUMSEP = "https://github.com/ZFTurbo/Music-Source-Separation-Training/releases/download/v1.0.5"

#: Drum transcription with a Demucs network that separates the parts of a drum kit (inagoy/drumsep).
DRUMSEP = Backend(
    "drums",
    "drumsep",
    "DrumSep, onsets",
    "separator",
    loader="mirkit.models.demucs.load:load_drumsep",
    gather="mirkit.models.demucs.checkpoint:gather",
    package="demucs",
    extra="stems",
    code_license="MIT",
    weights_license="none stated",
    commercial=False,
    weights=(
        Model(
            "drumsep",
            "drumsep",
            "DrumSep",
            (
                File(
                    "49469ca8.th",
                    f"{_DRUMSEP}/model_drumsep.th",
                    167_400_043,
                    "aefaa8543c9b9c75e22f5f32b53ab86dfe416457849af1383ff1aef83401423f",
                ),
            ),
            "none stated (its repository, which holds no weights: MIT)",
            commercial=False,
            sources=(_DEMUCS_INFER, "the copy vincewin/drumsep on Hugging Face, revision 18ebf41e"),
        ),
    ),
    memory=1500 * 2**20,  # as for Demucs, because it is a Demucs network
    seconds_per_minute=85.0,
    batch_size=8,
    source="drums",
    reads_features=False,
    citation="""\
@misc{drumsep,
  title = {{DrumSep}: separation of drum kits with a model of {Demucs}},
  author = {{inagoy}},
  howpublished = {\\url{https://github.com/inagoy/drumsep}}
}""",
)
