"""A provider's Batch API as the way to a model: handed in by one run, collected by a later one.

Belongs here: the log of what is out, the provider's calls and files, handing in and collecting, and what has come back.
Does not belong here: asking one by one (`asking`), and which requests a cell lacks (`cell`).
"""
