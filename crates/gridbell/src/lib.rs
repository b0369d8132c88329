//! gridbell
