// The types of gridbell's signals and acknowledgements. Generated from the JSON Schemas; do not change this file.

/** `data.dispatch` of `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`. */
export interface DispatchSignal {
  /** The subject. */
  key: string;
  /** `voltus` or `leap`. */
  provider: string;
  /** The source's name. */
  source: string;
  /** The provider's id. */
  id: string;
  /** The sequence, as a number. */
  version: number;
  /** Which part of the version this is, from 1. Only present where one message cannot carry the whole version. */
  part?: number | null;
  /** How many parts the version has. Each part has some of the targets and all other fields. */
  parts?: number | null;
  /** Scheduled, cancelled or ended. */
  status: Status;
  /** True whenever `test_reason` is not null: do not curtail. */
  test: boolean;
  /** Why it is a test. */
  test_reason: TestReason | null;
  /** Participation is optional. */
  voluntary: boolean;
  /** On overlap, the lower number governs. */
  priority: number | null;
  /** RFC 3339, UTC. */
  start: string;
  /** RFC 3339, UTC; null until known: curtail until a later signal ends it. */
  end: string | null;
  /** The request to all targets together. */
  request: Request;
  /** The sites or meters. */
  targets: TargetEntry[];
  /** The programs that call the dispatch. */
  programs: Program[];
  /** The provider's own further fields, verbatim. */
  details: Record<string, unknown>;
}

/** Whether a dispatch is active. */
export type Status = "scheduled" | "cancelled" | "ended";

/** Why a dispatch is only a test. */
export type TestReason = "sandbox" | "self" | "integration" | "communication";

/** The request to one target, or to all targets of a dispatch together. */
export type Request = RequestReduce | RequestLimit | RequestReduceMax | RequestUnspecified;

/** Reduce by this amount below the baseline (Voltus `commitment`, Leap `energy_kw`). */
export interface RequestReduce {
  kind: "reduce";
  /** Watts below the baseline. */
  watts: number;
}

/** Draw at most this power (NvGrid `target_load`). */
export interface RequestLimit {
  kind: "limit";
  /** Watts, absolute. */
  watts: number;
}

/** Reduce as much as possible (Leap's null `energy_kw`). */
export interface RequestReduceMax {
  kind: "reduce_max";
}

/** The provider states no amount (Voltus' null `commitment`) or an impossible one. */
export interface RequestUnspecified {
  kind: "unspecified";
}

/** One target, or many that share one request where separate entries would not fit into a message. */
export type TargetEntry = TargetEntryId | TargetEntryIds;

/** A site or a meter. */
export interface TargetEntryId {
  /** The provider's id of the site (Voltus `sites[].id`) or meter (Leap `meter_id`). */
  id: string;
  /** The provider's name of the target. */
  name: string | null;
  /** The operator's own id of the target (Voltus `customer_location_id`, Leap `partner_reference`). */
  external_id: string | null;
  /** The request to this target; null if the provider requests only a total for the group. */
  request: Request | null;
  /** Only present where other active dispatches of the source name this target too. */
  effective?: Effective | null;
}

/** Targets without names that share one request. */
export interface TargetEntryIds {
  /** The provider's ids. */
  ids: string[];
  /** The request to each of them. */
  request: Request | null;
  /** Only present where the same other active dispatches of the source name each of these targets. */
  effective?: Effective | null;
}

/** The combined curtailment of a target that other active dispatches of the source name too, when this signal was published. */
export interface Effective {
  /** Until when this dispatch and the others together curtail the target without a gap; null until a later signal ends it. */
  until: string | null;
  /** The dispatch that sets the amount, now or, if the curtailment is still ahead, at its beginning. */
  governed_by: Subject;
  /** The other active dispatches of that time: those that overlap or adjoin this one or each other. At most 20 are listed, sorted by key. */
  with: Subject[];
  /** The number of other dispatches, listed or not. */
  others: number;
}

/** The key of one ordered stream of signals, such as `voltus-prod/dkmq`: the source's name, then segments, percent-encoded except for unreserved characters. It is the table's key and the FIFO message group. */
export type Subject = string;

/** A program that calls a dispatch. */
export interface Program {
  /** Its name (Leap: the program's identifier, an open set). */
  name: string | null;
  /** The market, such as `CAISO`. */
  market: string | null;
  /** Voltus `program_type`, verbatim. */
  type: string | null;
  /** The time zone of the program, verbatim. It may be invalid ("PST"), and gridbell computes no instant from it. */
  timezone: string | null;
}

/** `data` of `gridbell.dispatch.scheduled.v1`, `…updated.v1`, `…cancelled.v1` and `…ended.v1`. */
export interface DispatchData {
  dispatch: DispatchSignal;
}

/** `data.power` of `gridbell.power.*.v1`. */
export interface PowerSignal {
  /** The subject. */
  key: string;
  /** `nvgrid`. */
  provider: string;
  /** The source's name. */
  source: string;
  /** The power feed, if one is named. */
  feed: string | null;
  /** The id that links the events of one load target. */
  correlation_id: string;
  /** Which of the four events. */
  event: PowerEventKind;
  /** RFC 3339, UTC. */
  start: string;
  /** RFC 3339, UTC; null: no end. */
  end: string | null;
  /** Such as `best_effort`. */
  strategy: string | null;
  /** The limit that applies from `start`. */
  target: Request;
  /** The previous limit. */
  previous: Request | null;
  /** The load as the provider measured it, in watts. */
  measured_watts: number | null;
  /** Whether the load meets the target; false is normal while ramping. */
  compliant: boolean | null;
}

