"""``python -m mirkit``."""

import sys

from mirkit.cli import main

sys.exit(main())
