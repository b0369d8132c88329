"""The types of gridbell's signals and acknowledgements. Generated from the JSON Schemas; do not change this file."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict, Union


class DispatchSignal(TypedDict):
    """`data.dispatch` of `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`."""

    # The subject.
    key: str
    # `voltus` or `leap`.
    provider: str
    # The source's name.
    source: str
    # The provider's id.
    id: str
    # The sequence, as a number.
    version: int
    # Which part of the version this is, from 1. Only present where one message cannot carry the whole version.
    part: NotRequired[Union[int, None]]
    # How many parts the version has. Each part has some of the targets and all other fields.
    parts: NotRequired[Union[int, None]]
    # Scheduled, cancelled or ended.
    status: Status
    # True whenever `test_reason` is not null: do not curtail.
    test: bool
    # Why it is a test.
    test_reason: Union[TestReason, None]
    # Participation is optional.
    voluntary: bool
    # On overlap, the lower number governs.
    priority: Union[int, None]
    # RFC 3339, UTC.
    start: str
    # RFC 3339, UTC; null until known: curtail until a later signal ends it.
    end: Union[str, None]
    # The request to all targets together.
    request: Request
    # The sites or meters.
    targets: list[TargetEntry]
    # The programs that call the dispatch.
    programs: list[Program]
    # The provider's own further fields, verbatim.
    details: dict[str, Any]


class RequestReduce(TypedDict):
    """Reduce by this amount below the baseline (Voltus `commitment`, Leap `energy_kw`)."""

    kind: Literal["reduce"]
    # Watts below the baseline.
    watts: int


class RequestLimit(TypedDict):
    """Draw at most this power (NvGrid `target_load`)."""

    kind: Literal["limit"]
    # Watts, absolute.
    watts: int


class RequestReduceMax(TypedDict):
    """Reduce as much as possible (Leap's null `energy_kw`)."""

    kind: Literal["reduce_max"]


class RequestUnspecified(TypedDict):
    """The provider states no amount (Voltus' null `commitment`) or an impossible one."""

    kind: Literal["unspecified"]


class TargetEntryId(TypedDict):
    """A site or a meter."""

    # The provider's id of the site (Voltus `sites[].id`) or meter (Leap `meter_id`).
    id: str
    # The provider's name of the target.
    name: Union[str, None]
    # The operator's own id of the target (Voltus `customer_location_id`, Leap `partner_reference`).
    external_id: Union[str, None]
    # The request to this target; null if the provider requests only a total for the group.
    request: Union[Request, None]
    # Only present where other active dispatches of the source name this target too.
    effective: NotRequired[Union[Effective, None]]


class TargetEntryIds(TypedDict):
    """Targets without names that share one request."""

    # The provider's ids.
    ids: list[str]
    # The request to each of them.
    request: Union[Request, None]
    # Only present where the same other active dispatches of the source name each of these targets.
    effective: NotRequired[Union[Effective, None]]


# The combined curtailment of a target that other active dispatches of the source name too, when this signal was published.
Effective = TypedDict(
    "Effective",
    {
        # Until when this dispatch and the others together curtail the target without a gap; null until a later signal ends it.
        "until": "Union[str, None]",
        # The dispatch that sets the amount, now or, if the curtailment is still ahead, at its beginning.
        "governed_by": "Subject",
        # The other active dispatches of that time: those that overlap or adjoin this one or each other. At most 20 are listed, sorted by key.
        "with": "list[Subject]",
        # The number of other dispatches, listed or not.
        "others": "int",
    },
)


class Program(TypedDict):
    """A program that calls a dispatch."""

    # Its name (Leap: the program's identifier, an open set).
    name: Union[str, None]
    # The market, such as `CAISO`.
    market: Union[str, None]
    # Voltus `program_type`, verbatim.
    type: Union[str, None]
    # The time zone of the program, verbatim. It may be invalid ("PST"), and gridbell computes no instant from it.
    timezone: Union[str, None]


class DispatchData(TypedDict):
    """`data` of `gridbell.dispatch.scheduled.v1`, `…updated.v1`, `…cancelled.v1` and `…ended.v1`."""

    dispatch: DispatchSignal


class PowerSignal(TypedDict):
    """`data.power` of `gridbell.power.*.v1`."""

    # The subject.
    key: str
    # `nvgrid`.
    provider: str
    # The source's name.
    source: str
    # The power feed, if one is named.
    feed: Union[str, None]
    # The id that links the events of one load target.
    correlation_id: str
    # Which of the four events.
    event: PowerEventKind
    # RFC 3339, UTC.
    start: str
    # RFC 3339, UTC; null: no end.
    end: Union[str, None]
    # Such as `best_effort`.
    strategy: Union[str, None]
    # The limit that applies from `start`.
    target: Request
    # The previous limit.
    previous: Union[Request, None]
    # The load as the provider measured it, in watts.
    measured_watts: Union[int, None]
    # Whether the load meets the target; false is normal while ramping.
    compliant: Union[bool, None]


class PowerData(TypedDict):
    """`data` of `gridbell.power.start_ramp_down.v1`, `…end_ramp_down.v1`, `…start_ramp_up.v1` and `…end_ramp_up.v1`."""

    power: PowerSignal


class MeterSignal(TypedDict):
    """`data.meter` of `gridbell.meter.data.v1`."""

    # The subject.
    key: str
    # `openvolt`.
    provider: str
    # The source's name.
    source: str
    # The provider's meter id.
    id: str
    # The delivery that announced the data.
    delivery: str
    # Where this part begins.
    start: str
    # Where this part ends; the last part includes a row that starts at this instant.
    end: str
    # The length of a row: `hh` is half an hour.
    granularity: str
    # Which part of the announced interval, from 1.
    part: int
    # How many parts there are.
    parts: int
    # The readings, ordered by time.
    intervals: list[Interval]


class Interval(TypedDict):
    """One reading."""

    # When the interval begins.
    start: str
    # Energy used in it, in watt-hours; null if the provider has no reading.
    watt_hours: Union[int, None]


class MeterData(TypedDict):
    """`data` of `gridbell.meter.data.v1`."""

    meter: MeterSignal


class AccountSignal(TypedDict):
    """`data.account` of `gridbell.account.<event>.v1`."""

    # `openvolt`.
    provider: str
    # The source's name.
    source: str
    # The provider's type of event.
    event: str
    # The id of the delivery that contained it.
    delivery: str
    # The provider's payload, verbatim.
    payload: Any


class AccountData(TypedDict):
    """`data` of `gridbell.account.<event>.v1`."""

    account: AccountSignal


class HeartbeatSignal(TypedDict):
    """`data.heartbeat` of `gridbell.heartbeat.v1`."""

    # When gridbell made it: RFC 3339, UTC.
    at: str
    # By when another signal comes, of any type, while gridbell works: RFC 3339, UTC.
    next_by: str
    # The newest version that gridbell has sent of each active dispatch and load target, in the heartbeat's epoch; the first to start come first. Tests are left out.
    active: list[ActiveVersion]
    # How many further dispatches and load targets are active and are not named, because the heartbeat is limited in size or their versions could not be read.
    more: int


class ActiveVersion(TypedDict):
    """A version of an active dispatch or load target."""

    # The subject of its signal.
    subject: Subject
    # The sequence of its signal, a decimal number as text.
    sequence: str
    # RFC 3339, UTC.
    start: str
    # RFC 3339, UTC; null until known.
    end: Union[str, None]


class HeartbeatData(TypedDict):
    """`data` of `gridbell.heartbeat.v1`."""

    heartbeat: HeartbeatSignal


class Envelope(TypedDict):
    """One signal: a CloudEvents 1.0 event in structured JSON."""

    # The version of CloudEvents: `1.0`.
    specversion: str
    # `subject#epoch.sequence`, plus `.part` if the version has parts.
    id: str
    # `/gridbell/<source>`; `/gridbell` for a heartbeat.
    source: str
    # The CloudEvents type.
    type: str
    # The stream that it belongs to, and the FIFO message group.
    subject: Subject
    # When it was published.
    time: str
    # Unix milliseconds of the instant when the stack's tables began to number signals. A JSON string on the wire.
    epoch: str
    # The number of the version within the subject and epoch, from 1. A JSON string on the wire.
    sequence: str
    # W3C Trace Context: leads back to the delivery or poll that caused it. Not part of what the signal says.
    traceparent: NotRequired[Union[str, None]]
    # `application/json`.
    datacontenttype: str
    # The content of the signal.
    data: Data


class Acknowledgement(TypedDict):
    """The body of `POST /acks/{token}`."""

    # The dispatch's key, which is the signal's subject.
    dispatch: str
    # The epoch of the acknowledged signal. Without one, gridbell uses its current epoch.
    epoch: NotRequired[Union[str, None]]
    # The sequence of the acknowledged signal.
    version: int
    # What the controller does about the dispatch.
    state: AckState
    # Free text of the controller. gridbell keeps the first 500 characters.
    detail: NotRequired[Union[str, None]]


# Whether a dispatch is active.
Status = Literal["scheduled", "cancelled", "ended"]

# Why a dispatch is only a test.
TestReason = Literal["sandbox", "self", "integration", "communication"]

# The request to one target, or to all targets of a dispatch together.
Request = Union[RequestReduce, RequestLimit, RequestReduceMax, RequestUnspecified]

# One target, or many that share one request where separate entries would not fit into a message.
TargetEntry = Union[TargetEntryId, TargetEntryIds]

# The key of one ordered stream of signals, such as `voltus-prod/dkmq`: the source's name, then segments, percent-encoded except for unreserved characters. It is the table's key and the FIFO message group.
Subject = str

# NvGrid's four power events.
PowerEventKind = Literal["start_ramp_down", "end_ramp_down", "start_ramp_up", "end_ramp_up"]

# What a controller does about a dispatch.
AckState = Literal["accepted", "completed", "failed"]

# The data of the types that this release knows; ignore a signal of another type.
Data = Union[DispatchData, PowerData, MeterData, AccountData, HeartbeatData]