/** NvGrid's four power events. */
export type PowerEventKind = "start_ramp_down" | "end_ramp_down" | "start_ramp_up" | "end_ramp_up";

/** `data` of `gridbell.power.start_ramp_down.v1`, `…end_ramp_down.v1`, `…start_ramp_up.v1` and `…end_ramp_up.v1`. */
export interface PowerData {
  power: PowerSignal;
}

/** `data.meter` of `gridbell.meter.data.v1`. */
export interface MeterSignal {
  /** The subject. */
  key: string;
  /** `openvolt`. */
  provider: string;
  /** The source's name. */
  source: string;
  /** The provider's meter id. */
  id: string;
  /** The delivery that announced the data. */
  delivery: string;
  /** Where this part begins. */
  start: string;
  /** Where this part ends; the last part includes a row that starts at this instant. */
  end: string;
  /** The length of a row: `hh` is half an hour. */
  granularity: string;
  /** Which part of the announced interval, from 1. */
  part: number;
  /** How many parts there are. */
  parts: number;
  /** The readings, ordered by time. */
  intervals: Interval[];
}

/** One reading. */
export interface Interval {
  /** When the interval begins. */
  start: string;
  /** Energy used in it, in watt-hours; null if the provider has no reading. */
  watt_hours: number | null;
}

/** `data` of `gridbell.meter.data.v1`. */
export interface MeterData {
  meter: MeterSignal;
}

/** `data.account` of `gridbell.account.<event>.v1`. */
export interface AccountSignal {
  /** `openvolt`. */
  provider: string;
  /** The source's name. */
  source: string;
  /** The provider's type of event. */
  event: string;
  /** The id of the delivery that contained it. */
  delivery: string;
  /** The provider's payload, verbatim. */
  payload: unknown;
}

/** `data` of `gridbell.account.<event>.v1`. */
export interface AccountData {
  account: AccountSignal;
}

/** `data.heartbeat` of `gridbell.heartbeat.v1`. */
export interface HeartbeatSignal {
  /** When gridbell made it: RFC 3339, UTC. */
  at: string;
  /** By when another signal comes, of any type, while gridbell works: RFC 3339, UTC. */
  next_by: string;
  /** The newest version that gridbell has sent of each active dispatch and load target, in the heartbeat's epoch; the first to start come first. Tests are left out. */
  active: ActiveVersion[];
  /** How many further dispatches and load targets are active and are not named, because the heartbeat is limited in size or their versions could not be read. */
  more: number;
}

/** A version of an active dispatch or load target. */
export interface ActiveVersion {
  /** The subject of its signal. */
  subject: Subject;
  /** The sequence of its signal, a decimal number as text. */
  sequence: string;
  /** RFC 3339, UTC. */
  start: string;
  /** RFC 3339, UTC; null until known. */
  end: string | null;
}

/** `data` of `gridbell.heartbeat.v1`. */
export interface HeartbeatData {
  heartbeat: HeartbeatSignal;
}

/** One signal: a CloudEvents 1.0 event in structured JSON. */
export interface Envelope {
  /** The version of CloudEvents: `1.0`. */
  specversion: string;
  /** `subject#epoch.sequence`, plus `.part` if the version has parts. */
  id: string;
  /** `/gridbell/<source>`; `/gridbell` for a heartbeat. */
  source: string;
  /** The CloudEvents type. */
  type: string;
  /** The stream that it belongs to, and the FIFO message group. */
  subject: Subject;
  /** When it was published. */
  time: string;
  /** Unix milliseconds of the instant when the stack's tables began to number signals. A JSON string on the wire. */
  epoch: string;
  /** The number of the version within the subject and epoch, from 1. A JSON string on the wire. */
  sequence: string;
  /** W3C Trace Context: leads back to the delivery or poll that caused it. Not part of what the signal says. */
  traceparent?: string | null;
  /** `application/json`. */
  datacontenttype: string;
  /** The content of the signal. */
  data: Data;
}

/** What a controller does about a dispatch. */
export type AckState = "accepted" | "completed" | "failed";

/** The body of `POST /acks/{token}`. */
export interface Acknowledgement {
  /** The dispatch's key, which is the signal's subject. */
  dispatch: string;
  /** The epoch of the acknowledged signal. Without one, gridbell uses its current epoch. */
  epoch?: string | null;
  /** The sequence of the acknowledged signal. */
  version: number;
  /** What the controller does about the dispatch. */
  state: AckState;
  /** Free text of the controller. gridbell keeps the first 500 characters. */
  detail?: string | null;
}

/** The data of the types that this release knows; ignore a signal of another type. */
export type Data = DispatchData | PowerData | MeterData | AccountData | HeartbeatData;
