//! The one HTTP client: ring for TLS, no redirects, no proxy (everything local is on loopback).

use anyhow::{Context, Result};
use reqwest::{Client, redirect::Policy};

/// Makes the client.
///
/// # Errors
/// The system's certificates cannot be read.
pub fn client() -> Result<Client> {
    // Err means that another part of the process has chosen a provider before, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().redirect(Policy::none()).no_proxy().build().context("no HTTP client can be made")
}
