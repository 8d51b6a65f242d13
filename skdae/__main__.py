"""What `python -m skdae` runs: the command line."""

import sys

from skdae.cli import main

if __name__ == "__main__":
    sys.exit(main())
