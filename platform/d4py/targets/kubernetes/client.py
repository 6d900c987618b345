# SPDX-License-Identifier: Apache-2.0
"""A cluster as the user's kubeconfig names it. What it refuses is told in one line, with the remedy."""

from __future__ import annotations

import json
import re
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError, UnknownRun, UsageError
from d4py.resources import APPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WORKFLOWS = {"group": "d4py.dev", "version": "v1alpha1", "plural": "workflows"}
_PATIENCE = (5.0, 30.0)  # seconds to connect, and to answer
_MISSING = 404
_ALL = "*"  # no run is called so
_STDOUT, _STDERR, _ENDED = 1, 2, 3  # channels of a command in a pod
_SILENCE, _GOODBYE = 120.0, 3.0  # seconds
_QUIET = (
    5.0,
    60.0,
)  # seconds to connect, and after which it is asked whether a log that says nothing is still connected
_STRICT = "strict decoding error: "  # what comes before it says nothing
_KIND = re.compile(r'^Invalid value: "(?:object|array|string|integer|number|boolean)": ')
_SHAKEN = re.compile(r"Handshake status (\d{3})")

Object = dict[str, Any]


class ClusterError(UsageError):
    """The cluster cannot be reached, or refuses."""


class Forbidden(ClusterError):
    """Whoever asks has no right to."""


class Unreachable(ClusterError):
    """The cluster does not answer, now."""


