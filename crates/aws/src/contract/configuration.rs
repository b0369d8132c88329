//! The table of configurations: the functions read exactly what the CLI writes, completely or not at all.

use jiff::Timestamp;
use serde_json::json;

use crate::configuration::{ConfigTable, Current, ReadError, ReplaceError, Stored, Version, digest};

/// A configuration of 200 sources with programs, contacts and escalations each, some 100 KB.
fn large() -> String {
    let hash = |text: String| digest(&text);
    let mut sources = serde_json::Map::new();
    for n in 0..200 {
        let deadlines = json!({"lead_s": 600 + n, "immediate_s": 60, "acknowledge": n % 2 == 0});
        let source = json!({
            "provider": "voltus", "api_url": "https://api.voltus.co", "api_key": format!("ssm:/gridbell/site-{n}"),
            "tokens": [hash(format!("token {n}"))], "deadlines": deadlines,
            "programs": {format!("Program {n}"): deadlines, "Économie d’énergie": deadlines},
            "contacts": {"email": [format!("mill-{n}@example.com")], "escalate": [{"after_s": 300, "email": ["lead@example.com"]}]},
        });
        sources.insert(format!("site-{n}"), source);
    }
    json!({"sources": sources, "acks": {"tokens": [hash("acks".to_owned())]}}).to_string()
}

fn version(number: u64, json: &str) -> Version {
    let at: Timestamp = "2026-03-01T12:00:00.5Z".parse().expect("an instant");
    Version { number, digest: digest(json), json: json.to_owned(), at, by: "Ada Lovelace".to_owned() }
}

/// Versions follow each other without a gap, and a function reads the current one.
pub async fn configurations(table: &ConfigTable, current: &Current) {
    assert_eq!(table.current().await.unwrap(), None);
    assert_eq!(current.read().await, Err(ReadError::Nothing));

    let (small, large) = (r#"{"sources":{}}"#, large());
    assert!(large.len() > 80 * 1_024, "{} bytes", large.len());
    table.replace(None, &version(1, small)).await.unwrap();
    assert!(matches!(table.replace(None, &version(1, small)).await, Err(ReplaceError::Overtaken)));
    assert!(matches!(table.replace(Some(7), &version(8, small)).await, Err(ReplaceError::Overtaken)));
    assert_eq!(table.version(8).await.unwrap(), None, "a version that lost leaves nothing behind");

    // Of two that follow the same version, one is refused.
    let (first, second) = (version(2, &large), version(2, small));
    let (first, second) = tokio::join!(table.replace(Some(1), &first), table.replace(Some(1), &second));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    table.replace(Some(2), &version(3, &large)).await.unwrap();

    let read = current.read().await.unwrap();
    assert_eq!((read.number, read.digest.as_str()), (3, digest(&large).as_str()));
    assert_eq!(read.config.sources.len(), 200);
    assert_eq!(read.config, pipeline::config::Config::parse(&large).unwrap());
    assert_eq!(table.current().await.unwrap(), Some(Stored::Applied(version(3, &large))));
    assert_eq!(table.version(1).await.unwrap(), Some(version(1, small)));

    table.withdraw(3).await.unwrap();
    assert_eq!(table.current().await.unwrap(), Some(Stored::Withdrawn { number: 3 }));
    assert_eq!(current.read().await, Err(ReadError::Nothing));
    table.replace(Some(3), &version(4, small)).await.unwrap();
    let history = table.history().await.unwrap();
    let numbers: Vec<u64> = history.iter().map(|head| head.number).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    assert!(history.iter().all(|head| head.by == "Ada Lovelace"));
    assert_eq!(history[0].digest, digest(small));
}
