"""Options of the commands that describe music."""

import argparse

from mirkit.catalog import BACKENDS

METHODS = tuple(row.name for row in BACKENDS if row.job == "texts")
EXCERPTS = ("middle", "loudest", "spread")
#: Option -> setting of ``[texts]``, where they are not called alike.
SETTINGS = {"slots": "parallel"}
#: Settings of ``[texts]`` that have an option of their name.
SAME = (
    *("model", "projector", "url", "profile", "program", "audio_seconds", "excerpt", "temperature", "seed"),
    *("attempts", "one_call", "fix_facts", "timeout"),
)


def add(parser: argparse.ArgumentParser, fixed: str) -> None:
    """Add them; ``fixed`` is the backend that the command's name means, "" for ``describe``."""
    parser.add_argument(
        "path", metavar="PATH", help="a track folder, its full_mix file, a loose sound file, or a folder of tracks"
    )
    tracks = parser.add_argument_group("tracks")
    tracks.add_argument("--batch", action="store_true", help="every track below PATH")
    again = tracks.add_mutually_exclusive_group()
    again.add_argument("--skip-existing", action="store_true", help="skip texts that are there (the default)")
    again.add_argument("--overwrite", "--force", action="store_true", help="ask again; your own texts are replaced too")
    tracks.add_argument("--only", metavar="FIELDS", help="some of the texts, e.g. full,genre_mood")
    tracks.add_argument("--dry-run", action="store_true", help="only say what would be done, and how long it takes")

    model = parser.add_argument_group("model")
    names = {"transformers": "a folder of Transformers", "": "IQ3_M, Q6_K, Q8_0, a file, a folder, a server's name"}
    model.add_argument("--model", metavar="MODEL", help=names.get(fixed, "IQ3_M, Q6_K (default), Q8_0, or a GGUF file"))
    if fixed == "transformers":
        model.add_argument("--flash-attention", action="store_true", help="use FlashAttention 2 where it is installed")
    else:
        model.add_argument("--method", choices=METHODS, default=fixed or None, help="who asks the model")
        model.add_argument("--projector", metavar="FILE", help="GGUF file of the audio encoder (default: beside it)")
        model.add_argument("--program", metavar="FILE", help="the llama-server to use (default: the one on the PATH)")
        model.add_argument("--slots", type=int, metavar="N", help="tracks at a time (default: 1)")
        model.add_argument("--one-call", action="store_true", default=None, help="all texts in one answer, as JSON")
        model.add_argument("--timeout", type=float, metavar="S", help="seconds for one answer (default: 900)")
    if not fixed:
        model.add_argument("--url", metavar="URL", help="server that speaks OpenAI's chat; key in MIRKIT_TEXTS_KEY")
        model.add_argument("--profile", choices=("auto", "llama", "vllm", "openai"), help="what that server is")
    model.add_argument("--device", help="auto, cpu, cuda (also ROCm cards) or mps")
    model.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)  # nothing is fetched here anyway
    model.add_argument("--commercial-safe", action="store_true", help="refuse models that exclude commercial use")

    texts = parser.add_argument_group("texts")
    texts.add_argument("--audio-seconds", type=float, metavar="S", help="most that is heard of a track")
    texts.add_argument("--excerpt", choices=EXCERPTS, help="which part that is (default: middle)")
    texts.add_argument("--fix-facts", action="store_true", default=None, help="mend what measurements contradict")
    texts.add_argument("--attempts", type=int, metavar="N", help="until an answer is usable (default: 3)")
    texts.add_argument("--temperature", type=float, metavar="T", help="of the first attempt (default: 0)")
    texts.add_argument("--seed", type=int, metavar="N", help="(default: 1)")
