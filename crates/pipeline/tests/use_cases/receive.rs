//! The webhook endpoint: every row of section 3 of the contract.

use pipeline::{
    ingest::receive::{HttpAnswer, Incoming},
    job::{Job, MAX_BODY_BYTES},
    messages::{self, ToHydrate},
};
use serde_json::Value;
use simulation::{Ended, Inner, Simulation, Times, Toxic};

use crate::common::{OLD_TOKEN, TOKEN, leap, post, sim, thin};

/// A request with the token in its path.
fn request(body: &[u8]) -> Incoming<'_> {
    Incoming {
        method: "POST",
        source: "voltus-prod",
        path_token: Some(TOKEN),
        header_token: None,
        content_encoding: None,
        traceparent: None,
        body,
    }
}

fn answer(sim: &Simulation, request: Incoming<'_>) -> HttpAnswer {
    sim.post(request).answer().expect("an answer")
}

fn code(answer: &HttpAnswer) -> Value {
    serde_json::from_str::<Value>(&answer.body).expect("JSON")["error"]["code"].take()
}

/// Posts to a new simulation; returns the answer and the queued jobs.
fn posted(request: Incoming<'_>) -> (HttpAnswer, Vec<Job>) {
    let sim = sim(1);
    let answer = answer(&sim, request);
    let read = |message: simulation::Queued| match messages::read(&message.body) {
        Ok(ToHydrate::Job(job)) => job,
        other => panic!("{other:?}"),
    };
    (answer, sim.queued(Inner::Deliveries).into_iter().map(read).collect())
}

/// A refused request stores nothing.
fn refused(request: Incoming<'_>, status: u16, error: &str) {
    let (answer, queued) = posted(request);
    assert_eq!((answer.status, code(&answer).as_str()), (status, Some(error)), "{answer:?}");
    assert!(queued.is_empty() && answer.delivery.is_none());
}

