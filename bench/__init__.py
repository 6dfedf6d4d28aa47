"""The benchmark of generation: `make bench`. How to run it and to read it stands in README.md beside this file.

Belongs here: cases, the processes that they start and measure, and the report. Does not belong here: anything that
generation itself needs; of Steerworks the benchmark uses what a user has, and never what lies inside.
"""
