//! The alerter function: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::alerter::run().await
}
