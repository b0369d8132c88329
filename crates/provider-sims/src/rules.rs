//! When a provider counts a webhook as delivered, and what it does otherwise.

use jiff::SignedDuration;

/// One provider's rules.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The statuses that count as delivered.
    pub(crate) delivered: fn(u16) -> bool,
    /// The time-out for an answer.
    pub(crate) patience: SignedDuration,
    /// The pause before the given resend, from 1; none: no more resends.
    pub(crate) pause: fn(u32) -> Option<SignedDuration>,
    /// What it does when it gives up.
    pub(crate) then: &'static str,
}

/// Five resends with exponential backoff. The first pause is not documented; one second is assumed.
pub(crate) const VOLTUS: Rules = Rules {
    delivered: |status| matches!(status, 200 | 201 | 202 | 204),
    patience: SignedDuration::from_secs(10),
    pause: |resend| (resend <= 5).then(|| SignedDuration::from_secs(1 << (resend - 1))),
    then: "e-mails the dispatch contacts: the webhook automation has failed, curtail manually",
};

/// Every minute, up to fifty times.
pub(crate) const LEAP: Rules = Rules {
    delivered: |status| matches!(status, 200..=299),
    patience: SignedDuration::from_secs(10),
    pause: |resend| (resend <= 50).then(|| SignedDuration::from_mins(1)),
    then: "stops sending this notification",
};

/// Redelivery is not documented, so there is none, and a receiver must not rely on it. The time-out is that of the
/// sample settings.
pub(crate) const NVGRID: Rules = Rules {
    delivered: |status| status == 200,
    patience: SignedDuration::from_mins(1),
    pause: |_| None,
    then: "does not send it again, as far as is known",
};

/// Redelivery is not documented, so there is none, and a receiver must not rely on it.
pub(crate) const OPENVOLT: Rules = Rules {
    delivered: |status| matches!(status, 200..=299),
    patience: SignedDuration::from_secs(30),
    pause: |_| None,
    then: "does not send it again, as far as is known",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voltus_backs_off_five_times_and_leap_asks_each_minute_for_fifty() {
        let pauses = |rules: &Rules| (1..).map_while(rules.pause).map(|pause| pause.as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(&VOLTUS), [1, 2, 4, 8, 16]);
        assert_eq!(pauses(&LEAP), [60; 50]);
        assert!(pauses(&NVGRID).is_empty() && pauses(&OPENVOLT).is_empty());
        let counts = |rules: &Rules| [200, 201, 202, 203, 204, 299, 302].map(rules.delivered);
        assert_eq!(counts(&VOLTUS), [true, true, true, false, true, false, false]);
        assert_eq!(counts(&LEAP), [true, true, true, true, true, true, false]);
        assert_eq!(counts(&NVGRID), [true, false, false, false, false, false, false]);
    }
}
