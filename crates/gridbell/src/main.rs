//! gridbell
fn main() {}
