"""A minimal controller: it acts once on each change, acknowledges it, curtails and releases its sites by the clock, and
raises an alarm if a version did not arrive or gridbell is silent. Python 3.11, boto3. The README says more."""
import json
import sys
import time
from datetime import datetime
from pathlib import Path

import boto3
import urllib3
from gridbell_types import Acknowledgement, DispatchSignal, Envelope

instant = lambda text: datetime.fromisoformat(text).timestamp()


class Controller:
    def __init__(self, file: str) -> None:
        stack = json.loads(Path(file).read_text())
        local = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} if "endpoint_url" in stack else {}
        self.sqs = boto3.client("sqs", region_name=stack["region"], endpoint_url=stack.get("endpoint_url"), **local)
        self.queue, self.acks, self.file = stack["queues"]["signals"], stack["acks"], Path(file + ".state")
        self.in_flight_s: float = stack.get("in_flight_s", 90)  # What was read and not deleted comes again by then.
        # What must survive a restart: four by subject, then when the next signal is due, and what is so now, in words.
        self.state: dict = {"known": {}, "parts": {}, "dispatches": {}, "named": {}, "next_by": None, "current": []}
        if self.file.exists():
            self.state = json.loads(self.file.read_text())

    def round(self) -> None:
        """Reads the queue once. A message that fails stays in the queue and is delivered again."""
        self.follow_the_clock(time.time())
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=4)
        for message in answer.get("Messages", []):
            signal: Envelope = json.loads(message["Body"])
            is_done = self.take(signal, time.time())
            self.follow_the_clock(time.time())
            if is_done and "dispatch" in signal["data"]:
                self.acknowledge(signal)
            # Delete last: after a crash before this line, the queue delivers the message again.
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def take(self, signal: Envelope, now: float) -> bool:
        """Acts on a signal if it is new. Returns false for an outdated version, and for one that misses parts."""
        # Both are text on the wire. Compare them as numbers: as text, "10" is less than "9".
        subject, version, state = signal["subject"], [int(signal["epoch"]), int(signal["sequence"])], self.state
        known = state["known"].get(subject)
        if state["next_by"]:  # Any signal is a sign of life.
            state["next_by"] = max(state["next_by"], now + state["within_s"])
        if known and version <= known:
            return version == known  # A duplicate: the first acknowledgement may be lost.
        dispatch: DispatchSignal | None = signal["data"].get("dispatch")
        if dispatch and "parts" in dispatch:
            parts = state["parts"].setdefault(subject, {"version": version, "targets": {}})
            if version > parts["version"]:
                parts.update(version=version, targets={})
            if version == parts["version"]:
                parts["targets"][str(dispatch["part"])] = dispatch["targets"]
            if version < parts["version"] or len(parts["targets"]) < dispatch["parts"]:
                return False
            dispatch["targets"] = [target for part in parts["targets"].values() for target in part]
        missed = version[1] - 1 - (known[1] if known[0] == version[0] else 0) if known else 0
        print(f"{signal['type']} {subject}, {missed} missed before", flush=True)
        state["parts"].pop(subject, None)
        state["known"][subject] = version
        if dispatch:
            state["dispatches"][subject] = dispatch
        if heartbeat := signal["data"].get("heartbeat"):
            state["within_s"] = instant(heartbeat["next_by"]) - instant(heartbeat["at"])
            state["next_by"] = max(instant(heartbeat["next_by"]), now + state["within_s"])
            names = {one["subject"]: [version[0], int(one["sequence"])] for one in heartbeat["active"]}
            old = state["named"]  # With the time when a heartbeat first named that version.
            state["named"] = {key: old[key] if old.get(key, [])[:2] == v else [*v, now] for key, v in names.items()}
        return True

    def follow_the_clock(self, now: float) -> None:
        """Curtails and releases sites, raises and ends alarms, stores the state. gridbell sends nothing when a start or
        a known end passes, and `effective` may extend a curtailment for a dispatch that is not known."""
        state, current = self.state, set()
        ahead = lambda end: end is None or now < instant(end)
        for subject, one in list(state["dispatches"].items()):
            lasts = on = one["status"] == "scheduled" and ahead(one["end"])
            begun = one["status"] != "scheduled" or instant(one["start"]) <= now
            for target in one["targets"]:
                other = target.get("effective", {"governed_by": subject, "with": [], "until": None})
                unknown = not {other["governed_by"], *other["with"]} <= state["known"].keys()
                lasts = (is_on := on or unknown and ahead(other["until"])) or lasts
                for site in (target.get("ids") or [target["id"]]) if is_on and begun and not one["test"] else []:
                    current.add(f"site {one['source']}/{site} is curtailed")
            if not lasts:
                del state["dispatches"][subject]
        for subject, (*version, at) in state["named"].items():
            if at < now - self.in_flight_s and state["known"].get(subject, [0, 0]) < version:
                current.add(f"ALARM: version {version[0]}.{version[1]} of {subject} did not arrive")
        if state["next_by"] and state["next_by"] < now:
            current.add(f"ALARM: no signal since {time.strftime('%FT%TZ', time.gmtime(state['next_by']))}")
        for word, lines in (("now", current - set(state["current"])), ("over", set(state["current"]) - current)):
            for line in sorted(lines):
                print(f"{word}: {line}", flush=True)  # Curtail or release here.
        state["current"] = sorted(current)
        self.file.with_suffix(".new").write_text(json.dumps(state))
        self.file.with_suffix(".new").replace(self.file)

    def acknowledge(self, signal: Envelope) -> None:
        said: Acknowledgement = {"dispatch": signal["subject"], "version": int(signal["sequence"]), "state": "accepted"}
        said["epoch"] = signal["epoch"]
        status = urllib3.request("POST", self.acks, json=said, timeout=10).status
        if status == 429 or status >= 500:
            raise RuntimeError(f"the acknowledgement is not recorded: {status}")
        if status >= 400:  # To send it again does not help, and the messages behind this one must not wait.
            print(f"pass over: the acknowledgement got {status}", flush=True)


if __name__ == "__main__":
    controller = Controller(sys.argv[1])
    while True:
        try:
            controller.round()
        except Exception as problem:
            print(f"tries again soon: {problem}", flush=True)
            time.sleep(1)
