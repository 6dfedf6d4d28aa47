"""Servers on this machine with injected faults: for tests, benchmarks and users' rehearsals.

Belongs here: stand-ins for what Steerworks talks to over HTTP, on 127.0.0.1 only; for each one module that can be run
by itself, such as `models`. Does not belong here: anything that the pipeline itself needs.
"""
