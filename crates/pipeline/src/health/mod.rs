//! Whether gridbell itself works: the hydrator's heartbeat, the dead-letter queues, and what the sweep makes up for.

pub mod heartbeat;
pub mod sweep;
