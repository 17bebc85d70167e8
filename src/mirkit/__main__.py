"""``python -m mirkit``."""

import os
import sys

# Python has put the working folder first on its search path. It may be a data set of a stranger, whose files must not
# be imported in place of numpy and others. Python's own start is covered by ``python -P -m mirkit`` alone.
if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():
    del sys.path[0]

from mirkit.cli import main

sys.exit(main())
