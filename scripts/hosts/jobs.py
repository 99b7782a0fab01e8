"""Jobs, by the command line as a renter runs them."""

import json
import subprocess
import time
from pathlib import Path

from load import Sender

TIMEOUT_S = 150
RESUMES = 4


class Jobs(Sender):
    """One renter that submits a job, stays until its result is verified, and goes on. A command that fails, because
    the node it spoke to died for instance, is gone on with by `job resume` at another node."""

    what = "a job of"

    def __init__(self, load, assay, host, keys, wallet, program, directory):
        super().__init__(load, wallet)
        self.assay, self.host, self.keys, self.program, self.dir = assay, host, keys, program, Path(directory)
        self.number, self.verified, self.failed, self.said = 0, 0, 0, []

    def step(self, pick=None):
        """One job, at nodes that `pick` gives; whether its result is verified."""
        pick = pick or self.load.pick
        self.number += 1
        home = self.dir / f"job-{self.number}"
        home.mkdir(parents=True)
        (home / "input").write_text(f"{self.host.name} {self.number} one two three")
        submit = ["submit", self.program, "--abi", "wasi", "--input", home / "input", "--wait", "--timeout", TIMEOUT_S]
        code = self.command(submit, home, pick())
        for attempt in range(RESUMES):
            if code == 0 or self.load.ended.is_set():
                break
            time.sleep(1 + attempt)
            made = [path.parent for path in (home / "jobs").glob("*/job.json")]
            code = self.command(["resume", made[0]] if made else submit, home, pick())
        self.verified += code == 0
        self.failed += code != 0
        return code == 0

    def command(self, argv, home, node):
        """Runs `assay job` at a node; its exit code."""
        whole = [
            self.assay, "--output", "json", "job", *argv,
            "--rpc", node.rpc.url, "--keys", self.keys, "--jobs-dir", home / "jobs",
        ]
        running = subprocess.Popen(self.host.argv(whole), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = running.communicate(timeout=TIMEOUT_S + 30)
        except subprocess.TimeoutExpired:
            running.kill()
            out, err = running.communicate()
            err += " (killed after its own timeout)"
        if running.returncode:
            self.said.append(f"{argv[0]} at {node.name}, exit {running.returncode}: {' '.join(err.split())[:300]}")
        elif not json.loads(out).get("verified", True):
            self.said.append(f"{argv[0]} ended well but is not verified: {out[:200]}")
        return running.returncode
