"""Steerworks: an open factory for preference data in the manner of HelpSteer2.

Nothing of its own is imported here on purpose: every run process imports this package, and
heavy libraries are paid for only where they are used.
"""

import os

__version__ = "0.1.0"

# Arrow's own allocator keeps what it once had, some tens of MB in each of many processes.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
