//! The TLS roots. Reading the system's store is 84 % of a plain cold start, so the roots are compiled in.

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// The authorities of AWS endpoints, as PEM: those that Amazon Trust Services names, from Mozilla's list.
pub(crate) const AMAZON: &[u8] = include_bytes!("amazon-roots.pem");

/// All authorities in Mozilla's list, and private ones.
pub(crate) fn public(extra: Option<&[u8]>) -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(extra.into_iter().flat_map(CertificateDer::pem_slice_iter).filter_map(Result::ok));
    roots
}

/// Checks that a PEM file contains certificates that can be trusted.
pub(crate) fn check(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("holds a certificate that cannot be trusted: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::*;

    /// Fails when Mozilla's list changes; `BLESS=1` rewrites the file.
    #[test]
    fn amazons_roots_are_those_of_mozillas_list() {
        let listed: String =
            webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(|der| is_amazons(der)).map(|der| pem(der)).collect();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/amazon-roots.pem"), &listed).unwrap();
        } else {
            assert_eq!(std::str::from_utf8(AMAZON), Ok(listed.as_str()));
        }
        check(listed.as_bytes()).unwrap();
        assert_eq!(listed.matches("BEGIN").count(), 5);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(check(b"").is_err());
        assert!(check(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }

    #[test]
    fn private_roots_come_on_top_of_the_public_ones() {
        let one = pem(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]);
        assert_eq!(public(Some(one.as_bytes())).len(), public(None).len() + 1);
    }

    fn is_amazons(der: &[u8]) -> bool {
        let holds = |name: &[u8]| der.windows(name.len()).any(|window| window == name);
        holds(b"Amazon Root CA") || holds(b"Starfield Services Root")
    }

    fn pem(der: &[u8]) -> String {
        let base64 = BASE64_STANDARD.encode(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }
}
