# SPDX-License-Identifier: Apache-2.0
"""Rules that somebody has a real cluster check in one namespace: a policy, a webhook that says no, and one that nobody answers."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.operator.hands import Hands, eventually

from d4py_operator.cluster.errors import ApiError

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
JOB = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}}
JOBS = {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"]}
SAYS = "every Job needs the label team"


def _there(hands: Hands) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": hands.namespace}}


def _answer(hands: Hands) -> int:
    try:
        hands.make("Job", "asked", JOB, dry=True)
    except ApiError as error:
        return error.status
    return 201


@contextmanager
def _checked(hands: Hands, answer: int, *things: tuple[str, Any]) -> Iterator[None]:
    """Have rules be there meanwhile. answer: what whoever makes a Job is told then."""
    try:
        for plural, thing in things:
            hands.api.request("POST", f"{ADMISSION}/{plural}", body=thing)
        eventually(lambda: _answer(hands) == answer, f"the rule to answer {answer}")
        yield
    finally:
        for plural, thing in things:
            hands.api.request("DELETE", f"{ADMISSION}/{plural}/{thing['metadata']['name']}")
        eventually(lambda: _answer(hands) == 201, "the rule to be gone")


@contextmanager
def policy(hands: Hands) -> Iterator[None]:
    """Have a ValidatingAdmissionPolicy refuse Jobs meanwhile."""
    name = f"team-{hands.namespace}"
    spec = {
        "matchConstraints": {
            "namespaceSelector": _there(hands),
            "resourceRules": [{**JOBS, "operations": ["CREATE"]}],
        },
        "validations": [{"expression": "'team' in object.metadata.?labels.orValue({})", "message": SAYS}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    with _checked(
        hands,
        422,
        ("validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}),
        ("validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}),
    ):
        yield


def _hook(hands: Hands, name: str, client: Any, *operations: str) -> tuple[str, Any]:
    hook = {
        "name": f"{name}.example.org",
        "clientConfig": client,
        "rules": [{**JOBS, "operations": list(operations)}],
        "namespaceSelector": _there(hands),
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
    return "validatingwebhookconfigurations", {"metadata": {"name": f"{name}-{hands.namespace}"}, "webhooks": [hook]}


@contextmanager
def webhook_away(hands: Hands) -> Iterator[None]:
    """Have the cluster ask a webhook about Jobs meanwhile whose service is not there."""
    client = {"service": {"namespace": hands.namespace, "name": "nobody"}}
    with _checked(hands, 500, _hook(hands, "away", client, "CREATE")):
        yield


@contextmanager
def webhook(hands: Hands, folder: Path, *operations: str) -> Iterator[None]:
    """Have a webhook say no to Jobs meanwhile, without a code, as many do."""
    key, certificate = folder / "hook.key", folder / "hook.crt"
    words = [
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=hook",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    made = ["openssl", "req", "-x509", *words, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _No)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = {
        "url": f"https://127.0.0.1:{server.server_address[1]}/",
        "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
    }
    try:
        with _checked(hands, 400 if "CREATE" in operations else 201, _hook(hands, "no", client, *operations)):
            yield
    finally:
        server.shutdown()
        server.server_close()


class _No(BaseHTTPRequestHandler):
    """Says no."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        no = {"uid": asked["request"]["uid"], "allowed": False, "status": {"message": SAYS}}
        body = json.dumps({"apiVersion": asked["apiVersion"], "kind": asked["kind"], "response": no}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""
