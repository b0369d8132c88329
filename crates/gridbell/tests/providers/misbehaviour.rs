//! The same with faults turned on: exercises produce the same signals, and every half-done registration is reported.

use provider_sims::Fault;
use serde_json::Value;

use crate::{
    bench::{Bench, short},
    exercises::agree,
};

/// Faults of answers; the next answers are good.
const ANSWERS: [&str; 11] = [
    "slow*1",
    "429*1",
    "429-retry-after*1",
    "500*2",
    "403*1",
    "404*2",
    "garbage*1",
    "truncated*1",
    "huge*1",
    "redirect*1",
    "other-shape*1",
];

/// Faults of webhooks.
const WEBHOOKS: [&str; 3] = ["duplicate*2", "reorder*1", "lost-acknowledgement*1"];

/// The number of copies of each source.
pub(crate) const COPIES: usize = 2;

/// Every fault at every provider, several in parallel.
pub(crate) async fn all(bench: &Bench) {
    let sources = (1..=COPIES).flat_map(|number| [("voltus", number), ("leap", number), ("openvolt", number)]);
    let lanes: Vec<_> = sources.map(|(provider, number)| lane(bench, provider, number)).collect();
    let (lanes, (), (), ()) =
        tokio::join!(futures_util::future::join_all(lanes), nvgrid(bench), voltus(bench), leap(bench));
    drop(lanes);
}

/// One copy's share of all faults, one after the other.
async fn lane(bench: &Bench, provider: &str, number: usize) {
    let source = format!("{provider}-{number}");
    for fault in ANSWERS.into_iter().chain(WEBHOOKS).skip(number - 1).step_by(COPIES) {
        let of_webhooks = WEBHOOKS.contains(&fault);
        let (exercise, speed, expected): (_, _, &[&str]) = match (provider, of_webhooks) {
            ("voltus", false) => ("basic", "1", &["0 #1 scheduled"]),
            // The first fetch already returns the later state.
            ("voltus", true) if fault == "reorder*1" => ("cancelled", "50", &["0 #1 cancelled"]),
            ("voltus", true) => ("cancelled", "50", &["0 #1 scheduled", "0 #2 cancelled"]),
            // Only the second notification leads to a fetch; its search also answers the first, which was overtaken.
            ("leap", _) if fault == "reorder*1" => ("cancel", "50", &["0 #1 cancelled"]),
            // Far enough apart for a busy machine to process the first before the second arrives.
            ("leap", _) => ("cancel", "50", &["0 #1 scheduled", "0 #2 cancelled"]),
            (_, false) => ("daily", "60", &["0 #1 meter.data"]),
            (_, true) => ("gap-filled", "300", &["0 #1 meter.data", "0 #2 meter.data"]),
        };
        let mark = bench.mark(&source);
        trigger(bench, &source, (exercise, speed), fault, provider != "openvolt").await;
        let signals = bench.signals(&mark, expected.len()).await;
        assert_eq!(short(&signals), expected, "{source} {exercise} {fault}");
    }
    let had = bench.mark(&source).had();
    assert_eq!(bench.quiet(&source).await.len(), had, "{source}: no more than that");
}

/// Without documented redelivery, an unacknowledged webhook counts as given up, and the command reports it.
async fn trigger(bench: &Bench, source: &str, (exercise, speed): (&str, &str), fault: &str, sends_again: bool) {
    let went = bench.gridbell(&["trigger", source, exercise, "--speed", speed, "--misbehave", fault]).await;
    let expected = sends_again || fault != "lost-acknowledgement*1";
    assert_eq!(went.status.success(), expected, "{source} {fault}: {}", String::from_utf8_lossy(&went.stderr));
}

/// Its webhooks contain everything, so only webhook faults apply.
async fn nvgrid(bench: &Bench) {
    let source = "nvgrid-demo";
    for fault in WEBHOOKS {
        let mark = bench.mark(source);
        trigger(bench, source, ("ramp-missed", "300"), fault, false).await;
        let came = short(&bench.signals(&mark, 2).await);
        assert!(agree(&came, &["0 power.start_ramp_down", "0 power.end_ramp_down"]), "{fault}: {came:?}");
    }
}

async fn listed(bench: &Bench, source: &str) -> Vec<Value> {
    let listed = bench.does(&["webhook", "list", source, "--json"]).await;
    serde_json::from_str::<Value>(&listed).expect("JSON").as_array().expect("a list").clone()
}

fn misbehave(bench: &Bench, provider: &str, fault: &str) {
    bench.simulators.misbehave(provider, &[fault.parse::<Fault>().expect("a fault")]);
}

/// Whatever the provider answers first, the reported result is the real one.
async fn voltus(bench: &Bench) {
    let source = "voltus-demo";
    for fault in ANSWERS {
        misbehave(bench, "voltus", fault);
        match bench.tries(&["webhook", "register", source]).await {
            Ok(said) => {
                assert!(
                    said.starts_with("Registered as ") && listed(bench, source).await.len() == 1,
                    "{fault}: {said}"
                );
            }
            Err(said) => {
                assert!(said.starts_with("error: "), "{fault}: {said}");
                bench.simulators.mend("voltus");
                assert!(listed(bench, source).await.is_empty(), "{fault}: {said}");
                bench.does(&["webhook", "register", source]).await;
            }
        }
        bench.simulators.mend("voltus");
        misbehave(bench, "voltus", fault);
        let went = bench.tries(&["webhook", "unregister", source]).await;
        bench.simulators.mend("voltus");
        match went {
            Ok(said) => assert!(listed(bench, source).await.is_empty(), "{fault}: {said}"),
            Err(said) => {
                assert_eq!(listed(bench, source).await.len(), 1, "{fault}: {said}");
                bench.does(&["webhook", "unregister", source]).await;
            }
        }
    }
}

async fn leap(bench: &Bench) {
    let source = "leap-demo";
    for (level, fault) in ["meter", "group"].into_iter().cycle().zip(ANSWERS) {
        misbehave(bench, "leap", fault);
        let came = bench.tries(&["webhook", "register", source, "--level", level]).await;
        bench.simulators.mend("leap");
        let set = listed(bench, source).await;
        match came {
            Ok(said) => assert!(set.len() == 1 && set[0]["ours"] == true, "{fault}: {said} {set:?}"),
            Err(said) => {
                assert!(said.contains("nothing is changed") && set.is_empty(), "{fault}: {said} {set:?}");
                bench.does(&["webhook", "register", source, "--level", level]).await;
            }
        }
        misbehave(bench, "leap", fault);
        let went = bench.tries(&["webhook", "unregister", source, "--level", level]).await;
        bench.simulators.mend("leap");
        assert_eq!(listed(bench, source).await.is_empty(), went.is_ok(), "{fault}: {went:?}");
        if went.is_err() {
            bench.does(&["webhook", "unregister", source, "--level", level]).await;
        }
    }
}
