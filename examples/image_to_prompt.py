"""Which words would make this picture? `python -m examples.image_to_prompt one.png two.jpg`."""

import sys

from common.settings import Settings
from pipelines.image_to_prompt.request import ImageToPromptRequest
from pipelines.image_to_prompt.run import run
from pipelines.services import build_services

if len(sys.argv) < 2:
    sys.exit(__doc__)

services = build_services(Settings())
request = ImageToPromptRequest(paths=tuple(sys.argv[1:]), mode="best")
for step in run(request, services):
    if getattr(step, "data", {}).get("curve"):  # the prompt as it grows
        print(f"{step.data['cosine']:.3f}  {step.data['prompt']}", end="\r")
print()
for row in step.rows:  # the last one is the result
    print(f"{row.name}, {row.method}: {row.prompt or row.error}")
    for term in row.grown.terms if row.grown else ():
        print(f"  {term.gain:+.3f} when added, {term.loss or 0:+.3f} now  {term.phrase} ({term.kind})")
