//! The courier function: wiring only.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::courier::run().await
}
