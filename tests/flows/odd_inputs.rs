//! Odd inputs from public bug reports: an odd field, end, identifier or delivery affects itself only, and no dispatch
//! is lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{Checked, SOON, TestStack, cases, config, eventually, from_now, holds, listed, shared_stack},
    leap, nvgrid,
    stub::Reply,
    voltus::{dispatch, publish, webhook, with},
};

cases!("odd inputs":
    fields_that_cannot_be_read_cost_themselves,
    half_a_surrogate_pair_in_a_push_costs_a_character,
    nesting_without_end_costs_a_detail,
    ends_that_cannot_be_are_none,
    a_dispatch_called_off_before_it_begins_is_ended,
    a_load_target_that_cannot_be_read_is_unspecified,
    one_more_wrapping_is_accepted,
    an_unreadable_answer_is_given_up,
    identifiers_of_512_bytes,
);

/// The source of this module's odd inputs; no other case sends such inputs on it.
const SOURCE: &str = "vbox";

/// Wraps an answer.
type Wrap = fn(Value) -> Value;

/// Waits until a mail reports the field of one of these. Most of a source's mails are grouped; the use cases test which
/// field of which dispatch is reported.
async fn reported(stack: &TestStack, subjects: &str, field: &str) -> Result<()> {
    let what = format!("a mail about {field} of {subjects}");
    eventually(SOON, &what, || async {
        let mails = stack.mail.about(&["quarantined"]).await?;
        let says = mails.iter().any(|mail| mail.text.contains(subjects) && mail.text.contains(field));
        Ok(if says { Checked::Found(()) } else { Checked::NotYet(format!("{} others", mails.len())) })
    })
    .await
}

/// The dispatch as text, with a field, given by its JSON pointer, that no JSON value can represent.
fn text_with(id: &str, pointer: &str, value: &str) -> Result<String> {
    let mut body = dispatch(id, 0);
    *body.pointer_mut(pointer).with_context(|| format!("no {pointer}"))? = json!("<here>");
    Ok(body.to_string().replace("\"<here>\"", value))
}

async fn publish_raw(stack: &TestStack, id: &str, text: String) -> Result<()> {
    stack.stub.answer(id, Reply::Raw("application/json", text.into_bytes()));
    stack.accepted(SOURCE, &webhook("create", id)).await.map(drop)
}

async fn fields_that_cannot_be_read_cost_themselves() -> Result<()> {
    let stack = shared_stack().await?;
    let odd = [
        ("odd-market", "/program/market", "7"),
        ("odd-commitment", "/sites/0/commitment", "{\"kw\":5}"),
        ("odd-false", "/end_time", "false"),
        ("odd-soon", "/end_time", "\"soon\""),
        ("odd-epoch", "/end_time", "4072000000"),
        ("odd-program", "/program", "[{}]"),
        ("odd-authorized", "/authorized", "\"perhaps\""),
        ("odd-name", "/sites/0/name", "{}"),
    ];
    for (id, pointer, value) in odd {
        let text = text_with(id, pointer, value)?;
        // Each twice: a reported fault is not reported again.
        publish_raw(&stack, id, text.clone()).await?;
        publish_raw(&stack, id, text).await?;
    }
    for (id, ..) in odd {
        let subject = format!("{SOURCE}/{id}");
        let signals = stack.signals.of(&subject, 1).await?;
        ensure!(signals[0].kind() == "dispatch.scheduled", "{}", signals[0].event);
        ensure!(signals[0].dispatch()["targets"][0]["id"] == format!("site-of-{id}"), "{}", signals[0].event);
    }
    reported(&stack, "vbox/", ": `").await?;
    let unspecified = json!({"request": {"kind": "unspecified"}});
    let signals = stack.signals.of("vbox/odd-commitment", 1).await?;
    holds("a commitment that is an object", signals[0].dispatch(), &unspecified)
}

