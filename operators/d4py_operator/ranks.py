# SPDX-License-Identifier: Apache-2.0
"""What ranks in several pods need, whoever starts them: a way to each other by ssh, and the word of how many there are to be."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from d4py_operator.command import told
from d4py_operator.pods import VARIABLES, environment

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

SSH, PORT = "/d4py/ssh", 2222
_CLIENT = [
    "ssh", "-p", str(PORT), "-i", f"{SSH}/id_rsa", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectionAttempts=20",
]  # fmt: skip
# A session knows nothing of its container's environment; mpiexec gives it to ranks, but what starts them must be found first.
SERVER = f"""/usr/sbin/sshd -De -p {PORT} -h {SSH}/id_rsa -o UsePAM=no -o LogLevel=FATAL -o StrictModes=no -o PidFile=none \
-o AuthorizedKeysFile={SSH}/authorized_keys -o PasswordAuthentication=no -o "SetEnv=PATH=$PATH LD_LIBRARY_PATH=${{LD_LIBRARY_PATH:-}}\""""

# Names are known a little later than pods, and servers of names keep for seconds that they did not know one: who was told so by one of them
# asks until chance has asked all. What no name comes of in time is left to ssh and to MPI to tell.
_KNOWN = """python3 -c 'import re, socket, time
until = time.monotonic() + float("{within}")
hosts = [(re.split("[ :]", line)[0], {port}) for line in open("{hosts}")]
for host, port in [*hosts{more}]:
    often = 1
    while time.monotonic() < until:
        try:
            for _ in range(often):
                socket.getaddrinfo(host, port)
            if port:
                socket.create_connection((host, port), 2).close()
            break
        except OSError:
            often = 8
            time.sleep(0.5)' &
wait "$!"
"""
HOME = 'mkdir -p "$HOME" || :\n'  # of sessions

# mpiexec passes on what it is told by name, and names that come from objects are known in the pod only.
_FURTHER = """for file in {variables}/*/*; do
    case ${{file##*/}} in *[!A-Za-z0-9_]* | [0-9]*) ;; *) set -- -x "${{file##*/}}" "$@" ;; esac
done
"""


def known(hosts: str, seconds: float, service: str = "") -> str:
    """Return what waits for pods to be known and to listen, in shell. hosts: the file that names them; service: under which they are to know this one, too."""
    more = f', (socket.gethostname() + ".{service}", None)' if service else ""
    return _KNOWN.format(within=seconds, port=PORT, hosts=hosts, more=more)


def served() -> str:
    """Return what has ranks started in a pod until it is told to end, in shell."""
    return f'{HOME}{told(SERVER)}exit "$code"\n'


def listening() -> Object:
    """Return how it is seen that such a pod is ready."""
    return {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60}


def variables(run: Run) -> list[Object]:
    """Return what ranks and those who start them are told. A world of another size refuses to run."""
    client = shlex.join(_CLIENT)
    told = {
        "D4PY_RANKS": str(run.ranks),
        "D4PY_NODES": str(run.pods),
        "OMPI_MCA_plm_rsh_agent": client,  # Open MPI 4
        "PRTE_MCA_plm_ssh_agent": client,  # Open MPI 5
        # Else they call a pod by the first part of its name, which no resolver knows.
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "PRTE_MCA_prte_keep_fqdn_hostnames": "true",
    }
    if mpich(run):
        told = {name: value for name, value in told.items() if name.startswith("D4PY")}
        told |= {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXTRA_ARGS": shlex.join(_CLIENT[1:])}
    return [{"name": name, "value": value} for name, value in told.items()]


def launch(run: Run, hosts: str) -> list[str]:
    """Return mpiexec and its words. hosts: the file that names the pods."""
    if mpich(run):
        words = ["mpiexec", "-n", str(run.ranks), "-ppn", str(run.slots), "-f", hosts]
        return [*words, "-genv", "D4PY_TERMINATION_LOG", "/dev/stdout"]
    passed = ["D4PY_RANKS", "D4PY_NODES", "PATH"]
    passed += [each["name"] for each in environment(run)]
    words = ["mpiexec", "-n", str(run.ranks), "--hostfile", hosts, "--map-by", f"ppr:{run.slots}:node"]
    for name in passed:
        if name != "D4PY_TERMINATION_LOG":
            words += ["-x", name]
    return [*words, "-x", "D4PY_TERMINATION_LOG=/dev/stdout"]


def passing(run: Run) -> str:
    """Return what gives further words to mpiexec, in shell: variables that ranks are to have."""
    return _FURTHER.format(variables=VARIABLES) if run.spec.env_from and not mpich(run) else ""


def mpich(run: Run) -> bool:
    """Whether ranks are of MPICH, which has words of its own."""
    return run.spec.mpi is not None and run.spec.mpi.implementation == "MPICH"
