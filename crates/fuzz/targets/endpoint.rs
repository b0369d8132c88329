//! Posts any bytes to any source's endpoint and runs the whole pipeline: never a 5xx, nothing lost, nothing stuck.
//!
//! The first byte selects the source, the rest is the body. The simulated providers know no dispatch, so a fetch is
//! retried until it is given up, in virtual time.

#![no_main]

use fuzz::{TOKEN, sim, sources};
use pipeline::ingest::receive::Incoming;
use simulation::{Inner, Standard, streams};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let (sim, sources) = (sim(), sources().collect::<Vec<_>>());
    let request = Incoming {
        method: "POST",
        source: &sources[usize::from(*first) % sources.len()].0,
        path_token: Some(TOKEN),
        header_token: None,
        content_encoding: None,
        traceparent: None,
        body,
    };
    let answer = sim.post(request).answer().expect("no fault is on");
    assert!(matches!(answer.status, 200 | 400 | 413), "{answer:?}");
    if answer.outcome != "accepted" {
        assert!(sim.queued(Inner::Deliveries).is_empty(), "queued without being accepted");
        return;
    }
    sim.settle(fuzz::LONG);
    for dead in [Inner::RetriesDead, Inner::AlertsDead] {
        assert!(sim.queued(dead).is_empty(), "{:?}", sim.queued(dead));
    }
    for queue in Inner::READ {
        let stuck = sim.queued(queue).iter().any(|message| message.receives >= Standard::MAX_RECEIVES);
        assert!(!stuck, "{queue:?}: {:?}", sim.queued(queue));
    }
    let published = streams(&sim.signals()).expect("valid streams");
    for event in published.values().flat_map(|stream| &stream.events) {
        let dispatch = &event["data"]["dispatch"];
        assert!(
            dispatch.is_null() || event["source"] != "/gridbell/leap-sandbox" || dispatch["test"] == true,
            "{event}"
        );
    }
});
