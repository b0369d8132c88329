//! receiver
fn main() {}
