// A minimal controller: it acts once on each change, acknowledges it, curtails and releases its sites by the clock, and
// raises an alarm if a version did not arrive or gridbell is silent. Node.js 22.18, @aws-sdk/client-sqs.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Acknowledgement, DispatchSignal, Envelope, HeartbeatSignal } from "./gridbell_types.mts";

const stack = JSON.parse(readFileSync(process.argv[2]!, "utf8"));
const local = { endpoint: stack.endpoint_url, credentials: { accessKeyId: "test", secretAccessKey: "test" } };
const sqs = new SQSClient({ region: stack.region, ...(stack.endpoint_url ? local : {}) });
const queue = { QueueUrl: stack.queues.signals as string };
const inFlightMs = 1000 * (stack.in_flight_s ?? 90); // What was read and not deleted comes again by then.

/** What must survive a restart: four by subject, then when the next signal is due, and what is so now, in words. */
const file = `${process.argv[2]}.state`;
const state = {
  known: {} as Record<string, string>,
  parts: {} as Record<string, { version: string; targets: Record<number, DispatchSignal["targets"]> }>,
  dispatches: {} as Record<string, DispatchSignal>,
  named: {} as Record<string, { version: string; at: number }>,
  nextBy: 0,
  withinMs: 0,
  current: [] as string[],
  ...(existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as object) : {}),
};

/** A version whose order as text is that of the numbers. As they come, "10" is less than "9". */
const versionOf = (epoch: string, sequence: string) => `${epoch.padStart(16, "0")}.${sequence.padStart(16, "0")}`;

/** Reads the queue once. A message that fails stays in the queue and is delivered again. */
async function round() {
  followTheClock(Date.now());
  const read = new ReceiveMessageCommand({ ...queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 4 });
  for (const message of (await sqs.send(read)).Messages ?? []) {
    const signal: Envelope = JSON.parse(message.Body!);
    const isDone = take(signal, Date.now());
    followTheClock(Date.now());
    if (isDone && "dispatch" in signal.data) await acknowledge(signal);
    // Delete last: after a crash before this line, the queue delivers the message again.
    await sqs.send(new DeleteMessageCommand({ ...queue, ReceiptHandle: message.ReceiptHandle }));
  }
}

/** Acts on a signal if it is new. Returns false for an outdated version, and for one that misses parts. */
function take({ subject, epoch, sequence, type, data }: Envelope, now: number): boolean {
  const [version, known] = [versionOf(epoch, sequence), state.known[subject]];
  if (state.withinMs) state.nextBy = Math.max(state.nextBy, now + state.withinMs); // Any signal is a sign of life.
  if (known && version <= known) return version === known; // A duplicate: the first acknowledgement may be lost.
  const { dispatch, heartbeat } = data as { dispatch?: DispatchSignal; heartbeat?: HeartbeatSignal };
  if (dispatch?.part && dispatch.parts) {
    const begun = state.parts[subject];
    const parts = (state.parts[subject] = begun && begun.version >= version ? begun : { version, targets: {} });
    if (parts.version > version) return false;
    parts.targets[dispatch.part] = dispatch.targets;
    if (Object.keys(parts.targets).length < dispatch.parts) return false;
    dispatch.targets = Object.values(parts.targets).flat();
  }
  const last = known?.startsWith(version.slice(0, 17)) ? Number(known.slice(17)) : 0;
  console.log(`${type} ${subject}, ${known ? Number(sequence) - 1 - last : 0} missed before`);
  delete state.parts[subject];
  state.known[subject] = version;
  if (dispatch) state.dispatches[subject] = dispatch;
  if (heartbeat) {
    state.withinMs = Date.parse(heartbeat.next_by) - Date.parse(heartbeat.at);
    state.nextBy = Math.max(Date.parse(heartbeat.next_by), now + state.withinMs);
    const named = heartbeat.active.map((one) => {
      const [version, before] = [versionOf(epoch, one.sequence), state.named[one.subject]];
      return [one.subject, before?.version === version ? before : { version, at: now }] as const;
    });
    state.named = Object.fromEntries(named);
  }
  return true;
}

/** Curtails and releases sites, raises and ends alarms, stores the state. gridbell sends nothing when a start or a
 * known end passes, and `effective` may extend a curtailment for a dispatch that is not known. */
function followTheClock(now: number) {
  const isAhead = (end: string | null) => end === null || now < Date.parse(end);
  const current = new Set<string>();
  for (const [subject, one] of Object.entries(state.dispatches)) {
    const isScheduled = one.status === "scheduled";
    const isOn = (target: (typeof one.targets)[number]) => {
      const other = target.effective;
      const isUnknown = other && [other.governed_by, ...other.with].some((key) => !(key in state.known));
      return (isScheduled && isAhead(one.end)) || (isUnknown && isAhead(other.until));
    };
    const targets = one.targets.filter(isOn);
    if (targets.length === 0 && !(isScheduled && isAhead(one.end))) delete state.dispatches[subject];
    if (one.test || (isScheduled && now < Date.parse(one.start))) continue;
    const sites = targets.flatMap((target) => ("ids" in target ? target.ids : [target.id]));
    sites.forEach((site) => current.add(`site ${one.source}/${site} is curtailed`));
  }
  for (const [subject, { version, at }] of Object.entries(state.named)) {
    const isMissing = at < now - inFlightMs && (state.known[subject] ?? "") < version;
    const number = version.split(".").map(Number).join(".");
    if (isMissing) current.add(`ALARM: version ${number} of ${subject} did not arrive`);
  }
  if (state.withinMs && state.nextBy < now) current.add(`ALARM: no signal since ${new Date(state.nextBy).toJSON()}`);
  for (const one of current) if (!state.current.includes(one)) console.log(`now: ${one}`); // Curtail here.
  for (const one of state.current) if (!current.has(one)) console.log(`over: ${one}`); // Release here.
  state.current = [...current];
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}

async function acknowledge({ subject, epoch, sequence }: Envelope) {
  const said: Acknowledgement = { dispatch: subject, epoch, version: Number(sequence), state: "accepted" };
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(said) };
  const { status } = await fetch(stack.acks, { ...request, signal: AbortSignal.timeout(10_000) });
  if (status === 429 || status >= 500) throw new Error(`the acknowledgement is not recorded: ${status}`);
  if (status >= 400) console.log(`pass over: the acknowledgement got ${status}`); // To repeat it does not help.
}

while (true) {
  await round().catch(async (error) => {
    console.log(`tries again soon: ${error}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  });
}
