# SPDX-License-Identifier: Apache-2.0
"""A workflow as a container image: what goes into it, in which layers, and the image on disk as an OCI layout.

`spec` and `context` say what a workflow wants in its image, `base` what there is to put it on, `plan` which layers that makes. An engine carries a
plan out; `native` needs no daemon and no root. `store` keeps images by name. Nothing here runs a workflow.
"""
