//! Whether gridbell itself works: the hydrator's heartbeat, the dead-letter queues, the repairs of the sweep, and the
//! heartbeat signals for consumers.

pub mod chain;
pub mod heartbeat;
pub mod heartbeat_signal;
pub mod sweep;
