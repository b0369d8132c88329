//! The hydrator function: wiring only.

/// A hydrator holds thousands of active dispatches. glibc scatters an invocation's short-lived values among them, which
/// costs CPU time (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::hydrator::run().await
}
