//! gridbell never fetches a URL from a webhook.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    failing::DOWN,
    harness::{SOON, cases, listed, shared_stack},
    stub::{Foreign, Reply},
    voltus::dispatch,
};

cases!("evil": a_forged_resource_is_never_fetched);

async fn a_forged_resource_is_never_fetched() -> Result<()> {
    let stack = shared_stack().await?;
    let foreign = Foreign::start().await?;
    let host = foreign.host.clone();
    let own = stack.stub.base.clone();
    let id = "forged";
    stack.stub.answer(id, Reply::listed(&dispatch(id, 0)));
    let path = format!("/2022-04-15/dispatches/{id}");
    let resources = [
        format!("http://{host}{path}"),
        format!("https://{host}{path}"),
        format!("//{host}{path}"),
        format!("///{host}{path}"),
        format!("\\\\{host}{path}"),
        format!("@{host}{path}"),
        format!(":80@{host}{path}"),
        format!(".{host}{path}"),
        format!("{own}{path}"),
        format!("2022-04-15/dispatches/{id}"),
        format!("/2022-04-15/../2022-04-15/dispatches/{id}"),
        format!("/2022-04-15/dispatches/../dispatches/{id}"),
        format!("/2022-04-15/dispatches/%2e%2e/dispatches/{id}"),
        format!("/2022-04-15/webhooks/{id}"),
        format!("/2022-04-15/dispatches/{id}/"),
        format!("/2022-04-15/dispatches/{id}?x=1"),
        format!("/2022-04-15/dispatches/{id}#x"),
        format!("/2022-04-15/dispatches/{id}\r\nHost: {host}"),
        format!("/2022-13-45/dispatches/{id}"),
        format!("/dispatches/{id}"),
        " ".to_owned(),
        format!(" {path}"),
        "/2022-04-15/dispatches/".to_owned(),
        "/2022-04-15/dispatches".to_owned(),
    ];
    for resource in &resources {
        stack.accepted("vevil", &json!({"event": {"name": "dispatch.create"}, "resource": resource})).await?;
    }
    for resource in [json!(null), json!(7), json!([path]), json!({"path": path})] {
        stack.accepted("vevil", &json!({"event": {"name": "dispatch.create"}, "resource": resource})).await?;
    }
    let mail = stack.mail.one(SOON, &["quarantined", "vevil"]).await?;
    ensure!(
        !mail.text.contains(&host) && !mail.html.contains(&host),
        "the mail repeats the forged host: {}",
        mail.text
    );
    stack.at_the_end(|stack| async move {
        ensure!(foreign.came() == 0, "a forged resource led to a foreign server {} times", foreign.came());
        let key = crate::harness::config::api_key("vevil");
        // Another case announces a real dispatch.
        let with_key = stack.stub.seen().into_iter().filter(|seen| seen.key == key && seen.about != DOWN);
        let with_key: Vec<_> = with_key.collect();
        ensure!(with_key.is_empty(), "a forged resource was fetched: {with_key:?}");
        let mail = stack.mail.about(&["quarantined", "vevil"]).await?;
        ensure!(mail.len() == 1, "forged resources are not one mail:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