async fn half_a_surrogate_pair_in_a_push_costs_a_character() -> Result<()> {
    let stack = shared_stack().await?;
    let pair = text_with("half-pair", "/sites/0/name", "\"Pump \\ud83d\"")?;
    publish_raw(&stack, "half-pair", pair).await?;
    let signals = stack.signals.of("vbox/half-pair", 1).await?;
    let name = &signals[0].dispatch()["targets"][0]["name"];
    ensure!(name == "Pump \u{fffd}", "the name is {name}");

    let push = leap::notification(&[leap::slot("half-pair")]).to_string().replace("\"DRAM\"", "\"DRAM\\udc00\"");
    let answer = stack.post("leap", push).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
    let signals = stack.signals.of("leap/half-pair", 1).await?;
    let program = &signals[0].dispatch()["programs"][0]["name"];
    ensure!(program == "DRAM\u{fffd}", "the program is {program}");
    Ok(())
}

async fn nesting_without_end_costs_a_detail() -> Result<()> {
    let stack = shared_stack().await?;
    for levels in [500, 10_000] {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let (id, event) = (format!("deep-{levels}"), format!("deep-{levels}"));
        let mut text = dispatch(&id, 0).to_string();
        text.truncate(text.len() - 1);
        publish_raw(&stack, &id, format!("{text},\"metadata\":{open}{close}}}")).await?;
        let slot = leap::slot(&event).to_string();
        let slot = format!("{},\"nested\":{open}{close}}}", slot.trim_end_matches('}'));
        let push = leap::notification(&[json!("<slot>")]).to_string().replace("\"<slot>\"", &slot);
        let answer = stack.post("leap", push).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
        for subject in [format!("{SOURCE}/{id}"), format!("leap/{event}")] {
            let signals = stack.signals.of(&subject, 1).await?;
            ensure!(signals[0].kind() == "dispatch.scheduled", "{}", signals[0].event);
        }
    }
    Ok(())
}

async fn ends_that_cannot_be_are_none() -> Result<()> {
    let stack = shared_stack().await?;
    // Both ends are after the start, which is in 2099.
    let ends = [
        ("end-9999", "9999-12-31T23:59:59Z"),
        ("end-go", "0001-01-01T00:00:00Z"),
        ("end-epoch", "1970-01-01T00:00:00Z"),
        ("end-mysql", "0000-00-00T00:00:00Z"),
        ("end-before", "2099-12-01T16:20:00Z"),
        ("end-at-start", "2099-12-01T16:50:00Z"),
        ("end-cut", "2099-12-01T16:50:00.000000999Z"),
    ];
    for (id, end) in ends {
        publish(&stack, SOURCE, "create", &with(dispatch(id, 0), json!({"end_time": end}))).await?;
        let mut slot = leap::slot(id);
        slot["end_time"] =
            json!(end.replace("2099-12-01T16:50", "2099-06-05T00:00").replace("2099-12-01T16:20", "2099-06-04T00:00"));
        stack.accepted("leap", &leap::notification(&[slot])).await?;
    }
    for (id, end) in ends {
        for source in [SOURCE, "leap"] {
            let subject = format!("{source}/{id}");
            let signals = stack.signals.of(&subject, 1).await?;
            holds(&format!("an end of {end}"), signals[0].dispatch(), &json!({"status": "scheduled", "end": null}))?;
        }
    }
    stack.at_the_end(|stack| async move {
        let mails = stack.mail.about(&["quarantined"]).await?;
        let mails: Vec<_> = mails.into_iter().filter(|mail| mail.text.contains("end-9999")).collect();
        ensure!(mails.is_empty(), "an end that is for ever was reported:{}", listed(&mails));
        Ok(())
    });
    Ok(())
}

async fn a_dispatch_called_off_before_it_begins_is_ended() -> Result<()> {
    let stack = shared_stack().await?;
    publish(&stack, SOURCE, "create", &dispatch("called-off", 0)).await?;
    stack.signals.of("vbox/called-off", 1).await?;
    let over = json!({"end_time": from_now(-2)});
    publish(&stack, SOURCE, "update", &with(dispatch("called-off", 1), over)).await?;
    let signals = stack.signals.of("vbox/called-off", 2).await?;
    ensure!(signals[1].kind() == "dispatch.ended", "{}", signals[1].event);
    holds("what is called off", signals[1].dispatch(), &json!({"status": "ended", "end": null}))
}

