"""What the packages must do; the folders mirror them."""

import os

# Before anything loads numpy: its threads would fight over the cores with the tests' own (see service.commands).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
