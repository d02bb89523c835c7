"""`python -m ringfence.emulator`."""

import sys

from ringfence.emulator.process import main

sys.exit(main())
