"""The lineage of Steerworks, one module per stage.

Belongs here: what each asset reads, which part of the domain it calls, and what it reports.
Does not belong here: how the work is done (`dagster_project/<domain>`), or the partitions,
schemas and owners that `dagster_project.definitions` gives to every asset.
"""
