//! Posts any bytes as a controller's acknowledgement: the answer is never 5xx, and the dispatch stays readable.

#![no_main]

use fuzz::{ACK_TOKEN, KEY, sim_with_a_dispatch};

libfuzzer_sys::fuzz_target!(|body: &str| {
    let sim = sim_with_a_dispatch();
    let before = sim.signals().len();
    let answer = sim.acknowledge(ACK_TOKEN, body).answer().expect("no fault is on");
    assert!(matches!(answer.status, 200 | 400 | 404 | 409 | 413), "{answer:?}");
    let record = sim.dispatches().get(KEY).expect("the dispatch is still there");
    assert_eq!(record.ack.is_some(), answer.status == 200, "{answer:?}");
    assert_eq!(sim.signals().len(), before, "an acknowledgement publishes nothing");
});