async fn a_load_target_that_cannot_be_read_is_unspecified() -> Result<()> {
    let stack = shared_stack().await?;
    let odd = [
        ("odd-target", json!({"target_load": "low"}), "target_load"),
        ("odd-strategy", json!({"strategy": ["best_effort"]}), "strategy"),
        ("odd-load-end", json!({"end_time": "2001-01-01T00:00:00Z"}), "end_time"),
    ];
    for (id, fields, field) in odd {
        // A feed of its own: on a shared feed it would replace the targets of other cases.
        let body = with(with(nvgrid::about(id), json!({ "feed_tag": id })), fields);
        stack.accepted("nv", &body).await?;
        let subject = format!("nv/{id}/{id}");
        stack.signals.of(&subject, 1).await?;
        reported(&stack, &subject, field).await?;
    }
    let signals = stack.signals.of("nv/odd-target/odd-target", 1).await?;
    let target = &signals[0].event["data"]["power"]["target"];
    ensure!(target == &json!({"kind": "unspecified"}), "the target is {target}");
    let signals = stack.signals.of("nv/odd-load-end/odd-load-end", 1).await?;
    ensure!(signals[0].event["data"]["power"]["end"].is_null(), "{}", signals[0].event);
    Ok(())
}

async fn one_more_wrapping_is_accepted() -> Result<()> {
    let stack = shared_stack().await?;
    let answers: [(&str, Wrap); 3] = [
        ("wrapped-dispatch", |one| json!({"dispatch": one})),
        ("wrapped-list", |one| json!([one])),
        ("wrapped-data", |one| json!({"data": {"dispatches": [one], "page": 0}, "status": "ok"})),
    ];
    for (id, wrap) in answers {
        stack.stub.answer(id, Reply::Json(wrap(dispatch(id, 0))));
        stack.accepted(SOURCE, &json!([webhook("create", id)])).await?;
        stack.signals.of(&format!("{SOURCE}/{id}"), 1).await?;
    }
    stack.accepted("leap", &json!({"notification": leap::notification(&[leap::slot("wrapped")])})).await?;
    stack.signals.of("leap/wrapped", 1).await.map(drop)
}

async fn an_unreadable_answer_is_given_up() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("unreadable", Reply::Json(json!({"id": "unreadable", "start_time": "soon"})));
    stack.accepted(SOURCE, &webhook("create", "unreadable")).await?;
    let asked = stack.stub.asked_times("unreadable", 5, SOON).await?.len();
    stack.at_the_end(move |stack| async move {
        let all = stack.stub.asked("unreadable").len();
        ensure!(all == asked, "it was asked for {all} times, {asked} of them before it was given up");
        Ok(())
    });
    Ok(())
}

async fn identifiers_of_512_bytes() -> Result<()> {
    let stack = shared_stack().await?;
    let id = "i".repeat(512);
    publish(&stack, SOURCE, "create", &dispatch(&id, 0)).await?;
    let (feed, correlation) = ("電".repeat(170), "ü".repeat(256));
    let fields = json!({"feed_tag": feed, "correlation_id": correlation});
    stack.accepted("nv", &with(nvgrid::about("long"), fields)).await?;
    let encoded = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    let key = format!("{SOURCE}/{id}");
    stack.signals.of(&format!("nv/{}/{}", encoded(&feed), encoded(&correlation)), 1).await?;
    stack.signals.of(&key, 1).await?;

    let ack = json!({"dispatch": key, "version": 1, "state": "accepted"});
    let url = format!("{}/{}", stack.description.acks, config::ACK_TOKEN);
    let answer = stack.http.post(url).json(&ack).timeout(Duration::from_mins(1)).send().await?;
    ensure!(answer.status().as_u16() == 200, "{}: {}", answer.status(), answer.text().await?);
    Ok(())
}
