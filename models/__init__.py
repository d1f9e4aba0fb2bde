"""Which models exist, how they load and leave memory, and one file per family of them."""
