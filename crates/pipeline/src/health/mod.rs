//! Whether gridbell itself works: the hydrator's heartbeat, the dead-letter queues, and the repairs of the sweep.

pub mod heartbeat;
pub mod sweep;
