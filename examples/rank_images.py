"""CLIP as a judge: `python -m examples.rank_images "a red car" one.png two.jpg three.webp`."""

import sys

from common.settings import Settings
from pipelines.rank_images import RankImagesRequest, run
from pipelines.services import build_services

if len(sys.argv) < 3:
    sys.exit(__doc__)

services = build_services(Settings())
request = RankImagesRequest(paths=tuple(sys.argv[2:]), prompt=sys.argv[1])
*_, result = run(request, services)
for row in result.rows:  # best first
    print(f"{row.cosine:.3f}  {100 * row.share:5.1f} %  {row.path}")
for note in result.notes:
    print(note)
