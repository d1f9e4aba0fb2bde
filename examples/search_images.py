"""Find pictures by words: `python -m examples.search_images "a red car" FOLDER`."""

import sys

from common.settings import Settings
from pipelines.image_index import build, search
from pipelines.image_index.request import BuildIndexRequest, SearchImagesRequest
from pipelines.services import build_services

if len(sys.argv) != 3:
    sys.exit(__doc__)

services = build_services(Settings())
# Only new and changed pictures are looked at, so a second run is quick.
*_, built = build.run(BuildIndexRequest("examples", folder=sys.argv[2]), services)
print(f"{built.pictures:,} pictures, {built.new:,} of them new, {built.seconds:.1f} s")
*_, result = search.run(SearchImagesRequest("examples", sys.argv[1]), services)
for hit in result.hits:  # best first
    print(f"{hit.cosine:.3f}  {hit.path}  {hit.prompt}")
for note in result.notes:
    print(note)
