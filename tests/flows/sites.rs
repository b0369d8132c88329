//! Several dispatches of one site: each signal states until when the site stays curtailed.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{cases, from_now, same, shared_stack},
    voltus::{dispatch, publish, with},
};

cases!("sites":
    an_ended_dispatch_names_the_overlapping_one,
);

const SOURCE: &str = "voltus-prod";

/// A dispatch of the site that these share.
fn of_the_site(id: &str, modification: u64, start: &str, end: Option<&str>) -> Value {
    let mut dispatch = with(dispatch(id, modification), json!({"start_time": start, "end_time": end}));
    dispatch["sites"][0]["id"] = json!("shared-site");
    dispatch
}

async fn an_ended_dispatch_names_the_overlapping_one() -> Result<()> {
    let stack = shared_stack().await?;
    let (began, end) = (from_now(-600), from_now(7_200));
    publish(&stack, SOURCE, "create", &of_the_site("first-there", 0, &began, None)).await?;
    let signals = stack.signals.of("voltus-prod/first-there", 1).await?;
    let target = &signals[0].dispatch()["targets"][0];
    ensure!(target.get("effective").is_none(), "it stands alone, and says {target}");

    publish(&stack, SOURCE, "create", &of_the_site("second-there", 0, &from_now(-60), Some(&end))).await?;
    let signals = stack.signals.of("voltus-prod/second-there", 1).await?;
    let expected = json!({"until": null, "governed_by": "voltus-prod/first-there", "with": ["voltus-prod/first-there"], "others": 1});
    same("the second", &signals[0].dispatch()["targets"][0]["effective"], &expected)?;

    publish(&stack, SOURCE, "update", &of_the_site("first-there", 1, &began, Some(&from_now(-1)))).await?;
    let signals = stack.signals.of("voltus-prod/first-there", 2).await?;
    ensure!(signals[1].kind() == "dispatch.ended", "{}", signals[1].event);
    let expected = json!({"until": end, "governed_by": "voltus-prod/second-there", "with": ["voltus-prod/second-there"], "others": 1});
    same("the first, which ended", &signals[1].dispatch()["targets"][0]["effective"], &expected)
}
