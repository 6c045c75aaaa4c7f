"""``python -m visus`` is the command ``visus``."""

import sys

from visus.cli import main

if __name__ == "__main__":
    sys.exit(main())
