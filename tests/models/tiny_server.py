"""A hub of our own on this machine that speaks as much of the hub's protocol as downloading needs."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.models.tiny_hub import hub_path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEEDLESS = {"README.md": b"# hello", "unet/diffusion_pytorch_model.bin": b"pickle", "sd_turbo.safetensors": b"again"}


class TinyServer:
    """Serves the checkpoints of a folder, with a few files beside them that nobody needs.

    `url` is its address; `sent` are the names of the files it was asked for.
    """

    def __init__(self, hub: Path) -> None:
        self.hub, self.sent = hub, []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> TinyServer:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def contents(self, repository: str) -> dict[str, bytes]:
        """The files of a repository by name; none for one that is not there."""
        folder = hub_path(self.hub, repository)
        files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        return {**files, **NEEDLESS} if files else {}


def _handler(server: TinyServer) -> type[BaseHTTPRequestHandler]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0].strip("/")
            if path.startswith("api/models/"):
                self.describe("/".join(path.split("/")[2:4]))
                return
            repository, _, rest = path.partition("/resolve/")
            name = rest.partition("/")[2]
            data = server.contents(repository)[name]
            if body:
                server.sent.append(name)
            self.reply(200, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, body)

        def describe(self, repository: str) -> None:
            files = server.contents(repository)
            if not files:
                self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            told = {"id": repository, "sha": COMMIT, "siblings": siblings}
            self.reply(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def reply(self, status: int, data: bytes, headers: dict[str, str], body: bool = True) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *words: Any) -> None:
            pass

    return Hub
