"""Runs the scenarios on real hosts and prints a table; started by hosts.sh in namespaces of its own."""

import argparse
import json
import os
import signal
import sys
import time
import traceback

import membership
import net
import scenarios
from chain import tail
from world import World

# Scenario, function, in the short run.
ALL = [
    ("baseline under load", scenarios.baseline, True),
    ("bad links: latency, loss, 2 Mbit/s", scenarios.bad_links, True),
    ("kill -9 of one validator", scenarios.kill_one, True),
    ("kill -9 of two during load", scenarios.kill_two, True),
    ("partition 5/2", scenarios.partition_5_2, True),
    ("partition 4/3", scenarios.partition_4_3, True),
    ("slow disk", scenarios.slow_disk, True),
    ("clocks a second off", scenarios.clock_skew, True),
    ("full disk", scenarios.full_disk, True),
    ("rolling restart", scenarios.rolling_restart, True),
    ("a new node syncs under load", membership.sync, True),
    ("a validator joins, one leaves", membership.join_and_leave, True),
    ("censorship by two of seven", membership.censorship, True),
    ("sustained load", membership.sustained, False),
]


class Interrupted(BaseException):
    """Asked to end, or out of time."""


def interrupt(number, _frame):
    raise Interrupted("out of time" if number == signal.SIGALRM else f"signal {number}")


def one(world, name, run, seconds):
    """A row of the table: the scenario, then every invariant."""
    row = {"scenario": name, "result": "ok", "recovery_s": None, "agree_s": None, "note": "", "faults": []}
    begin = time.monotonic()
    world.load.go()
    try:
        recovery, row["note"] = run(world, seconds)
        row["recovery_s"] = recovery and round(recovery, 2)
    except membership.Absent as absent:
        row["result"], row["note"] = "not shown", str(absent)
    except scenarios.Broken as broken:
        row["faults"].append(str(broken))
    except Exception:
        row["faults"].append(traceback.format_exc())
    for node in world.nodes:
        if not node.alive():
            row["faults"].append(f"{node.name} is down: {' | '.join(tail(node.log, 4))}")
            node.start()
    try:
        faults, agree = world.checks.all(world.nodes)
        row["faults"] += faults
        row["agree_s"] = round(agree, 2)
    except Exception:
        row["faults"].append(traceback.format_exc())
    if row["faults"]:
        row["result"] = "FAILED"
    row["took_s"] = round(time.monotonic() - begin, 1)
    said = [line for renter in world.load.jobs for line in renter.said]
    for renter in world.load.jobs:
        renter.said = []
    row["jobs"] = {
        "verified": sum(renter.verified for renter in world.load.jobs),
        "failed": sum(renter.failed for renter in world.load.jobs), "said": said,
    }
    return row


def table(rows):
    """The rows as text."""
    lines = [("scenario", "result", "recovery s", "took s", "seen")]
    for row in rows:
        recovery = "" if row["recovery_s"] is None else f"{row['recovery_s']:.1f}"
        lines.append((row["scenario"], row["result"], recovery, f"{row['took_s']:.0f}", row["note"]))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    text = lambda line: "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[4]])
    return "\n".join(text(line) for line in lines)


def totals(world):
    """What went through in all: transfers, jobs as their renters and as the chain say it, errors of nodes by text."""
    errors = {}
    for sender in world.load.transfers:
        for text, count in sender.errors.items():
            errors[text] = errors.get(text, 0) + count
    return {
        "transfers_final": len(world.load.finals()), "height": world.recorder.height(),
        "jobs_verified": sum(renter.verified for renter in world.load.jobs),
        "jobs_given_up": sum(renter.failed for renter in world.load.jobs),
        "jobs_on_chain": world.checks.jobs(world.nodes)[1], "rpc_errors": errors,
    }


def report(world, row, say):
    for fault in row["faults"]:
        say(f"  FAULT {row['scenario']}: {fault}")
    for sender in world.load.transfers:
        for line in sender.slow[-1:]:
            say(f"  slow: {line[:400]}")
        sender.slow = []
    for line in row["jobs"]["said"]:
        say(f"  a job's command: {line}")
    if row["faults"] and world:
        for process in [*world.nodes, *world.providers]:
            for line in tail(process.log, 3):
                say(f"    {process.name}: {line[:300]}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/hosts.sh", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each scenario as briefly as it can be, within 10 minutes")
    parser.add_argument("--only", metavar="TEXT", action="append", help="only scenarios whose name has this; may be repeated")
    parser.add_argument("--output", choices=["table", "json"], default="table", help="how to print the result")
    parser.add_argument("--limit", metavar="SECONDS", type=int, help="give up after so long [600 with --short, else 3600]")
    parser.add_argument("--senders", metavar="N", type=int, default=4, help="accounts that send transfers")
    parser.add_argument("--burst", metavar="N", type=int, default=5, help="transfers of an account at once")
    args = parser.parse_args()
    binary, directory, program = (os.environ[name] for name in ("ASSAY_BIN", "HOSTS_DIR", "HOSTS_PROGRAM"))
    say = lambda text: print(text, file=sys.stderr, flush=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, interrupt)
    signal.alarm(args.limit or (600 if args.short else 3600))
    seconds, rows, world, why = 5 if args.short else 20, [], None, None
    try:
        if lacking := net.missing():
            raise RuntimeError(f"missing programs (package): {lacking}")
        world = World(binary, directory, program, senders=args.senders, burst=args.burst)
        say(f"up in {world.start():.1f} s: {len(world.nodes)} validators, {len(world.providers)} providers")
        for name, run, short in ALL:
            if (args.only and not any(text in name for text in args.only)) or (args.short and not short):
                continue
            rows.append(one(world, name, run, seconds))
            say(table(rows[-1:]).splitlines()[1])
            report(world, rows[-1], say)
    except (Interrupted, KeyboardInterrupt) as error:
        why = f"ended early: {error}"
    except Exception:
        why = traceback.format_exc()
    signal.alarm(0)
    sums = totals(world) if rows and not why else None
    if sums and not sums["jobs_verified"]:
        why = "no job was verified, so that none was lost says nothing"
    if world:
        world.stop()
    if args.output == "json":
        print(json.dumps({"rows": rows, "totals": sums, "ended_early": why}, indent=2))
    else:
        print(table(rows))
        if sums:
            print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sums.items()))
    if why:
        say(why)
        for path in sorted((net.Path(directory) / "logs").glob("*.log")) if not rows else []:
            say(f"  {path.name}: {' | '.join(tail(path, 3))[:400]}")
    failed = [row["scenario"] for row in rows if row["faults"]]
    say(f"{len(rows) - len(failed)} held, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    sys.exit(1 if failed or why else 0)


if __name__ == "__main__":
    main()
