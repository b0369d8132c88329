//! The kinds of faults, each with its name.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind,)*];

            /// The name in a history and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(FaultKind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A process dies before or after a call took effect.
    Crash "crash",
    /// A call takes effect and its answer is lost.
    LostAnswer "lost-answer",
    /// A call takes effect, its answer is lost and the SDK sends it again.
    Repeat "repeat",
    /// A service refuses single calls.
    Throttle "throttle",
    /// A service refuses every call for minutes.
    Outage "outage",
    /// An invocation hangs before or after a call's effect, until its time-out or longer.
    Stall "stall",
    /// An invocation's clock is wrong.
    Skew "skew",
    /// An invocation dies before it begins.
    ColdStart "cold-start",
    /// An invocation does its work, then fails as a whole: the whole batch comes again.
    BatchError "batch-error",
    /// A message is delivered twice, or once more after its deletion.
    Duplicate "duplicate",
    /// A scheduled retry's record expires long before its time; without this fault none expires.
    Expiry "expiry",
    /// The provider answers 5xx, redirects, or does not answer.
    Failing "failing",
    /// The provider is down for minutes.
    Down "down",
    /// The provider answers 429, with or without `Retry-After`.
    RateLimit "rate-limit",
    /// The provider takes seconds.
    Slow "slow",
    /// The provider returns an older version than before.
    Stale "stale",
    /// The provider's API does not know yet what its webhook announced.
    NotYet "not-yet",
    /// The provider's answer is unreadable or cut in half.
    Garbage "garbage",
    /// The provider answers about another id.
    OtherId "other-id",
    /// The provider refuses the key while it is rotated.
    KeyRefused "key-refused",
    /// The provider sends a webhook twice.
    Doubled "doubled",
    /// Webhooks come minutes late and in any order.
    Late "late",
    /// The provider does not receive our answer and sends again.
    LostAck "lost-ack",
    /// Strangers post plausible bodies, and acknowledgements with wrong tokens.
    Forged "forged",
    /// The provider posts unreadable bodies.
    Poison "poison",
    /// Foreign messages are in the internal queues.
    Foreign "foreign",
    /// The provider never sends a webhook; polling finds the change.
    NeverSent "never-sent",
    /// The controller acknowledges minutes late.
    LateAck "late-ack",
    /// The controller acknowledges everything twice.
    DoubledAck "doubled-ack",
    /// The controller acknowledges versions that are long superseded.
    OldAck "old-ack",
    /// The controller reports that it cannot act.
    FailedAck "failed-ack",
    /// The controller never acknowledges.
    Silent "silent",
    /// The table `dispatches` is restored to an earlier point, and a new epoch begins.
    Restore "restore",
    /// A later release is deployed function by function, or rolled back; the hydrator writes its format first.
    Release "release",
    /// An index is throttled for minutes: its queries are refused, and half of the writes to its table.
    HotIndex "hot-index",
    /// The account's limit is ten concurrent invocations, and Lambda throttles the next.
    Account "account",
    /// Many dispatches of one source are announced within a minute while its API is down.
    Storm "storm",
    /// The indexes of the table `dispatches` show a write late.
    IndexLag "index-lag",
    /// SNS, PagerDuty, the webhook, or all of them refuse every message for minutes.
    ChannelDown "channel-down",
    /// These channels take seconds.
    ChannelSlow "channel-slow",
    /// There are outputs, and each may be down for minutes.
    Outputs "outputs",
    /// An output refuses single events, does not answer, or loses its answer.
    OutputFails "output-fails",
    /// An output whose acknowledgement does not count acknowledges.
    OutputAcks "output-acks",
}

impl FaultKind {
    /// The kind with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it is a fault of our own services. The others are outside faults and do not excuse a late mail.
    pub(crate) fn is_ours(self) -> bool {
        self < Self::Failing || matches!(self, Self::Restore | Self::Release | Self::HotIndex | Self::Account)
    }
}
