"""What `import fastad` costs, in fresh processes."""

import statistics

from . import figures


class Imports:
    """Importing the package."""

    unit = "s"

    def timeraw_numpy(self):
        """numpy alone: the control."""
        return "import numpy"

    def timeraw_fastad(self):
        """fastad in a process that has imported numpy."""
        return "import fastad", "import numpy"

    def track_beyond_numpy(self):
        """The median of ten processes that have imported numpy."""
        return statistics.median(figures.import_seconds())