/// The body is queued as it is.
fn taken(body: &str) {
    let (answer, queued) = posted(request(body.as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let [job] = queued.as_slice() else { panic!("{queued:?}") };
    assert_eq!(job.body().unwrap().unwrap(), body);
    let expected = format!(r#"{{"status":"accepted","delivery":"{}"}}"#, job.delivery);
    assert_eq!((answer.body.as_str(), answer.delivery.as_ref()), (expected.as_str(), Some(&job.delivery)));
    assert_eq!(job.source, "voltus-prod");
}

#[test]
fn an_authentic_body_is_queued_once_and_as_it_is() {
    taken(&thin("dispatch.create", "dkmq"));
    taken(" {\n\t\"event\" : {\"name\":\"dispatch.create\"}, \"resource\":\"\\u00e9\" } ");
}

#[test]
fn json_that_no_parser_knows_is_taken() {
    for body in ["null", "[]", "{}", "\"x\"", "0", "true"] {
        taken(body);
    }
}

#[test]
fn json_that_common_parsers_refuse_is_taken_and_read_later() {
    taken(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    taken(&format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)));
    taken("1e400");
    taken(r#"{"energy_kw":-1e99999}"#);
    taken(r#""\ud800""#);
    taken(r#"{"\udc00":"\ud800x"}"#);
}

#[test]
fn what_is_not_json_is_refused() {
    for body in ["", " ", "{", "nul", "<xml/>", "a=b", "{}{}", "{'a':1}", "[1,]", "NaN"] {
        refused(request(body.as_bytes()), 400, "not_json");
    }
}

#[test]
fn invalid_utf8_is_refused() {
    refused(request(b"\"\xff\""), 400, "not_utf8");
    refused(request(b"\xff\xfe{\0}\0"), 400, "not_utf8");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let body = thin("dispatch.create", "dkmq");
    for marks in 1..=2 {
        let marked = [b"\xef\xbb\xbf".repeat(marks).as_slice(), body.as_bytes()].concat();
        let (answer, queued) = posted(request(&marked));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(queued[0].body().unwrap().unwrap(), body);
    }
    let (ping, queued) = posted(request(b"\xef\xbb\xbf{\"event\":{\"name\":\"\"},\"resource\":\"\"}"));
    assert_eq!((ping.outcome, queued.len()), ("ping", 0));
    refused(request(b"\xef\xbb\xbf"), 400, "not_json");
    refused(request(b" \xef\xbb\xbf{}"), 400, "not_json");
}

#[test]
fn plain_json_is_taken_whatever_its_coding_is_called() {
    let body = thin("dispatch.create", "dkmq");
    let named =
        ["identity", "Identity", "UTF-8", "utf8", "", " ", "none", "binary", "8bit", "identity, identity", "?", "null"];
    let real = ["gzip", "x-gzip", "GZIP", "br", "deflate", "compress", "zstd", "dcb", "dcz", "gzip, identity"];
    for encoding in named.into_iter().chain(real) {
        let (answer, queued) = posted(Incoming { content_encoding: Some(encoding), ..request(body.as_bytes()) });
        assert_eq!(answer.status, 200, "{encoding:?}: {answer:?}");
        assert_eq!(queued[0].body().unwrap().unwrap(), body);
    }
}

#[test]
fn a_compressed_body_is_refused_whatever_its_coding_is_called() {
    // `{}` by gzip, zlib, brotli; zstd written by hand.
    let gzip: &[u8] = &[31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];
    let zlib: &[u8] = &[0x78, 0x9c, 0xab, 0xae, 0x05, 0x00, 0x01, 0x75, 0x00, 0xf9];
    let zstd = pipeline::job::pack("{}");
    for body in [gzip, zlib, zstd.as_slice()] {
        for encoding in [None, Some("gzip"), Some("identity"), Some("UTF-8"), Some("")] {
            refused(Incoming { content_encoding: encoding, ..request(body) }, 400, "encoded");
        }
    }
    let brotli: &[u8] = &[0x0b, 0x00, 0x80, 0x7b, 0x7d, 0x03];
    refused(Incoming { content_encoding: Some("br"), ..request(brotli) }, 400, "encoded");
    refused(request(brotli), 400, "not_utf8");
    let answer = posted(Incoming { content_encoding: Some("br"), ..request(b"no JSON") }).0;
    assert!(answer.body.contains("compressed (br)"), "{}", answer.body);
}

#[test]
fn two_mebibytes_are_taken_and_one_byte_more_is_not() {
    let padded = |bytes: usize| {
        let body = leap("e-1", 5).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    taken(&padded(2_097_152));
    assert_eq!(MAX_BODY_BYTES, 2_097_152);
    refused(request(padded(2_097_153).as_bytes()), 413, "too_large");
    // The size is checked before anything else of the body.
    refused(request(&vec![0xff; 2_097_153]), 413, "too_large");
}

#[test]
fn a_large_notification_travels_in_one_message() {
    let meters: Vec<String> = (0..5_000)
        .map(|meter| {
            format!(r#"{{"meter_id":"dd21c76c-7126-4ef7-b0a6-{meter:012x}","timeslots":[{{"meter_event_id":"e"}}]}}"#)
        })
        .collect();
    let body = format!(r#"{{"meter_dispatches":[{}], "filler":"{}"}}"#, meters.join(","), "\\\"".repeat(300_000));
    assert!(body.len() > 1_048_576 - 4_096);
    taken(&body);
}

#[test]
fn every_method_but_post_is_answered_405() {
    for method in ["GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "post"] {
        let (answer, queued) = posted(Incoming { method, ..request(b"{}") });
        assert_eq!((answer.status, code(&answer).as_str()), (405, Some("method_not_allowed")));
        assert_eq!(answer.header, Some(("allow", "POST".to_owned())));
        assert!(queued.is_empty());
    }
}

#[test]
fn an_unknown_source_and_a_wrong_token_are_answered_the_same() {
    let sim = sim(1);
    let (large, hash) = (vec![b' '; 3_000_000], pipeline::config::TokenHash::of(TOKEN).to_hex());
    let unknown = answer(&sim, Incoming { source: "nobody", ..request(b"{}") });
    assert_eq!(unknown.status, 404);
    let strangers = [
        Incoming { path_token: Some("wrong"), ..request(b"{}") },
        Incoming { path_token: Some(""), ..request(b"{}") },
        Incoming { path_token: None, ..request(b"{}") },
        Incoming { path_token: None, header_token: Some("wrong"), ..request(b"{}") },
        Incoming { path_token: None, header_token: Some(""), ..request(b"{}") },
        // Neither the method nor the body is checked without a valid token.
        Incoming { path_token: Some("wrong"), method: "GET", ..request(b"{}") },
        Incoming { path_token: Some("wrong"), ..request(b"not json") },
        Incoming { path_token: Some("wrong"), content_encoding: Some("gzip"), ..request(b"\xff") },
        Incoming { path_token: Some("wrong"), ..request(&large) },
        Incoming { source: "nobody", method: "GET", ..request(b"\xff") },
        // The hash is not a token.
        Incoming { path_token: Some(&hash), ..request(b"{}") },
    ];
    for stranger in strangers {
        assert_eq!(answer(&sim, stranger), unknown);
    }
    assert!(sim.queued(Inner::Deliveries).is_empty() && sim.calls().is_empty());
}

#[test]
fn the_paths_token_counts_where_both_are_given() {
    let status = |path_token, header_token| posted(Incoming { path_token, header_token, ..request(b"{}") }).0.status;
    assert_eq!(status(None, Some(TOKEN)), 200);
    assert_eq!(status(Some(TOKEN), Some("wrong")), 200);
    assert_eq!(status(Some("wrong"), Some(TOKEN)), 404);
}

#[test]
fn two_tokens_are_valid_while_rotating() {
    for token in [TOKEN, OLD_TOKEN] {
        assert_eq!(posted(Incoming { path_token: Some(token), ..request(b"{}") }).0.status, 200);
        assert_eq!(posted(Incoming { path_token: None, header_token: Some(token), ..request(b"{}") }).0.status, 200);
    }
}

#[test]
fn the_registration_ping_is_answered_and_forgotten() {
    let ping = r#"{"event":{"name":""},"resource":""}"#;
    let (answer, queued) = posted(request(ping.as_bytes()));
    assert_eq!((answer.status, answer.outcome), (200, "ping"));
    assert!(queued.is_empty() && answer.delivery.is_none());
    let stranger = Incoming { path_token: Some("wrong"), ..request(ping.as_bytes()) };
    assert_eq!(posted(stranger).0.status, 404);
    // Only Voltus sends such a ping; for other providers it is an ordinary body.
    let (answer, queued) = posted(Incoming { source: "leap-prod", ..request(ping.as_bytes()) });
    assert_eq!((answer.status, queued.len()), (200, 1));
}

#[test]
fn what_the_queue_does_not_take_is_to_be_sent_again() {
    for toxic in [Toxic::Refuse, Toxic::LoseAnswer] {
        let sim = sim(1);
        sim.fault("deliveries.take", toxic, Times::First(1));
        let answer = answer(&sim, request(b"{}"));
        assert_eq!((answer.status, code(&answer).as_str()), (503, Some("unavailable")));
        let (name, seconds) = answer.header.expect("a header");
        assert_eq!((name, seconds.parse::<u32>().is_ok()), ("retry-after", true));
        assert!(answer.delivery.is_none());
        assert_eq!(post(&sim, "voltus-prod", "{}").status, 200);
    }
}

#[test]
fn a_receiver_that_dies_answers_nothing() {
    for toxic in [Toxic::CrashBefore, Toxic::CrashAfter] {
        let sim = sim(1);
        sim.fault("deliveries.take", toxic, Times::First(1));
        assert_eq!(sim.post(request(b"{}")), Ended::Crashed);
    }
}

#[test]
fn an_accepted_webhook_costs_one_call() {
    let sim = sim(1);
    post(&sim, "voltus-prod", "{}");
    let ports: Vec<&str> = sim.calls().iter().map(|call| call.port).collect();
    assert_eq!(ports, ["deliveries.take"]);
}
