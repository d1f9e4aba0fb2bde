"""Trains and measures the starter models, one ``python -m training.<thing>`` each."""

import os

# Before torch starts its threads: waiting threads sleep instead of spinning. Alone this costs nothing measurable;
# beside another busy process spinning made training ten times slower on two cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
