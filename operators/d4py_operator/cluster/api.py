# SPDX-License-Identifier: Apache-2.0
"""Requests to a cluster's API, by the official client: its configuration, its tokens and certificates, its connections. Objects are plain data."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config
from kubernetes.config import ConfigException

from d4py_operator.cluster.errors import ApiError, ClusterError, api_error
from d4py_operator.cluster.kinds import KINDS, collection, place
from d4py_operator.objects import MANAGER, Key, Object, key_of

_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_NO_RETRIES = urllib3.Retry(0, redirect=0, raise_on_status=False)
_PAGE = 100  # objects: a page is held whole, as text and as data, before anything of it is left out
_SHOWN = 300


def configuration(kubeconfig: str | None) -> client.Configuration:
    """Return how a cluster is reached: by a file, as a pod of it, or as kubectl would. Raises ClusterError."""
    found = client.Configuration()
    try:
        if kubeconfig is None and Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists():
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(config_file=kubeconfig, client_configuration=found)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
        where = kubeconfig or "the usual places"
        raise ClusterError(
            f"No cluster can be found by {where}: {' '.join(str(error).split())[:_SHOWN]}.",
            hint="Give one that kubectl can use: --kubeconfig FILE.",
        ) from None
    return found


class Api:
    """A cluster's API."""

    def __init__(self, found: client.Configuration) -> None:
        found.connection_pool_maxsize = 32
        self._client = client.ApiClient(found)
        self._host = found.host.rstrip("/")
        self._pool: urllib3.PoolManager = self._client.rest_client.pool_manager
        self._counting = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()  # requests by verb and answer

    # --- requests

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Any:
        """Return the object that is answered. Raises ApiError where that is no success, ClusterError where nothing is, or no object."""
        response = self._send(method, path, query or {}, body, content, _TIMEOUT, preload=True)
        try:
            found = json.loads(response.data)
        except ValueError:
            found = None
        if not isinstance(found, dict):  # a proxy may answer anything
            raise ClusterError(f"{self._host} answers {method} {path} with {response.status} and no object.")
        return found

    def _send(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, content: str, timeout: Any, *, preload: bool
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": MANAGER, "Content-Type": content}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        try:
            response = self._pool.request(
                method, url, body=data, headers=headers, timeout=timeout, preload_content=preload, retries=_NO_RETRIES
            )
        except urllib3.exceptions.HTTPError as error:
            self._count(method, "none")
            raise ClusterError(f"{self._host} does not answer: {' '.join(str(error).split())[:_SHOWN]}.") from None
        self._count(method, str(response.status))
        if response.status >= 400:
            raise api_error(response.status, response.data, response.headers.get("Retry-After"))
        return response

    def _count(self, method: str, answer: str) -> None:
        with self._counting:
            self.counts[method, answer] += 1

    # --- objects

    def list(
        self, kind: str, namespace: str, labels: str = "", *, kept: Callable[[Object], Object] = lambda thing: thing
    ) -> tuple[list[Object], str]:
        """Return all objects of a kind, and the resource version that a watch goes on from. kept: returns what is kept of one."""
        found: list[Object] = []
        query: dict[str, Any] = {"limit": _PAGE, **({"labelSelector": labels} if labels else {})}
        while True:
            page = self.request("GET", collection(kind, namespace), query=query)
            for item in page["items"]:
                item["kind"] = kind
                found.append(kept(item))
            query["continue"] = page["metadata"].get("continue")
            if not query["continue"]:
                return found, page["metadata"]["resourceVersion"]

    def watch(
        self, kind: str, namespace: str, version: str, labels: str, seconds: int, opened: Callable[[Any], None]
    ) -> Iterator[Object]:
        """Yield what changes, for so long. Raises ApiError 410 where the version is too old. opened: is given what can be shut down."""
        query: dict[str, Any] = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
            **({"labelSelector": labels} if labels else {}),
        }
        timeout = urllib3.Timeout(connect=10, read=seconds + 10)
        response = self._send(
            "GET", collection(kind, namespace), query, None, "application/json", timeout, preload=False
        )
        try:
            opened(response)
            rest = b""
            for piece in response.stream(1 << 16):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line:
                        yield self._event(json.loads(line), kind)
        except ApiError:
            raise
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise ClusterError(f"The watch of {kind} broke off: {' '.join(str(error).split())[:_SHOWN]}.") from None
        finally:
            response.close()

    @staticmethod
    def _event(event: Object, kind: str) -> Object:
        thing = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(thing.get("code", 500), thing.get("reason", ""), thing.get("message", ""))
        thing["kind"] = kind
        return event

    def get(self, key: Key) -> Object:
        """Return an object. Raises ApiError 404 where there is none."""
        found: Object = self.request("GET", place(key))
        return found

    def apply(self, thing: Object) -> Object:
        """Have an object be as it is given, server-side; return it."""
        return self._patch(place(key_of(thing)), thing)

    def apply_status(self, workflow: Object, status: Object) -> Object:
        """Have the status of an object be this, unless the object has changed meanwhile (ApiError 409); return it."""
        metadata = {name: workflow["metadata"][name] for name in ("name", "namespace", "resourceVersion", "uid")}
        body = {"kind": workflow["kind"], "metadata": metadata, "status": status}
        return self._patch(f"{place(key_of(workflow))}/status", body)

    def _patch(self, path: str, thing: Object) -> Object:
        body = {"apiVersion": KINDS[thing["kind"]].api_version, **thing}
        query = {"fieldManager": MANAGER, "force": "true"}
        found: Object = self.request("PATCH", path, query=query, body=body, content="application/apply-patch+yaml")
        return found

    def create(self, thing: Object) -> Object:
        """Make an object that is not there yet (ApiError 409); return it."""
        key = key_of(thing)
        body = {"apiVersion": KINDS[key.kind].api_version, **thing}
        made: Object = self.request(
            "POST", collection(key.kind, key.namespace), query={"fieldManager": MANAGER}, body=body
        )
        return made

    def delete(self, key: Key, uid: str) -> None:
        """Delete an object and, in the background, what it owns; nothing where it is gone already."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self.request("DELETE", place(key), body=body)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def serves(self, kind: str) -> bool:
        """Whether the cluster knows a kind."""
        try:
            known = self.request("GET", f"/{KINDS[kind].base}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        found = known.get("resources")
        return isinstance(found, list) and any(each.get("name") == KINDS[kind].plural for each in found)

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.clear()
