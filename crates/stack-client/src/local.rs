//! Opens the local stack, described by the `stack.json` that `up` writes.

use std::{path::Path, time::Duration};

use aws::client::{self, Access};

use crate::{
    Console, Description, OpenError, Place,
    deployed::{QUEUES, TABLES},
    http_client,
};

/// Timeout of a response from this machine.
const ANSWERS: Duration = Duration::from_secs(3);

pub(crate) async fn open(file: &Path) -> Result<Console, OpenError> {
    let shown = file.display().to_string();
    let unreadable = |reason: String| OpenError::Unreadable { file: shown.clone(), reason };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::NoneHere { file: shown }),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let description: Description = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let http = http_client().map_err(|error| OpenError::Said(error.to_string()))?;
    if http.get(&description.endpoint_url).timeout(ANSWERS).send().await.is_err() {
        return Err(OpenError::Gone { file: shown, endpoint: description.endpoint_url });
    }
    console(description, http).map_err(|reason| OpenError::Unreadable { file: shown, reason })
}

fn console(description: Description, http: reqwest::Client) -> Result<Console, String> {
    let lacks = |kind: &str, name: &str| format!("it names no {kind} {name}");
    if let Some((missing, _)) = TABLES.iter().find(|(name, _)| !description.tables.contains_key(*name)) {
        return Err(lacks("table", missing));
    }
    if let Some((missing, _)) = QUEUES.iter().find(|(name, _)| !description.queues.contains_key(*name)) {
        return Err(lacks("queue", missing));
    }
    let table = description.tables.get("dispatches").ok_or_else(|| lacks("table", "dispatches"))?;
    let name = stack_name(table).ok_or_else(|| format!("the table {table} is not named after a stack"))?.to_owned();
    let queue = description.queues.get("deliveries").ok_or_else(|| lacks("queue", "deliveries"))?;
    let endpoint = Some(description.endpoint_url.as_str());
    let aws = client::shared(Access::new(endpoint, &description.region, key_id(queue), "test"));
    let hooks = description.sources.into_iter().map(|(name, source)| (name, source.url)).collect();
    Ok(Console {
        aws,
        name,
        place: Place::Local { hooks },
        webhook_base: description.webhook_base,
        queues: description.queues,
        tables: description.tables,
        http,
    })
}

/// `CloudFormation` puts the stack's name before a resource's name: `gridbell-DispatchesTable-1A2B`.
fn stack_name(table: &str) -> Option<&str> {
    table.split_once("-DispatchesTable").map(|(stack, _)| stack)
}

/// The access key for an emulator, which takes the account from it: the account number in the queues' URLs.
fn key_id(queue: &str) -> &str {
    let account = queue.rsplit('/').nth(1).unwrap_or_default();
    let number = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if number && account != "000000000000" { account } else { "test" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stack_json_does_not_say_is_read_from_names() {
        assert_eq!(stack_name("gridbell-x1-DispatchesTable-0A1B"), Some("gridbell-x1"));
        assert_eq!(stack_name("other"), None);
        assert_eq!(key_id("http://127.0.0.1:1/000000000000/gridbell-DeliveriesQueue-1"), "test");
        assert_eq!(key_id("http://127.0.0.1:1/123456789012/q"), "123456789012");
    }
}
