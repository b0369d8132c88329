//! The table of alerts: incidents, alert groups and links.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::channels::ChannelHealth,
    group::{AckLink, AlertGroup},
    incident::{Incident, IncidentStatus, Waiting},
    ports::{Clock, Incidents, OpenIncidentIndex, OpenPage, Random},
};

use super::{
    helpers::{lost, soon},
    samples,
};
use crate::host::Host;

/// Incidents: one conditional write, which recognises its own repetition.
pub async fn incidents(table: &impl Incidents) {
    let now = Host.now();
    let first = samples::incident(&Host.unique(), now);
    let key = first.incident.as_str();
    assert_eq!(table.read(key).await.unwrap(), None);
    table.write(&first, None).await.unwrap();
    assert_eq!(table.read(key).await.unwrap().as_ref(), Some(&first));
    assert_eq!(lost(table.write(&first, None).await), first);
    let second = Incident { revision: 2, write: "write-2".to_owned(), ..first.clone() };
    table.write(&second, Some(1)).await.unwrap();
    let late = Incident { write: "write-3".to_owned(), ..second.clone() };
    assert_eq!(lost(table.write(&late, Some(1)).await), second);
}

/// Mails that wait in a group are found, the most urgent first, until they are sent.
pub async fn waiting(table: &impl Incidents) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let group = format!("group/hydration-failing/{}/first", Host.unique());
    let waits = |id: &str, sorts_by: Timestamp| {
        let waiting = Waiting { group: group.clone(), since: now, send_at: now, sorts_by, stages: Vec::new() };
        Incident { waiting: Some(waiting), ..samples::incident(id, now) }
    };
    // This one is too long for a key, and its dispatch starts first.
    let long = format!("{}{}", "ü".repeat(400), Host.unique());
    let all = [
        waits(&Host.unique(), Timestamp::MAX),
        waits(&Host.unique(), at(60)),
        waits(&long, at(30)),
        Incident { status: IncidentStatus::Resolved, ..waits(&Host.unique(), at(90)) },
    ];
    for incident in &all {
        table.write(incident, None).await.unwrap();
    }
    let in_order = [&all[2], &all[1], &all[3], &all[0]].map(|incident| incident.incident.clone());
    let found = async |limit| table.waiting(&group, limit).await.unwrap();
    assert!(soon(async || found(10).await == in_order).await);
    assert_eq!(found(2).await, in_order[..2]);
    assert_eq!(table.waiting("group/of/nothing/first", 10).await.unwrap(), [""; 0]);
    let sent = Incident { revision: 2, waiting: None, ..all[2].clone() };
    table.write(&sent, Some(1)).await.unwrap();
    assert!(soon(async || found(10).await == in_order[1..]).await);
}

/// Incidents that are open or have a mail to send are listed page by page.
pub async fn open_pages(table: &(impl Incidents + OpenIncidentIndex)) {
    const COUNT: usize = 130;
    let now = Host.now();
    let (name, group) = (Host.unique(), format!("group/hydration-failing/{}/resolved", Host.unique()));
    let mut all: Vec<Incident> = (0..COUNT).map(|n| samples::incident(&format!("{name}-{n}"), now)).collect();
    all[0].status = IncidentStatus::Acknowledged;
    all[1].status = IncidentStatus::Resolved;
    all[1].waiting = Some(Waiting { group, since: now, send_at: now, sorts_by: now, stages: Vec::new() });
    let over = Incident { status: IncidentStatus::Resolved, ..samples::incident(&format!("{name}-over"), now) };
    for incident in all.iter().chain([&over]) {
        table.write(incident, None).await.unwrap();
    }
    let listed = async || {
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let OpenPage { incidents, next } = table.open(after.as_deref()).await.unwrap();
            assert!(incidents.len() <= 100);
            keys.extend(incidents.into_iter().filter(|key| key.contains(&name)));
            after = next;
            if after.is_none() {
                return keys;
            }
        }
    };
    let keys = |incidents: &[Incident]| incidents.iter().map(|incident| incident.incident.clone()).collect();
    let expected: BTreeSet<String> = keys(&all);
    assert!(soon(async || BTreeSet::from_iter(listed().await) == expected).await);
    assert_eq!(listed().await.len(), COUNT, "each once");
    for incident in &all {
        let resolved = IncidentStatus::Resolved;
        let done = Incident { revision: 2, status: resolved, waiting: None, ..incident.clone() };
        table.write(&done, Some(1)).await.unwrap();
    }
    assert!(soon(async || listed().await.is_empty()).await);
}

/// Alert groups, links and the state of channels follow the same conditions as incidents, and none is mistaken for another or
/// for an incident.
pub async fn groups_and_links(table: &impl Incidents) {
    let now = Host.now();
    let name = Host.unique();
    let group = samples::group(&format!("group/hydration-failing/{name}/first"), now);
    assert_eq!(table.group(&group.group).await.unwrap(), None);
    table.write_group(&group, None).await.unwrap();
    assert_eq!(table.group(&group.group).await.unwrap().as_ref(), Some(&group));
    assert_eq!(lost(table.write_group(&group, None).await), group);
    let next = AlertGroup { revision: 2, write: "write-2".to_owned(), flush_at: None, ..group.clone() };
    table.write_group(&next, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_group(&group, Some(1)).await), next);

    let link = samples::link(&format!("link/{name}"), 200, now);
    assert_eq!(table.link(&link.link).await.unwrap(), None);
    table.write_link(&link, None).await.unwrap();
    let used = AckLink { revision: 2, used_at: Some(now), ..link.clone() };
    table.write_link(&used, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_link(&used, Some(1)).await), used, "used once");
    assert_eq!(table.link(&link.link).await.unwrap(), Some(used));

    let channel = samples::channel(&name, now);
    assert_eq!(table.channel(&channel.channel).await.unwrap(), None);
    table.write_channel(&channel, None).await.unwrap();
    let works = ChannelHealth { revision: 2, failures: 0, failing_since: None, error: None, ..channel.clone() };
    table.write_channel(&works, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_channel(&channel, Some(1)).await), works);
    assert_eq!(table.channel(&channel.channel).await.unwrap(), Some(works));
}
