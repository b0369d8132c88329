//! Text from outside: names with terminal control characters stay data in signals and are harmless in mails. On the
//! stack where a controller must acknowledge, so that each dispatch is mailed soon.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use dispatch::text::is_hidden;
use serde_json::{Value, json};

use crate::{
    chaos::calm,
    harness::{TestStack, cases, damaged_stack, from_now, same},
    voltus::{dispatch, publish, with},
};

cases!("text": names_that_act_on_a_terminal_are_data_in_signals_and_harmless_in_mails);

/// The immediate deadline of 10 s, plus time for a busy machine.
const IN_TIME: Duration = Duration::from_mins(5);

/// Site names, each with another kind of control character.
fn names() -> [(&'static str, String); 3] {
    [
        ("name-escapes", "Mill \u{1b}[2J\u{1b}]0;pwn\u{7}\u{1b}[31mGONE".to_owned()),
        (
            "name-marks",
            "\u{9b}8mMill\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}\r\nWhat failed: nothing".to_owned(),
        ),
        ("name-long", format!("Mill \u{1b}[8m{}", "\u{202e}\u{1b}[2Jx".repeat(2_900))),
    ]
}

/// Publishes a dispatch that starts soon, while no case kills hydrators. No controller acknowledges it.
async fn published(source: &str, dispatch: Value) -> Result<Arc<TestStack>> {
    let stack = damaged_stack().await?;
    let _turn = calm().await;
    publish(&stack, source, "create", &dispatch).await?;
    let id = dispatch["id"].as_str().unwrap_or_default();
    stack.signals.of(&format!("{source}/{id}"), 1).await?;
    Ok(stack)
}

fn soon(id: &str) -> Value {
    with(dispatch(id, 0), json!({"start_time": from_now(600), "end_time": from_now(4_200)}))
}

async fn names_that_act_on_a_terminal_are_data_in_signals_and_harmless_in_mails() -> Result<()> {
    for (id, name) in names() {
        let mut dispatch = soon(id);
        dispatch["sites"][0]["name"] = json!(name);
        dispatch["sites"][0]["customer_location_id"] = json!(name);
        dispatch["program"]["name"] = json!(name);
        let stack = published("vevil", dispatch).await?;
        let subject = format!("vevil/{id}");
        let signals = stack.signals.of(&subject, 1).await?;
        same(id, &signals[0].dispatch()["targets"][0]["name"], &json!(name))?;
        let mail = stack.mail.one(IN_TIME, &["dispatch-at-risk", &subject]).await?;
        for (part, text) in [("subject", &mail.subject), ("text", &mail.text), ("HTML", &mail.html)] {
            let hidden = text.chars().find(|c| *c != '\n' && is_hidden(*c));
            ensure!(hidden.is_none(), "the {part} of {id} holds {hidden:?}");
        }
        ensure!(mail.text.contains("Mill") && mail.text.len() < 5_000, "{id}: {}", mail.text);
        let failed = mail.text.lines().filter(|line| *line == "WHAT FAILED").count();
        ensure!(failed == 1, "{id}: {}", mail.text);
    }
    Ok(())
}
