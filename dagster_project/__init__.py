"""Steerworks: an open factory for preference data in the manner of HelpSteer2.

Nothing is imported here on purpose: every run process imports this package, and
heavy libraries are paid for only where they are used.
"""

__version__ = "0.1.0"
