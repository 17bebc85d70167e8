"""Segment sound files with msaf, in an environment of its own that has neither mirkit nor its other requirements.

    ENV/bin/python benchmarks/sections_msaf.py RESULT.json FILE.wav...   # Python 3.10, msaf 0.1.80, numpy < 1.24

msaf 0.1.80 needs librosa 0.9 and a numpy before 1.24. Boundaries by Foote's novelty (labels by 2D-FMC, because Foote
gives none) on MFCC and on pitch classes, and by spectral clustering (boundaries and labels).
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import msaf

METHODS = (("foote", "fmc2d", "mfcc"), ("foote", "fmc2d", "pcp"), ("scluster", "scluster", "pcp"))


def main(result: Path, files: list[str]) -> None:
    """Add the boundaries (s) and labels of each file and method to the result."""
    found = json.loads(result.read_text()) if result.exists() else {}
    for file in files:
        name = Path(file).stem
        if name not in found:
            found[name] = {}
            for boundaries, labels, feature in METHODS:
                times, names = msaf.process(file, boundaries_id=boundaries, labels_id=labels, feature=feature)
                found[name][f"{boundaries} {feature}"] = [list(map(float, times)), list(map(str, names))]
            result.write_text(json.dumps(found))


if __name__ == "__main__":
    result, files = Path(sys.argv[1]).absolute(), [str(Path(file).absolute()) for file in sys.argv[2:]]
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # msaf writes its features into the current folder
        main(result, files)
