"""Every command line that the user manual shows, verbatim, and what it needs beside the embedded methods."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A command of the manual. ``backend`` is the ``(task, name)`` of the neural method that it names, if any."""

    text: str
    backend: tuple[str, str] | None = None


DEMUCS = ("stems", "demucs")
ADTOF = ("drums", "adtof")
DRUMSEP = ("drums", "drumsep")
FLAMINGO = ("texts", "llama")

#: Value of ``$TRACK`` in the manual's third workflow.
TRACK = "my_music/Artist - Album - Track"

#: In the order of the manual; run from the repository's root.
LINES = (
    # Quick start
    Line("python src/preprocessing/file_organizer.py my_music/"),
    Line("python src/preprocessing/demucs_sep.py my_music/ --batch --device cuda", DEMUCS),
    Line('python src/preprocessing/demucs_sep.py "my_music/Artist - Album - Track/"', DEMUCS),
    Line('python src/test_all_features.py "my_music/Artist - Track/full_mix.flac"'),
    Line("python scripts/extract_all_features.py my_music/ --batch"),
    Line("python src/classification/music_flamingo.py my_music/ --batch --model Q6_K", FLAMINGO),
    Line("python src/classification/music_flamingo_transformers.py my_music/ --batch --flash-attention", FLAMINGO),
    Line("python src/rhythm/beat_grid.py my_music/ --batch"),
    Line("python src/rhythm/bpm.py my_music/ --batch"),
    Line("python src/rhythm/onsets.py my_music/ --batch"),
    Line("python src/rhythm/syncopation.py my_music/ --batch"),
    Line("python src/timbral/loudness.py my_music/ --batch"),
    Line("python src/spectral/spectral_features.py my_music/ --batch"),
    Line("python src/spectral/multiband_rms.py my_music/ --batch"),
    Line("python src/harmonic/chroma.py my_music/ --batch"),
    Line("python src/harmonic/per_stem_harmonic.py my_music/ --batch"),
    Line("python src/timbral/audio_commons.py my_music/ --batch"),
    Line("python src/classification/essentia_features.py my_music/ --batch"),
    Line("python src/rhythm/per_stem_rhythm.py my_music/ --batch"),
    # Workflow 1: new data set
    Line("python src/preprocessing/file_organizer.py /path/to/audio/"),
    Line("python src/preprocessing/demucs_sep.py /path/to/audio/ --batch --device cuda", DEMUCS),
    Line("python scripts/extract_all_features.py /path/to/audio/ --batch"),
    Line("python scripts/verify_features.py /path/to/audio/"),
    # Workflow 2: again, with the stems there are
    Line("python src/rhythm/rhythm_analysis.py /path/to/audio/ --batch --overwrite"),
    Line("python src/timbral/audio_commons.py /path/to/audio/ --batch --overwrite"),
    Line("python scripts/extract_all_features.py /path/to/audio/ --batch --overwrite"),
    # Workflow 3: one track
    Line('python src/preprocessing/file_organizer.py "$TRACK"'),
    Line('python src/preprocessing/demucs_sep.py "$TRACK" --device cuda', DEMUCS),
    Line('python src/rhythm/rhythm_analysis.py "$TRACK"'),
    Line('python src/preprocessing/loudness.py "$TRACK"'),
    Line('python src/spectral/spectral_features.py "$TRACK"'),
    Line('python src/harmonic/chroma_analysis.py "$TRACK"'),
    Line('python src/harmonic/per_stem_harmonic.py "$TRACK"'),
    Line('python src/timbral/audio_commons.py "$TRACK"'),
    Line('python src/classification/essentia_features.py "$TRACK"'),
    Line('python src/rhythm/per_stem_rhythm.py "$TRACK"'),
    # Workflow 4: what is missing
    Line("python scripts/verify_features.py /path/to/audio/ --show-missing"),
    Line("python src/timbral/audio_commons.py /path/to/audio/ --batch --skip-existing"),
    # Module reference; <audio_path> is a track, [options] are left out
    Line("python src/preprocessing/file_organizer.py <input_dir>"),
    Line("python src/preprocessing/demucs_sep.py <audio_path> [options]", DEMUCS),
    Line("python src/preprocessing/loudness.py <audio_path> [options]"),
    Line("python src/rhythm/rhythm_analysis.py <audio_path> [options]"),
    Line("python src/rhythm/per_stem_rhythm.py <audio_path> [options]"),
    Line("python src/spectral/spectral_features.py <audio_path> [options]"),
    Line("python src/harmonic/chroma_analysis.py <audio_path> [options]"),
    Line("python src/harmonic/per_stem_harmonic.py <audio_path> [options]"),
    Line("python src/timbral/audio_commons.py <audio_path> [options]"),
    Line("python src/classification/essentia_features.py <audio_path> [options]"),
    # Drums to MIDI
    Line('python src/transcription/drums/adtof.py "/path/to/audio.flac" -v', ADTOF),
    Line('python src/transcription/drums/adtof.py "/path/to/audio.flac" --output drums.mid', ADTOF),
    Line("python src/transcription/drums/adtof.py /path/to/data --batch --device cuda", ADTOF),
    Line("python src/transcription/drums/adtof.py /path/to/audio.flac --device cpu", ADTOF),
    Line("python src/transcription/runner.py /path/to/data --force --verbose", DRUMSEP),
    # Texts
    Line('python src/classification/music_flamingo.py "my_music/Track Name/full_mix.flac" --model Q6_K', FLAMINGO),
    Line(
        'python src/classification/music_flamingo_transformers.py "my_music/Track Name/full_mix.flac" --flash-attention',  # noqa: E501
        FLAMINGO,
    ),
    # Troubleshooting
    Line("python src/preprocessing/demucs_sep.py audio/ --batch --device cuda", DEMUCS),
    Line("python src/preprocessing/demucs_sep.py <audio_path>", DEMUCS),
)

#: Lines that only a shell can run: the loops of "Advanced usage", and the check of the installation.
SHELL = (
    "bash scripts/setup_external_repos.sh",
    'find my_music/ -type d -name "*trance*" | while read dir; do\n'
    '    python src/preprocessing/demucs_sep.py "$dir" --device cuda\n'
    "done",
    "find my_music/ -maxdepth 1 -type d | \\\n"
    '  parallel -j 4 "python src/preprocessing/demucs_sep.py {} --device cuda"',
)

#: Settings of the shell that the manual names; they do no harm and are honored where a backend uses them.
ENVIRONMENT = {
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
    "FLASH_ATTENTION_TRITON_AMD_ENABLE": "TRUE",
    "PYTORCH_TUNABLEOP_ENABLED": "1",
    "PYTORCH_TUNABLEOP_TUNING": "0",
    "OMP_NUM_THREADS": "8",
}

#: Steps of the manual that are no commands of ours: done by the user's shell and pip, or needed no longer
#: (docs/coming_from_the_ancestor.md lists their replacements).
NOT_OURS = (
    "git clone https://github.com/Taikakim/mir-feature-extraction",
    "cd mir-feature-extraction",
    "python -m venv mir",
    "source mir/bin/activate",
    "pip install -r requirements.txt",
    'pip install "numpy>=2.0.0,<2.4"',
    "pip install -e repos/ADTOF-pytorch",
    'TRACK="my_music/Artist - Album - Track"',
    "sed -i 's/np\\.lib\\.pad/np.pad/g' \\\n"
    "  repos/repos/timbral_models/timbral_models/Timbral_Roughness.py \\\n"
    "  repos/repos/timbral_models/timbral_models/Timbral_Hardness.py",
)
