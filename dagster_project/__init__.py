"""Steerworks: an open factory for preference data in the manner of HelpSteer2.

Nothing of its own is imported here on purpose: every run process imports this package, and
heavy libraries are paid for only where they are used.
"""

import os
import sys

__version__ = "0.1.0"

# Arrow's own allocator keeps what it once had, some tens of MB in each of many processes. The C library's puts the
# buffers of a table among small records that stay, so that its heap grows with every row group; jemalloc, a part of
# Arrow on Linux, has places of their own for large blocks, and gives them back to the system at once if told to.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc" if sys.platform == "linux" else "system")
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
