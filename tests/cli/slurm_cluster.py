"""A real Slurm cluster of one node for a test: own folders, ports and munge key, loopback only, gone with the test.

Nothing of an installed Slurm or munge is read or changed. Three daemons (munged, slurmctld, slurmd) run as children of the test and die
with it."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

CLONE_NEWUTS = 0x04000000  # <sched.h>

# Without No*InAddrAny the daemons listen on every address. Process tracking and accounting do without cgroups, which a container may keep
# from us.
SLURM_CONF = """
ClusterName=saltus
SlurmctldHost={host}({address})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MaxArraySize={max_array_size}
KillWait=10
NodeName={host} NodeAddr={address} CPUs={cpus} State=UNKNOWN
PartitionName=tiny Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Why no cluster can be started here; None when one can."""
    if os.geteuid() != 0:
        return "a Slurm cluster for a test needs root"
    programs = [p for p in ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel") if not shutil.which(p)]
    if programs:
        return f"not installed: {', '.join(programs)} (Debian: slurm-wlm munge)"
    return None


def rename_host():
    """Lets this process and its children, and nobody else, see a host named localhost: the daemons listen on what their host's name
    resolves to, which must be the loopback. Raises OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"own host name: {os.strerror(error)}")
    socket.sethostname("localhost")


def free_ports(n):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class SlurmCluster:
    """cluster = SlurmCluster(); ...; cluster.stop(). `environment` is what Slurm's commands need to find it."""

    def __init__(self, cpus=2, max_array_size=1001):
        self.folder = tempfile.mkdtemp(prefix="saltus-slurm-")
        self.daemons = []
        self.environment = dict(os.environ, SLURM_CONF=f"{self.folder}/slurm.conf")
        try:
            self._start(cpus, max_array_size)
        except BaseException:
            self.stop()
            raise

    def _start(self, cpus, max_array_size):
        with open(os.open(f"{self.folder}/munge.key", os.O_WRONLY | os.O_CREAT, 0o400), "wb") as key:
            key.write(os.urandom(1024))
        os.mkdir(f"{self.folder}/state")
        os.mkdir(f"{self.folder}/spool")
        controller_port, node_port = free_ports(2)
        with open(f"{self.folder}/slurm.conf", "w") as conf:
            conf.write(SLURM_CONF.format(host="localhost", address="127.0.0.1", folder=self.folder, controller_port=controller_port,
                                         node_port=node_port, cpus=cpus, max_array_size=max_array_size))
        f = self.folder
        # --force: the socket may stand in a folder that is closed to others, since only root talks here.
        self._daemon("munged", "--foreground", "--force", f"--socket={f}/munge.socket", f"--key-file={f}/munge.key", f"--pid-file={f}/munged.pid",
                     f"--log-file={f}/munged.log", f"--seed-file={f}/munged.seed")
        self.wait_for(lambda: os.path.exists(f"{f}/munge.socket"), 10, "munged to open its socket")
        self._daemon("slurmctld", "-D", "-c", "-f", f"{f}/slurm.conf")
        self._daemon("slurmd", "-D", "-N", "localhost", "-f", f"{f}/slurm.conf")
        self.wait_for(lambda: self.command("sinfo", "--noheader", "--format=%T", check=False).strip() == "idle", 30, "the node to be idle")

    def _daemon(self, name, *args):
        log = open(f"{self.folder}/{name}.out", "wb")
        # A test that is killed takes its daemons along.
        self.daemons.append(subprocess.Popen(["setpriv", "--pdeathsig", "TERM", name, *args], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                             env=self.environment))
        log.close()

    def logs(self):
        """The end of every daemon's log, for a test that fails."""
        text = ""
        for name in ("munged", "slurmctld", "slurmd"):
            if os.path.exists(f"{self.folder}/{name}.out"):
                with open(f"{self.folder}/{name}.out", errors="replace") as f:
                    text += f"--- {name}\n" + "".join(f.readlines()[-25:])
        return text

    def wait_for(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            dead = [d.args[3] for d in self.daemons if d.poll() is not None]
            if dead or time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s for {what}{'; died: ' + ', '.join(dead) if dead else ''}\n{self.logs()}")
            time.sleep(0.05)

    def command(self, *args, check=True):
        """Runs one of Slurm's commands; returns what it prints."""
        done = subprocess.run(args, capture_output=True, text=True, env=self.environment, timeout=30)
        if check and done.returncode != 0:
            raise RuntimeError(f"{args}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def queue(self):
        """{(array job, task index): state} of every task that waits, runs or ends just now; the index is "N/A" outside arrays."""
        lines = self.command("squeue", "--noheader", "--array", "--format=%F %K %T").splitlines()
        return {(int(job), int(task) if task.isdigit() else task): state for job, task, state in map(str.split, lines)}

    def stop(self):
        """Cancels what is left and stops the daemons, last started first."""
        if len(self.daemons) == 3 and all(d.poll() is None for d in self.daemons) and self.queue():
            self.command("scancel", "--signal=KILL", "--full", "--partition=tiny", check=False)
            self.command("scancel", "--partition=tiny", check=False)
            self.wait_for(lambda: not self.queue(), 30, "the queue to empty")
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder)
