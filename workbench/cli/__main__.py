"""``python -m workbench.cli``: the command line, where the program `workbench` is not on the path."""

import sys

from workbench.cli import main

sys.exit(main())
