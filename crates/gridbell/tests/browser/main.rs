//! The web console in a real browser: every page and every action, on fixed data and on a running stack.
//!
//! `GRIDBELL_SCREENSHOTS=FOLDER` stores a screenshot of each page there, in light and dark mode and two widths.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "helpers of tests fail the test, and print what was not tested"
)]

use std::{path::PathBuf, sync::Arc};

use gridbell::web::{self, Serving};
use tokio::runtime::Runtime;

mod actions;
mod axe;
mod chromium;
mod data;
mod fixed;
mod guard;
mod keys;
mod live;
mod page;
mod pages;
mod stack;
mod tab;

use self::{fixed::FixedStack, tab::Tab};

/// A console over fixed data, open in a tab.
pub(crate) struct Opened {
    pub(crate) tab: Tab,
    pub(crate) stack: Arc<FixedStack>,
    _serving: Serving,
    _runtime: Runtime,
}

/// Serves the console of that stack.
pub(crate) fn serve(stack: &Arc<FixedStack>) -> (Runtime, Serving) {
    let runtime = Runtime::new().expect("threads");
    let access: Arc<dyn web::StackAccess> = Arc::clone(stack) as _;
    let serving = runtime.block_on(web::serve(access, 0, true)).expect("a free port");
    (runtime, serving)
}

/// Opens the console of that stack; none if there is no browser.
pub(crate) fn open(stack: Arc<FixedStack>) -> Option<Opened> {
    let browser = chromium::browser()?;
    let (runtime, serving) = serve(&stack);
    let tab = Tab::open(browser, &serving.url);
    Some(Opened { tab, stack, _serving: serving, _runtime: runtime })
}

/// The folder for screenshots, if wanted.
pub(crate) fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("GRIDBELL_SCREENSHOTS")?);
    std::fs::create_dir_all(&folder).expect("a folder");
    Some(folder)
}
