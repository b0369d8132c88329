//! retrier
fn main() {}
