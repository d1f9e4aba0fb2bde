from __future__ import annotations

import pytest

from common.errors import BadRequest
from pipelines.image_index import build
from pipelines.image_index.request import BuildIndexRequest
from tests.pipelines.image_index.conftest import RANKER, finish, save


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"index": "../x"}, "name of the index"),
        ({"index": ""}, "name of the index"),
        ({"folder": "nowhere/at/all"}, "all is not there"),
        ({"ranker": "sd-turbo"}, "sd-turbo"),
        ({"rebuild": "yes"}, "true and false"),
        ({"files": ("x.png",), "folder": "y"}, "one of the two"),
    ],
)
def test_nonsense_is_one_sentence(services, wrong, said):
    with pytest.raises(BadRequest, match=said):
        BuildIndexRequest(**{"ranker": RANKER, **wrong}).resolve(services.catalog)


def test_strangers_index_what_they_upload_and_nothing_else(hub_services, tmp_path):
    folder = tmp_path / "shots"
    for number in range(6):
        save(folder, number)
    services = hub_services(public=True)
    for request in (BuildIndexRequest(), BuildIndexRequest(folder=folder)):
        with pytest.raises(BadRequest, match="open to strangers"):
            finish(build.run(request, services))
    files = tuple(folder.glob("*.png"))
    _, result = finish(build.run(BuildIndexRequest("mine", files=files, ranker=RANKER), services))
    assert result.pictures == len(files) == 6
