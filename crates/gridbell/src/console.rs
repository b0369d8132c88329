//! The stack that a verb works on, and its client.

use std::path::PathBuf;

use local_stack::Workspace;
use stack_client::DeployedStack;
pub(crate) use stack_client::{Console, OpenError, Place, StackInfo};
use url::Url;

/// The stack that a verb works on.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which stack")]
pub(crate) struct Which {
    /// Local stack: its description, written by `gridbell up` [default: target/gridbell/stack.json]
    #[arg(long, value_name = "FILE", conflicts_with = "stack")]
    pub(crate) state: Option<PathBuf>,
    /// Stack deployed in AWS: its CloudFormation name
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// AWS profile [default: `AWS_PROFILE`, else `default`]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) profile: Option<String>,
    /// AWS region [default: `AWS_REGION`, else the profile's]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub(crate) region: Option<String>,
    /// AWS-compatible endpoint that the stack is deployed to [default: `AWS_ENDPOINT_URL`, else the profile's, else AWS]
    #[arg(long, value_name = "URL", requires = "stack")]
    pub(crate) endpoint_url: Option<Url>,
}

impl Which {
    /// Opens the stack.
    ///
    /// # Errors
    /// One line with the way out: there is no stack, it does not answer, there are no credentials, or access is denied.
    pub(crate) async fn open(&self) -> Result<Console, OpenError> {
        match (&self.stack, &self.state) {
            (Some(name), _) => {
                let (profile, region) = (self.profile.as_deref(), self.region.as_deref());
                let endpoint_url = self.endpoint_url.as_ref().map(|url| url.as_str().trim_end_matches('/'));
                Console::open_deployed(DeployedStack { name, profile, region, endpoint_url }).await
            }
            (None, Some(file)) => Console::open_local(file).await,
            (None, None) => Console::open_local(&usual()?).await,
        }
    }
}

/// The file in which `up` describes the stack by default.
fn usual() -> Result<PathBuf, OpenError> {
    // A binary installed without a checkout has no default file.
    let own = Workspace::find().map(|workspace| workspace.own());
    own.map(|own| own.join("stack.json")).map_err(|_| OpenError::NoneHere { file: "stack.json".to_owned() })
}
