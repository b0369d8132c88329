//! A test case: a named async function.

use std::{future::Future, pin::Pin};

use anyhow::Result;

/// The future of a running case.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<()>>>>;

/// A test case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnOnce() -> Running + Send>,
}

impl Case {
    pub(crate) fn new<F, Fut>(name: &'static str, run: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        Self { name, run: Box::new(move || Box::pin(run())) }
    }
}

/// Lists a module's cases, named `<module>::<function>`.
macro_rules! cases {
    ($module:literal: $($function:ident),+ $(,)?) => {
        /// The cases of this module.
        pub(crate) fn cases() -> Vec<crate::harness::Case> {
            vec![$(crate::harness::Case::new(concat!($module, "::", stringify!($function)), $function)),+]
        }
    };
}
pub(crate) use cases;
