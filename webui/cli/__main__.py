"""``python -m webui.cli``: the same as the command ``clew``."""

import sys

from .main import main

sys.exit(main())
