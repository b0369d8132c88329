//! The progress display of the verbs.

use std::sync::Arc;

pub(crate) use local_stack::progress::{Progress, Step};

use crate::show;

/// Bars if standard error is a terminal, else lines beside the result.
pub(crate) fn for_people() -> Arc<dyn Progress> {
    local_stack::progress::for_people(show::aside)
}
