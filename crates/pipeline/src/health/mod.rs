//! Whether gridbell itself works: the hydrator's heartbeat, the dead-letter queues, chains of messages, and the repairs of
//! the sweep.

pub mod chain;
pub mod heartbeat;
pub mod sweep;
