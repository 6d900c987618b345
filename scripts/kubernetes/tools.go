// SPDX-License-Identifier: Apache-2.0

//go:build tools

// The commands that are built straight from their modules; named here so that go.mod keeps them.
package tools

import (
	_ "github.com/kubeflow/mpi-operator/cmd/mpi-operator"
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
