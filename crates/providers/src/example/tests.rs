use super::*;
use crate::testing::{NOW, check_fixtures, decode, fetch, origin, parse, shown};

const WEBHOOK: &str = include_str!("fixtures/webhook.json");

#[test]
fn webhooks_become_fetches() {
    check_fixtures!("fixtures/webhook*.json", "reading", |body| shown(&Example, &parse(&Example, body)));
}

#[test]
fn answers_become_dispatches() {
    let asked = fetch(&Example, WEBHOOK);
    check_fixtures!("fixtures/answer*.json", "reading", |page| shown(&Example, &decode(&Example, &asked, page)));
}

#[test]
fn lists_become_dispatches() {
    let listing = Example.listings(&origin(&Example, false), NOW).remove(0);
    check_fixtures!("fixtures/list*.json", "reading", |page| shown(&Example, &decode(&Example, &listing, page)));
}
