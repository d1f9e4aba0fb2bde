"""Use a running app from another program: `python -m examples.api_client http://127.0.0.1:7860 "a red car"`."""

import shutil
import sys

from gradio_client import Client

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860"
prompt = sys.argv[2] if len(sys.argv) > 2 else "a red car"

best, table = Client(address, verbose=False).predict(prompt, candidates=8, api_name="/text_to_image")
for candidate in table["candidates"]:  # best first
    print(f"{candidate['cosine']:.3f}  seed {candidate['seed']}")
print(table["notes"])
print("The best is saved as", shutil.copy(best, "best.png"))
