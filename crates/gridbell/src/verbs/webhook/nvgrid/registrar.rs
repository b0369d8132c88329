//! `NvGrid`'s registration, behind the trait of all providers.

use anyhow::Result;

use super::{
    super::{
        list::List,
        register::Register,
        registrar::{Doing, Listing, Registrar},
        test::Test,
        unregister::Unregister,
    },
    list, register, test, unregister,
};
use crate::endpoint::{HookAddress, Opened};

/// `NvGrid`'s registrar.
pub(in super::super) struct NvGrid;

impl Registrar for NvGrid {
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a> {
        Box::pin(register(&args.asking, opened, endpoint, &args.event))
    }

    fn unregister<'a>(&'a self, args: &'a Unregister, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move { unregister(&args.asking, opened, &opened.endpoint(&args.hook.place).await?).await })
    }

    fn list<'a>(&'a self, args: &'a List, opened: &'a Opened) -> Doing<'a> {
        Box::pin(list(&args.asking, opened, args.json))
    }

    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a> {
        Box::pin(test(&args.asking, &args.hook, opened, args.wait))
    }

    fn registered<'a>(&'a self, _opened: &'a Opened) -> Doing<'a, Listing> {
        let found = "NvGrid has no call that lists webhooks".to_owned();
        Box::pin(async move { Result::Ok(Listing::Unknown { found, mend: None }) })
    }
}
