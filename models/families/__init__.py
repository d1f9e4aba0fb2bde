"""One module per family; the catalog gathers the `SPECS` of every module in this folder."""
