//! hydrator
fn main() {}
