"""The columns of every table, in files by what is measured. `pipeline.tables` knows them all by name."""
