# SPDX-License-Identifier: Apache-2.0
"""A new pair of ssh keys for the pods of one run. Nobody keeps it but their Secret."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def pair() -> dict[str, str]:
    """Return the data of a Secret: the names are those that the MPI Operator uses."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    files = {"id_rsa": secret, "id_rsa.pub": public, "authorized_keys": public}
    return {name: base64.b64encode(text).decode() for name, text in files.items()}
