//! Which stack a verb is about, and its client.

use std::path::PathBuf;

use local_stack::Workspace;
pub(crate) use stack_client::{Console, OpenError, Place, StackInfo};

/// Which stack a verb is about.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which stack")]
pub(crate) struct Which {
    /// The local stack that `gridbell up` described there [default: target/gridbell/stack.json]
    #[arg(long, value_name = "FILE", conflicts_with = "stack")]
    pub(crate) state: Option<PathBuf>,
    /// A stack deployed in AWS, by the name that CloudFormation knows it by
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// The AWS profile to use [default: `AWS_PROFILE`, else `default`]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) profile: Option<String>,
    /// The AWS region [default: `AWS_REGION`, else the profile's]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) region: Option<String>,
}

impl Which {
    /// Opens the stack.
    ///
    /// # Errors
    /// In one line, with the way out: none is there, it does not answer, nobody is signed in, or access is denied.
    pub(crate) async fn open(&self) -> Result<Console, OpenError> {
        match (&self.stack, &self.state) {
            (Some(name), _) => Console::open_deployed(name, self.profile.as_deref(), self.region.as_deref()).await,
            (None, Some(file)) => Console::open_local(file).await,
            (None, None) => Console::open_local(&usual()?).await,
        }
    }
}

/// Where `up` describes the stack unless it is told otherwise.
fn usual() -> Result<PathBuf, OpenError> {
    // Installed without a checkout there is no usual place.
    let own = Workspace::find().map(|workspace| workspace.own());
    own.map(|own| own.join("stack.json")).map_err(|_| OpenError::NoneHere { file: "stack.json".to_owned() })
}
