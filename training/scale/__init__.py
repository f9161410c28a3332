"""Tables larger than memory: in parts, on the processes of a Dask cluster, with the same answers."""
