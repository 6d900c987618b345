# SPDX-License-Identifier: Apache-2.0
"""A Slurm with accounting: slurmdbd, and a MariaDB of its own on a unix socket."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.slurm import cluster
from tests.slurm.cluster import Cluster

PORT = cluster.PORT + 2
NONE = "AccountingStorageType=accounting_storage/none"
ACCOUNT = "pn12ab"  # to which jobs may be charged that ask for it
FORGETS = 5  # seconds after which a job that has ended is unknown to the controller

CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
LogFile={root}/slurmdbd.log
PidFile={root}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""


class Accounted(Cluster):
    """A cluster whose jobs are accounted for, and soon forgotten by all others."""

    @property
    def conf(self) -> str:
        """What slurm.conf says."""
        where = f"AccountingStorageHost=127.0.0.1\nAccountingStoragePort={PORT}\nAccountingStoragePass={self.root}/munge.sock"
        text = super().conf.replace(NONE, f"AccountingStorageType=accounting_storage/slurmdbd\n{where}")
        return text.replace("MinJobAge=300", f"MinJobAge={FORGETS}")

    @property
    def unaccounted(self) -> Path:
        """A slurm.conf for clients that know of no accounting."""
        folder = self.root / "unaccounted"
        folder.mkdir(exist_ok=True)
        (folder / "slurm.conf").write_text(super().conf)
        return folder / "slurm.conf"

    def prepare(self) -> None:
        """Start the database, and what writes into it."""
        room = self.root / "db"
        room.mkdir()
        shutil.chown(room, "mysql")
        self.root.chmod(0o755)
        plain = ("--no-defaults", "--user=mysql", f"--datadir={room}/data")
        made = ["mariadb-install-db", *plain, "--auth-root-authentication-method=socket", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True)
        sizes = ("--skip-networking", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M")
        self._start("mariadbd", "mariadbd", *plain, f"--socket={room}/socket", *sizes)
        create = ["mariadb", "--no-defaults", f"--socket={room}/socket", "-e", "create database slurm_acct_db"]
        self._await(lambda: not subprocess.run(create, capture_output=True, check=False).returncode, "MariaDB")
        conf = self.root / "slurmdbd.conf"
        conf.write_text(CONF.format(root=self.root, host=self.host, port=PORT))
        conf.chmod(0o600)
        self.environment["MYSQL_UNIX_PORT"] = f"{room}/socket"
        self._start("slurmdbd", "slurmdbd", "-D")
        add = ["sacctmgr", "--immediate", "add", "cluster", "mini"]
        self._await(
            lambda: not subprocess.run(add, env=self.environment, capture_output=True, check=False).returncode,
            "slurmdbd",
        )
        for words in (("account", ACCOUNT), ("user", "root", f"account={ACCOUNT}")):
            subprocess.run(
                ["sacctmgr", "--immediate", "add", *words], env=self.environment, check=True, capture_output=True
            )
