"""What people read: the table, the sums under it, and the reasons of what failed."""

from process import tail


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
        "transfers_final": len(world.load.finals), "height": world.recorder.height(),
        "jobs_verified": world.load.verified(),
        "jobs_given_up": sum(renter.failed for renter in world.load.jobs),
        "jobs_on_chain": world.checks.jobs(world.nodes)[1], "rpc_errors": errors,
    }


def reasons(world, row):
    """Lines on a row: faults with the ends of all logs, transfers that were slow, commands that failed."""
    lines = [f"FAULT {row['scenario']}: {fault}" for fault in row["faults"]]
    for sender in world.load.transfers:
        lines += [f"slow: {line[:400]}" for line in sender.slow[-1:]]
        sender.slow = []
    lines += [f"while it stopped, {line}" for line in row["while_stopping"]]
    lines += [f"a job's command: {line}" for line in row["jobs"]["said"]]
    if row["faults"]:
        for process in world.processes():
            lines += [f"  {process.name}: {line[:300]}" for line in tail(process.log, 3)]
    return lines
