"""A stand-in of the Hugging Face Hub's API: what its client needs to make, fill and read a repository."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_good"


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)

    def commit_of(self, revision: str) -> str | None:
        return self.branches.get(revision, revision if revision in self.commits else None)


class Hub(ThreadingHTTPServer):
    """Repositories by name, the large files by their SHA-256, and the requests that came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.stopped = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.stopped = True
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, Hub)
        return self.server

    def parse_request(self) -> bool:
        if self.hub.stopped:  # connections that were open live on otherwise
            self.close_connection = True
            return False
        return super().parse_request()

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.close_connection = path == "/stop"
        self.hub.requests.append(f"POST {path}")
        if path == "/stop":
            self.hub.stopped = True
            self.say({})
            threading.Thread(target=self.hub.stop).start()
            return None
        if path == "/api/validate-yaml":
            return self.say({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401, "", "Invalid username or password.")
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given.get('organization') or 'me'}/{given['name']}"
            if name in self.hub.repositories:
                return self.say(
                    {"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"}, 409
                )
            private = bool(given.get("private")) or given.get("visibility") == "private"
            repository = self.hub.repositories[name] = Repository(private)
            repository.commits["0" * 40], repository.branches["main"] = {}, "0" * 40
            return self.say({"url": f"{self.hub.address}/{name}", "name": name})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            files = json.loads(body)["files"]
            modes = {f["path"]: "lfs" if f["path"].endswith(".safetensors") else "regular" for f in files}
            said = [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]
            return self.say({"files": said, "commitOid": self.hub.repositories[found[1]].branches["main"]})
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            objects = json.loads(body)["objects"]
            said = [{**o, "actions": {"upload": {"href": f"{self.hub.address}/put/{o['oid']}"}}} for o in objects]
            return self.say({"transfer": "basic", "objects": said})
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            return self.commit(self.hub.repositories[found[1]], found[1], body)
        return self.refuse(404, "EntryNotFound", f"no {path}")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.objects[hashlib.sha256(content).hexdigest()] = content
        self.say({})

    def commit(self, repository: Repository, name: str, body: bytes) -> None:
        files = dict(repository.commits[repository.branches["main"]])
        for line in body.splitlines():
            step = json.loads(line)
            if step["key"] == "file":
                files[step["value"]["path"]] = base64.b64decode(step["value"]["content"])
            if step["key"] == "lfsFile":
                files[step["value"]["path"]] = self.hub.objects[step["value"]["oid"]]
                repository.large.add(step["value"]["path"])
        oid = hashlib.sha1(body).hexdigest()
        repository.commits[oid], repository.branches["main"] = files, oid
        self.say({"success": True, "commitOid": oid, "commitUrl": f"{self.hub.address}/{name}/commit/{oid}"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/(.+)", path)
        resolved = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        name = found[1] if found else resolved[1] if resolved else ""
        repository = self.hub.repositories.get(name)
        trusted = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not trusted):
            # As the Hub does: who may not read a repository does not learn whether there is one.
            return self.refuse(404 if trusted else 401, "RepoNotFound", "Repository not found")
        commit = repository.commit_of(found[3] if found else resolved[2] if resolved else "")
        if commit is None:
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        files = repository.commits[commit]
        if found and found[2] == "revision":
            about = {"id": name, "modelId": name, "sha": commit, "private": repository.private, "tags": []}
            return self.say({**about, "downloads": 0, "likes": 0, "siblings": [{"rfilename": file} for file in files]})
        if found:
            return self.say([self.entry(repository, file, content) for file, content in files.items()])
        assert resolved is not None
        if resolved[3] not in files:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        content = files[resolved[3]]
        large = resolved[3] in repository.large
        tag = hashlib.sha256(content).hexdigest() if large else hashlib.sha1(content).hexdigest()
        head = {"X-Repo-Commit": commit, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if large:
            head |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        return self.send(200, content, head)

    def entry(self, repository: Repository, file: str, content: bytes) -> dict[str, Any]:
        about = {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        if file not in repository.large:
            return about
        digest = hashlib.sha256(content).hexdigest()
        return {**about, "lfs": {"oid": digest, "size": len(content), "pointerSize": 130}}

    def refuse(self, status: int, code: str, message: str) -> None:
        self.send(status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message})

    def say(self, content: Any, status: int = 200) -> None:
        self.send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send(self, status: int, content: bytes, head: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**head, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
