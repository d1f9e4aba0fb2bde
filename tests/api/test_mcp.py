"""The same endpoints as tools of the Model Context Protocol, called by its own client."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def mcp_url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of the tools of an app with the tiny models."""
    import app
    from jobs.queue import JobQueue
    from tests.tabs.tiny_pack import tiny_services, tiny_settings

    services, jobs = tiny_services(tiny_settings(tmp_path_factory.mktemp("mcp"), mcp=True)), JobQueue(["cpu"])
    page, url = app.launch(services, jobs)
    yield f"{url.rstrip('/')}/gradio_api/mcp/"
    page.close()
    jobs.close()


def with_session(url: str, do: Callable[[Any], Any]) -> Any:
    """What `do(session)` returns, a coroutine function handed a session with the server at `url`."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk() -> Any:
        async with streamable_http_client(url) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await do(session)

    return asyncio.run(talk())


def test_the_rooms_are_tools_with_described_arguments(mcp_url):
    tools = {tool.name: tool for tool in with_session(mcp_url, lambda session: session.list_tools()).tools}
    rooms = {"text_to_image", "vqgan_clip", "caption", "image_to_prompt", "search_images", "rank_images", "models"}
    assert rooms <= set(tools)
    assert "interrogator" in tools["image_to_prompt"].inputSchema["properties"]["methods"]["description"]
    assert tools["search_images"].inputSchema["properties"]["index"]["description"]
    assert "1 to 16" in tools["text_to_image"].inputSchema["properties"]["candidates"]["description"]


def test_a_tool_makes_a_picture_and_tells_its_scores(mcp_url):
    answer = with_session(
        mcp_url,
        lambda session: session.call_tool("text_to_image", {"prompt": "a red kite", "candidates": 2, "seed": 3}),
    )
    assert not answer.isError
    words = " ".join(part.text for part in answer.content if part.type == "text")
    assert '"cosine"' in words.replace("'", '"')


def test_vqgan_clip_paints_as_a_tool(mcp_url):
    answer = with_session(
        mcp_url, lambda session: session.call_tool("vqgan_clip", {"prompt": "a red heart", "steps": 2, "seed": 1})
    )
    assert not answer.isError, answer.content


def as_address(kind: str, content: bytes) -> str:
    """A file as the address that tools take."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(colour: Any = "red") -> str:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return as_address("image/png", file.getvalue())


def test_a_picture_is_ranked_by_a_tool(mcp_url):
    given = {"prompt": "a red kite", "image": picture()}
    answer = with_session(mcp_url, lambda session: session.call_tool("rank_images", given))
    assert not answer.isError and "clip_score" in str(answer.content), answer.content


def test_a_refusal_is_a_sentence(mcp_url):
    answer = with_session(
        mcp_url, lambda session: session.call_tool("text_to_image", {"prompt": "a kite", "candidates": 99})
    )
    assert answer.isError
    assert "99" in json.dumps([part.model_dump(mode="json") for part in answer.content])
