"""How many examples the property tests try: few in every run, and many in the run with random ones."""

import os

RANDOM = os.environ.get("MIRKIT_PROPERTIES") == "random"


def tries(count: int) -> int:
    """Number of examples of an expensive property: ``count`` in every run, ten times as many in the random one."""
    return 10 * count if RANDOM else count
