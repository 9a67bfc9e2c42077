"""A W&B service on loopback: it takes in runs, their history, files and artifacts, as W&B's own client sends them."""

import gzip
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


class WandbService:
    """What has arrived.

    Attributes:
        runs: what is known of each run, by its id: the variables of all requests that describe it.
        history: the points of each run.
        files: the content of each run's files.
        artifacts: of each artifact its type, name, aliases, run and files.
        broken: while it is true, every answer is an error.
        delay: the seconds that each answer takes.
    """

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = defaultdict(dict)
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.files: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.broken, self.delay = False, 0.0
        self._lock = Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with service._lock:
                    content = service.load(self.path)
                self.reply(content)

            def do_PUT(self) -> None:
                with service._lock:
                    service.store(self.path, self.body())
                self.reply(b"")

            def do_POST(self) -> None:
                content = json.loads(self.body())
                with service._lock:
                    answer = service.take(self.path, content)
                self.reply(json.dumps(answer).encode())

            def body(self) -> bytes:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

            def reply(self, body: bytes) -> None:
                time.sleep(service.delay)
                self.send_response(500 if service.broken else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Take in a request, and return the answer."""
        if path == "/graphql":
            found = re.search(r"(?:query|mutation)\s+(\w+)", content["query"])
            assert found
            name = re.sub(r"(?<!^)([A-Z])", r"_\1", found[1]).lower()
            answer = getattr(self, f"_answer_{name}", lambda _: {})
            return {"data": answer(content.get("variables") or {})}
        if stream := re.fullmatch(r"/files/me/([^/]+)/([^/]+)/file_stream", path):
            for name, part in content.get("files", {}).items():
                lines = [json.loads(line) for line in part["content"]] if name.endswith(".jsonl") else part["content"]
                if name == "wandb-history.jsonl":
                    self.history[stream[2]] += lines
                if name == "wandb-summary.json":
                    self.runs[stream[2]]["summary"] = json.loads(part["content"][-1])
            if "exitcode" in content:
                self.runs[stream[2]]["exit_code"] = content["exitcode"]
        return {}

    def store(self, path: str, body: bytes) -> None:
        """Keep a file that is uploaded."""
        _, kind, owner, name = path.split("/", 3)
        if kind == "run":
            self.files[owner][name] = body
        elif kind == "artifact":
            self.artifacts[owner]["files"][name] = body
        elif kind == "manifest":
            self.artifacts[owner]["manifest"] = json.loads(body)

    def load(self, path: str) -> bytes:
        """Return a manifest or a file of an artifact that was uploaded before."""
        _, kind, *names = path.split("/", 3)
        if kind == "manifest":
            return json.dumps(self.artifacts[names[0]]["manifest"]).encode()
        if kind == "artifact":
            content: bytes = self.artifacts[names[0]]["files"][names[1]]
            return content
        return b"{}"

    def _answer_viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"viewer": {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}

    def _answer_get_default_entity(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"viewer": {"id": "1", "entity": "me"}}

    def _answer_artifact_membership_by_name(self, variables: dict[str, Any]) -> dict[str, Any]:
        collection, _, alias = variables["name"].partition(":")
        versions = self._versions(collection)
        number, key = next((n, key) for n, key in enumerate(versions) if alias in self.artifacts[key]["aliases"])
        found = self.artifacts[key]
        project = {"id": "p", "internalId": "p", "name": "segrnn", "entity": {"name": "me"}}
        sequence = {"__typename": "ArtifactSequence", "id": collection, "name": collection, "project": project}
        aliases = [{"__typename": "ArtifactAlias", "id": name, "alias": name} for name in found["aliases"]]
        known = {"id": key, "versionIndex": number, "createdAt": "2026-01-01T00:00:00Z"}
        artifact = {
            **{**known, "__typename": "Artifact", "updatedAt": None, "artifactSequence": sequence},
            **{"artifactType": {"name": found["type"]}, "description": "", "metadata": "{}", "tags": []},
            **{"ttlDurationSeconds": -2, "ttlIsInherited": False, "historyStep": None, "state": "COMMITTED"},
            **{"size": 1, "digest": "d", "digestAlgorithm": "MANIFEST_MD5", "commitHash": "c", "fileCount": 1},
            "aliases": [{**each, "artifactCollection": sequence} for each in aliases],
        }
        membership = {
            **{**known, "__typename": "ArtifactCollectionMembership", "artifactCollection": sequence},
            **{"aliases": aliases, "artifact": artifact},
        }
        return {"project": {"artifactCollectionMembership": membership}}

    def _answer_fetch_artifact_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/manifest/{variables['id']}/manifest.json"
        return {"artifact": {"currentManifest": {"file": {"directUrl": url}}}}

    def _answer_get_artifact_membership_file_urls(self, variables: dict[str, Any]) -> dict[str, Any]:
        _, _, number = variables["alias"].rpartition("v")
        key = self._versions(variables["collection"])[int(number)]
        edges = [
            {"node": {"__typename": "File", "name": name, "directUrl": f"{self.url}/artifact/{key}/{name}"}}
            for name in self.artifacts[key]["files"]
        ]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        membership = {"files": {"pageInfo": page, "edges": edges}}
        collection = {"__typename": "ArtifactSequence", "artifactMembership": membership}
        return {"project": {"artifactCollection": collection}}

    def _versions(self, collection: str) -> list[str]:
        """Return the artifacts of a collection, from its oldest version."""
        return [key for key, found in self.artifacts.items() if found["name"] == collection]

    def _answer_server_features_query(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _answer_upsert_bucket(self, variables: dict[str, Any]) -> dict[str, Any]:
        name, project = variables["name"], variables.get("project") or "segrnn"
        self.runs[name] |= {key: value for key, value in variables.items() if value is not None}
        owner = {"id": "p", "name": project, "entity": {"id": "e", "name": "me"}}
        known = {"id": name, "name": name, "displayName": variables.get("displayName") or name, "description": ""}
        bucket = {**known, "config": "{}", "sweepName": None, "historyLineCount": 0, "project": owner}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _answer_run_resume_status(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables["name"]
        if name not in self.runs:
            return {"model": {"id": "p", "name": "segrnn", "entity": {"id": "e", "name": "me"}, "bucket": None}}
        tail = json.dumps([json.dumps(line) for line in self.history[name][-1:]])
        bucket = {
            **{
                "id": name,
                "name": name,
                "displayName": self.runs[name].get("displayName", name),
                "tags": [],
                "notes": "",
            },
            **{
                "summaryMetrics": json.dumps(self.runs[name].get("summary", {})),
                "logLineCount": 0,
                "eventsLineCount": 0,
            },
            **{"historyLineCount": len(self.history[name]), "historyTail": tail, "eventsTail": "[]"},
            **{"config": self.runs[name].get("config", "{}"), "wandbConfig": "{}"},
        }
        return {"model": {"id": "p", "name": "segrnn", "entity": {"id": "e", "name": "me"}, "bucket": bucket}}

    def _answer_create_run_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = variables["run"]
        files = [{"name": name, "uploadUrl": f"{self.url}/run/{run}/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}

    def _answer_artifact_type(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"project": {"artifact": None}}

    def _answer_create_artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        given = variables["input"]
        key = f"a{len(self.artifacts)}"
        aliases = [alias["alias"] for alias in given.get("aliases") or []]
        self.artifacts[key] = {
            **{"type": given["artifactTypeName"], "name": given["aliases"][0]["artifactCollectionName"]},
            **{"aliases": aliases, "run": given.get("runName"), "metadata": given.get("metadata"), "files": {}},
        }
        return {
            "createArtifact": {
                "artifact": {"id": key, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
            }
        }

    def _answer_create_artifact_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"createArtifactManifest": self._manifest(variables["artifactID"])}

    def _answer_update_artifact_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"updateArtifactManifest": self._manifest(variables["artifactManifestID"])}

    def _manifest(self, key: str) -> dict[str, Any]:
        file = {"id": key, "uploadUrl": f"{self.url}/manifest/{key}/manifest.json", "uploadHeaders": []}
        return {"artifactManifest": {"id": key, "file": file}}

    def _answer_create_artifact_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        edges = []
        for spec in variables["input"]["artifactFiles"]:
            key, name = spec["artifactID"], spec["name"]
            node = {
                "storagePath": f"{key}/{name}",
                "uploadUrl": f"{self.url}/artifact/{key}/{name}",
                "uploadHeaders": [],
            }
            edges.append({"node": {**node, "uploadMultipartUrls": None, "artifact": {"id": key}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _answer_commit_artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.artifacts[variables["artifactID"]]["committed"] = True
        return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "d"}}}


@contextmanager
def serve_wandb() -> Iterator[WandbService]:
    """Run the service."""
    service = WandbService()
    thread = Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()
