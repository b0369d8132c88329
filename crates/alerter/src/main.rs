//! alerter
fn main() {}
