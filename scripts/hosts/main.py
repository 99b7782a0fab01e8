"""Runs the scenarios on real hosts and prints a table; started by hosts.sh in namespaces of its own."""

import argparse
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import censorship
import crashes
import links
import machines
import membership
import steady
import trial
from process import tail
from report import reasons, table, totals
from scenario import Broken
from world import World

# Scenario, function, in the short run.
ALL = [
    ("baseline under load", steady.baseline, True),
    ("a new node replays under load", membership.replay, True),
    ("bad links: latency, loss, 2 Mbit/s", links.bad_links, True),
    ("kill -9 of one validator", crashes.kill_one, True),
    ("kill -9 of two during load", crashes.kill_two, True),
    ("partition 5/2", links.partition_5_2, True),
    ("partition 4/3", links.partition_4_3, True),
    ("slow disk", machines.slow_disk, True),
    ("clocks a second off", machines.clock_skew, True),
    ("full disk", machines.full_disk, True),
    ("rolling restart", crashes.rolling_restart, True),
    ("censorship by two of seven", censorship.censorship, True),
    ("sustained load", steady.sustained, False),
    ("a new node takes the state under load", membership.state_sync, False),
    ("a validator joins, one leaves", membership.join_and_leave, True),
]
SHORT_S, LONG_S = 600, 3600


class Interrupted(BaseException):
    """Asked to end, or out of time."""


def interrupt(number, _frame):
    raise Interrupted("out of time" if number == signal.SIGALRM else f"signal {number}")


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/hosts.sh", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each scenario as briefly as it can be, within 10 minutes")
    parser.add_argument("--can", action="store_true", help="only try whether this machine can run it; exit code 2 if not")
    parser.add_argument("--only", metavar="TEXT", action="append", help="only scenarios whose name has this; may be repeated")
    parser.add_argument("--output", choices=["table", "json"], default="table", help="how to print the result")
    parser.add_argument("--limit", metavar="SECONDS", type=int, help=f"give up after so long [{SHORT_S} with --short, else {LONG_S}]")
    parser.add_argument("--senders", metavar="N", type=int, default=4, help="accounts that send transfers")
    parser.add_argument("--burst", metavar="N", type=int, default=5, help="transfers of an account at once")
    return parser.parse_args()


def one(world, name, run, seconds):
    """A row of the table: the scenario, then every invariant."""
    row = {"scenario": name, "result": "ok", "recovery_s": None, "agree_s": None, "note": "", "faults": []}
    begin = time.monotonic()
    world.load.go()
    try:
        recovery, row["note"] = run(world, seconds)
        row["recovery_s"] = recovery and round(recovery, 2)
    except Broken as broken:
        row["faults"].append(str(broken))
    except Exception:
        row["faults"].append(traceback.format_exc())
    for node in world.nodes:
        if not node.alive():
            row["faults"].append(f"{node.name} is down: {' | '.join(tail(node.log, 4))}")
            node.start()
    row["while_stopping"] = []
    for process in world.processes():
        running, stopping = process.new_faults()
        row["faults"] += running
        row["while_stopping"] += stopping
    try:
        faults, agree = world.checks.all(world.nodes)
        row["faults"] += faults
        row["agree_s"] = round(agree, 2)
    except Exception:
        row["faults"].append(traceback.format_exc())
    if row["faults"]:
        row["result"] = "FAILED"
    row["took_s"] = round(time.monotonic() - begin, 1)
    row["largest_node_mib"] = round(max(node.resident_mib() for node in world.nodes if node.alive()))
    row["jobs"] = {"verified": world.load.verified(), "said": [line for renter in world.load.jobs for line in renter.said]}
    for renter in world.load.jobs:
        renter.said = []
    return row


def scenarios(world, args, rows):
    """Runs what was asked for; rows are there also when it is interrupted."""
    for name, run, short in ALL:
        if (args.only and not any(text in name for text in args.only)) or (args.short and not short):
            continue
        rows.append(one(world, name, run, 5 if args.short else 20))
        say(table(rows[-1:]).splitlines()[1])
        for line in reasons(world, rows[-1]):
            say(f"  {line}")


def show(args, rows, sums, why):
    """Prints the result; the exit code."""
    if args.output == "json":
        print(json.dumps({"rows": rows, "totals": sums, "ended_early": why}, indent=2))
    else:
        print(table(rows))
        if sums:
            print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sums.items()))
    if why:
        say(why)
    failed = [row["scenario"] for row in rows if row["faults"]]
    say(f"{len(rows) - len(failed)} held, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}")
    return 1 if failed or why else 0


def main():
    args = arguments()
    if args.can:
        sys.exit(trial.main())
    binary, directory, program = (os.environ[name] for name in ("ASSAY_BIN", "HOSTS_DIR", "HOSTS_PROGRAM"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, interrupt)
    signal.alarm(args.limit or (SHORT_S if args.short else LONG_S))
    rows, world, sums, why = [], None, None, None
    try:
        world = World(binary, directory, program, senders=args.senders, burst=args.burst)
        say(f"up in {world.start():.1f} s: {len(world.nodes)} validators, {len(world.providers)} providers")
        scenarios(world, args, rows)
        sums = totals(world) if rows else None
        if sums and not sums["jobs_verified"]:
            why = "no job was verified, so that none was lost says nothing"
    except (Interrupted, KeyboardInterrupt) as error:
        why = f"ended early: {error}"
    except Exception:
        why = traceback.format_exc()
    signal.alarm(0)
    if world:
        world.stop()
    if why and not rows:
        for path in sorted((Path(directory) / "logs").glob("*.log")):
            say(f"  {path.name}: {' | '.join(tail(path, 3))[:400]}")
    sys.exit(show(args, rows, sums, why))


if __name__ == "__main__":
    main()
