"""What every node ever called final."""

import threading

EVERY_S = 0.25


class Recorder:
    """Asks every node where it stands, four times a second. Two that say differently about a height are a fork."""

    def __init__(self, nodes):
        self.nodes, self.points, self.tips, self.faults = nodes, {}, {}, []
        self.ended = threading.Event()

    def start(self):
        for node in self.nodes:
            self.follow(node)

    def follow(self, node):
        threading.Thread(target=self.watch, args=(node,), daemon=True).start()

    def watch(self, node):
        while not self.ended.wait(EVERY_S):
            status = node.rpc.status() if node.alive() else None
            if not status:
                continue
            height, said = status["height"], (status["hash"], status["state_root"])
            known = self.points.setdefault(height, said)
            if known != said:
                self.faults.append(f"fork at {height}: {node.name} says {said}, another {known}")
            self.tips[node.name] = height

    def height(self):
        """The highest finalized height any node told."""
        return max(list(self.tips.values()), default=0)
