"""A program in a host of its own: start, stop, kill, log."""

import resource
import signal
import subprocess
import time
from pathlib import Path


def tail(path, lines):
    """The last lines of a file, for a report of a failure."""
    try:
        return Path(path).read_text(errors="replace").splitlines()[-lines:]
    except OSError as error:
        return [str(error)]


class Process:
    """A program in a host."""

    def __init__(self, host, argv, logs):
        self.host, self.name, self.argv = host, host.name, [str(word) for word in argv]
        self.log = Path(logs) / f"{self.name}.log"
        self.running, self.read, self.stopping = None, 0, False

    def new_faults(self):
        """Panics and faults in its log since the last call, a full disk is none: while it ran, and while it stopped."""
        running, stopping = [], []
        with open(self.log, "rb") as log:
            log.seek(self.read)
            lines = log.read().decode(errors="replace").splitlines()
            self.read = log.tell()
        for line in lines:
            if line == "stopping" or line.startswith("--- start"):
                self.stopping = line == "stopping"
            elif "panicked" in line or "why=a fault" in line:
                (stopping if self.stopping else running).append(f"{self.name}: {line[:300]}")
        return running, stopping

    def start(self, env=None):
        """Starts it with further environment; `LD_PRELOAD` reaches the program and not the tools around it."""
        wrap = ["env", *[f"{key}={value}" for key, value in (env or {}).items()], "NO_COLOR=1"]
        with open(self.log, "ab") as log:
            log.write(f"--- start {time.time():.3f} {env or ''}\n".encode())
            log.flush()
            # A session of its own: Ctrl-C at the terminal is for the runner, not for it.
            self.running = subprocess.Popen(
                self.host.argv(wrap + self.argv),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def alive(self):
        return self.running is not None and self.running.poll() is None

    def kill(self):
        """SIGKILL, as a power cut: nothing is written any more."""
        if self.alive():
            self.running.kill()
            self.running.wait()

    def stop(self, seconds=30):
        """Ctrl-C, and SIGKILL if that is not enough; whether it ended well by itself, and the seconds that took."""
        if not self.alive():
            return True, 0.0
        start = time.monotonic()
        self.running.send_signal(signal.SIGINT)
        try:
            return self.running.wait(seconds) == 0, time.monotonic() - start
        except subprocess.TimeoutExpired:
            self.kill()
            return False, time.monotonic() - start

    def resident_mib(self):
        """Resident memory, MiB."""
        with open(f"/proc/{self.running.pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