class Cluster:
    """What is asked of a cluster in the user's name, of one namespace."""

    def __init__(self, *, namespace: str | None = None) -> None:
        """Read the kubeconfig. Raises ClusterError where it names no cluster."""
        try:
            from kubernetes import client, config
        except ImportError:
            raise UsageError("This d4py has no client of Kubernetes.", hint="pip install 'd4py[kubernetes]'.") from None
        try:
            _, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
            api = config.new_client_from_config()  # type: ignore[no-untyped-call]
        except Exception as error:  # what it raises of a file that is none is that of whoever reads on
            why = "the kubeconfig cannot be read: " * (not isinstance(error, config.ConfigException))
            raise ClusterError(
                f"There is no cluster to ask: {why}{' '.join(str(error).split()).rstrip('.')}.",
                hint="Set KUBECONFIG, or log in so that kubectl get pods works.",
            ) from None
        self.namespace = namespace or active["context"].get("namespace") or "default"
        self._api, self._server = api, str(api.configuration.host)
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)

    def create(self, workflow: Object) -> Object:
        """Create a workflow. A field that it does not have is refused: a cluster would drop it."""
        ask = partial(self._objects.create_namespaced_custom_object, field_validation="Strict")
        made: Object = self._asked("create workflows", ask, **_WORKFLOWS, namespace=self.namespace, body=workflow)
        return made

    def get(self, name: str) -> Object:
        """Return a workflow. Raises UnknownRun."""
        ask = self._objects.get_namespaced_custom_object
        where = {**_WORKFLOWS, "namespace": self.namespace, "name": name}
        found: Object = self._asked("see workflows", ask, **where, called=name)
        return found

    def all(self, *, everywhere: bool = False) -> list[Object]:
        """Return the workflows of the namespace, or of all."""
        if everywhere:
            found = self._asked("list workflows", self._objects.list_cluster_custom_object, called=_ALL, **_WORKFLOWS)
        else:
            ask = self._objects.list_namespaced_custom_object
            found = self._asked("list workflows", ask, **_WORKFLOWS, namespace=self.namespace)
        items: list[Object] = found["items"]
        if not items and not everywhere:
            self._see_namespace()  # one that there is not has no workflows either
        return items

    def _see_namespace(self) -> None:
        """Raise ClusterError where the namespace is not there; who may not look at it has no answer."""
        with suppress(Forbidden):
            self._asked("see namespaces", self._core.read_namespace, self.namespace)

    def patch(self, name: str, body: Object) -> Object:
        """Change a workflow."""
        ask = self._objects.patch_namespaced_custom_object
        where = {**_WORKFLOWS, "namespace": self.namespace, "name": name}
        changed: Object = self._asked("change workflows", ask, **where, body=body, called=name)
        return changed

    def delete(self, name: str) -> None:
        """Delete a workflow, and with it all that was made for it."""
        ask = self._objects.delete_namespaced_custom_object
        self._asked("delete workflows", ask, **_WORKFLOWS, namespace=self.namespace, name=name, called=name)

    def create_config_map(self, body: Object) -> None:
        """Create a ConfigMap."""
        self._asked("create configmaps", self._core.create_namespaced_config_map, self.namespace, body)

    def own_config_map(self, name: str, owner: Object) -> None:
        """Let a ConfigMap go when its owner does."""
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        body = {"metadata": {"ownerReferences": [reference]}}
        self._asked("change configmaps", self._core.patch_namespaced_config_map, name, self.namespace, body)

    def delete_config_map(self, name: str) -> None:
        """Delete a ConfigMap."""
        self._asked("delete configmaps", self._core.delete_namespaced_config_map, name, self.namespace)

    def create_pod(self, body: Object) -> None:
        """Create a pod."""
        self._asked("create pods", self._core.create_namespaced_pod, self.namespace, body)

    def delete_pod(self, name: str) -> None:
        """Delete a pod, without waiting."""
        self._asked("delete pods", self._core.delete_namespaced_pod, name, self.namespace, grace_period_seconds=0)

    def pod(self, name: str) -> Object:
        """Return a pod."""
        found: Object = self._api.sanitize_for_serialization(
            self._asked("see pods", self._core.read_namespaced_pod, name, self.namespace)
        )
        return found

    def pods(self, selector: str) -> list[Object]:
        """Return pods by their labels, the oldest first."""
        found = self._asked("list pods", self._core.list_namespaced_pod, self.namespace, label_selector=selector)
        pods: list[Object] = self._api.sanitize_for_serialization(found.items)
        return sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def log(
        self, pod: str, *, follow: bool = False, last: int | None = None, since: int | None = None
    ) -> Iterator[str]:
        """Yield the lines that a pod has printed, in the last so many seconds. follow: until it ends, each after its time."""
        more: Object = {"follow": True, "timestamps": True} if follow else {}
        if since is not None:
            more["since_seconds"] = since
        if last is not None:
            more["tail_lines"] = last
        ask = self._core.read_namespaced_pod_log
        patience = _QUIET if follow else _PATIENCE
        answer = self._asked(
            "read the logs of pods", ask, pod, self.namespace, **more, _preload_content=False, _request_timeout=patience
        )
        with closing(answer):
            rest = b""
            for block in self._blocks(answer):
                *lines, rest = (rest + block).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
            if rest:
                yield rest.decode("utf-8", "replace")

    def _blocks(self, answer: Any) -> Iterator[bytes]:
        """Yield an answer as it comes. Raises Unreachable where it is cut off."""
        from urllib3.exceptions import HTTPError

        try:
            yield from answer.stream(1 << 16, decode_content=True)
        except HTTPError as error:
            raise self._silent(error) from None

    def _silent(self, error: Exception) -> Unreachable:
        reason = getattr(error, "reason", None) or error
        return Unreachable(
            f"The cluster at {self._server} does not answer: {_last_words(str(reason))}.",
            hint="Check the context of your kubeconfig: kubectl config get-contexts.",
        )

    def said(self, pod: str, command: list[str]) -> Iterator[bytes]:
        """Run a command in a pod; yield what it prints, block by block, as fast as it is taken. Raises StateError where it fails."""
        from kubernetes.stream import stream
        from websocket import ABNF, WebSocketException

        ask = partial(stream, self._core.connect_get_namespaced_pod_exec)
        words: Object = {"command": command, "stdout": True, "stderr": True, "binary": True, "_preload_content": False}
        socket = self._asked("run commands in pods", ask, pod, self.namespace, **words).sock
        socket.settimeout(_SILENCE)
        told = {_STDERR: b"", _ENDED: b""}
        try:
            while True:
                kind, frame = socket.recv_data_frame(True)
                if kind == ABNF.OPCODE_CLOSE:
                    break
                if kind != ABNF.OPCODE_BINARY or not frame.data:
                    continue
                channel, data = frame.data[0], frame.data[1:]
                if channel == _STDOUT and data:
                    yield data
                elif channel in told:
                    told[channel] += data
        except (WebSocketException, OSError) as error:
            raise StateError(f"The pod {pod!r} cannot be heard any more: {error}.", hint="Try again.") from None
        finally:
            socket.close(timeout=_GOODBYE)
        ended = json.loads(told[_ENDED] or b"{}")
        if ended.get("status") != "Success":
            why = " ".join(told[_STDERR].decode("utf-8", "replace").split()) or str(
                ended.get("message") or "it is gone"
            )
            raise StateError(f"The pod {pod!r} cannot do it: {why.rstrip('.')}.", hint="See that the claim is whole.")

    def _asked(self, what: str, ask: Callable[..., Any], *words: Any, called: str = "", **more: Any) -> Any:
        """Return what the cluster answers. called: the run that this is about."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return ask(*words, **{"_request_timeout": _PATIENCE, **more})
        except ApiException as error:
            refused = _SHAKEN.search(str(error.reason))  # where a connection was to be opened, nothing else says it
            status = int(refused[1]) if refused else error.status or 0
            raise self._refusal(what, called, status, str(error.body or error.reason)) from None
        except HTTPError as error:
            raise self._silent(error) from None

    def _refusal(self, what: str, called: str, status: int, body: str) -> Exception:
        told = _status(body)
        message = _reasons(told) or " ".join(str(told.get("message") or body).split()).rpartition(_STRICT)[2]
        if status == _MISSING and "message" not in told:
            return ClusterError(
                f"The cluster at {self._server} has no workflows: d4py's custom resources are not installed there.",
                hint=f"Install them: helm install d4py helm/d4py, or {APPLY}",
            )
        if status == _MISSING and called:
            return UnknownRun(
                f"There is no workflow {called!r} in the namespace {self.namespace!r}.",
                hint="d4py list --kubernetes shows those that there are.",
            )
        rights = f"Ask for the role edit in the namespace {self.namespace!r}, or name another with --namespace."
        hints = {
            400: "kubectl explain d4wf.spec shows which fields there are.",
            401: "Log in again.",
            404: "kubectl get namespaces shows those that there are.",
            409: "Choose another --run-id.",
        }
        if status == 403 and called == _ALL:
            return Forbidden(f"You may not {what} of all namespaces.", hint="Name one with --namespace.")
        if status == 403 and _about_rights(message, told):
            return Forbidden(f"You may not {what} in the namespace {self.namespace!r}.", hint=rights)
        kind = StateError if status == 409 else ClusterError
        if status == 400 and "unknown field" not in message:
            hints.pop(400)
        return kind(f"The cluster refuses: {message.rstrip('.')}.", hint=hints.get(status, ""))


def _about_rights(message: str, told: Object) -> bool:
    """Whether who asked lacks the right: quotas, policies and webhooks answer 403, too, and say why."""
    return "message" not in told or bool(re.search(r'User ".*" cannot ', message))


def _status(body: str) -> Object:
    """Return what Kubernetes says of a refusal; nothing where it did not say it."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) and told.get("kind") == "Status" else {}


def _reasons(told: Object) -> str:
    """Return which fields are wrong, and why; nothing where it is not about fields."""
    causes = (told.get("details") or {}).get("causes") or []
    about = [f"{cause['field']}: {_plain(cause)}" for cause in causes if cause.get("field", "<nil>") != "<nil>"]
    return " ".join("; ".join(about).split())


def _plain(cause: Object) -> str:
    """Return what is wrong with a field, without its name again and without the kind of thing that it is."""
    return _KIND.sub("", str(cause["message"])).replace(f"{cause['field']} in body ", "")


def _last_words(text: str) -> str:
    """Return an error of a library as part of a line."""
    line = " ".join(text.split())
    for mark in (">: ", "): "):
        line = line.rpartition(mark)[2] or line
    return line.strip().rstrip(".") or "no reason given"
