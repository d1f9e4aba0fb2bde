"""Pictures into words: `python -m examples.caption one.png two.jpg`, with a table of the captions in captions.csv."""

import sys

from common.settings import Settings
from pipelines.captioning.request import CaptionRequest, Decoding
from pipelines.captioning.run import run
from pipelines.captioning.table import table, write_csv
from pipelines.services import build_services

if len(sys.argv) < 2:
    sys.exit(__doc__)

services = build_services(Settings())
request = CaptionRequest(paths=tuple(sys.argv[1:]), decoding=Decoding(beams=5, count=3))
*_, result = run(request, services)
for row in result.rows:
    print(row.name, row.error or row.note)
    for each in row.captions:  # best first; the star is the consensus
        print(f"{'*' * each.chosen:1} {each.caption.log_probability:7.2f} {each.clip_score or 0:5.2f}  {each.text}")
print("saved as", write_csv(table(result.rows), "captions.csv"))
