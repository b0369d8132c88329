//! The receiver function: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::receiver::run().await
}
