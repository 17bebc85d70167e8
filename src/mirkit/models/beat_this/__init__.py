"""Beat This!, a neural beat tracker."""

from mirkit.models.backend import Backend, File, Model

_JKU = "https://cloud.cp.jku.at/public.php/dav/files/7ik4RrBKTS273gp"

# Where the checksums were found.
_ECHOLOOP = "jankendo/echoloop-playlist-raid: docs/phase-4-report.md"
_UTAWAKUI = "yPinn/Utawakui: scripts/music-analysis-real-song-benchmark.mjs"

BACKEND = Backend(
    "beats",
    "beat_this",
    "Beat This!",
    "stream",
    loader="mirkit.models.beat_this.tracker:load",
    package="torch",
    extra="beats",
    weights_license="MIT",
    weights=(
        Model(
            "beat_this",
            "beat_this",
            "Beat This! final0",
            (
                File(
                    "final0.ckpt",
                    f"{_JKU}/final0.ckpt",
                    81_058_141,
                    "8c328b45f59d8dd3dff219253ff6a8d6482be57d0133a29140e2febbf8eb8331",
                    "beat_this-final0.ckpt",
                ),
            ),
            "MIT",
            sources=(_ECHOLOOP, _UTAWAKUI),
        ),
        Model(
            "beat_this_small",
            "beat_this",
            "Beat This! small0, a tenth of the size",
            (
                File(
                    "small0.ckpt",
                    f"{_JKU}/small0.ckpt",
                    8_451_101,
                    "6074be2c4d490c5f6101fcc374a1ec72ae93456e23bb6019783b849f5dc7d47b",
                    "beat_this-small0.ckpt",
                ),
            ),
            "MIT",
            sources=(_ECHOLOOP, _UTAWAKUI),
        ),
    ),
    memory=500 * 2**20,
    seconds_per_minute=8.0,
    batch_size=8,
    feature_kind="activations",
    citation="""\
@inproceedings{foscarin2024beat,
  title = {Beat this! {Accurate} beat tracking without {DBN} postprocessing},
  author = {Foscarin, Francesco and Schl{\\"u}ter, Jan and Widmer, Gerhard},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2024}
}""",
)
