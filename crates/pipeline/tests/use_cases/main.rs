//! The use cases over the simulation.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a failing test helper must fail the test")]

mod acks;
mod alert;
mod aws_rules;
mod by_hand;
mod clock;
mod common;
mod deadlines;
mod epochs;
mod failures;
mod found_by_swarm;
mod group_times;
mod groups;
mod heartbeat;
mod hints;
mod hydrate;
mod incidents;
mod left_open;
mod link;
mod lists;
mod mail;
mod mailed;
mod messages;
mod oddities;
mod open_end;
mod overrides;
mod parts;
mod poll;
mod poll_leap;
mod polling;
mod power;
mod ramps;
mod receive;
mod recorded;
mod retry;
mod reviews;
mod settling;
mod short_of_time;
mod sites;
mod storm;
mod timeline;
mod unreadable_fields;
mod untrusted;
mod views;
mod walk;
