# SPDX-License-Identifier: Apache-2.0
"""The only part that talks to a cluster: requests, caches that watches keep fresh, the lease that one of several operators holds."""
