//! Proof Key for Code Exchange (RFC 7636), method S256.

use super::digest;
use super::secret::CodeVerifier;

/// 43 characters of base64url, as RFC 7636 section 4.1 recommends for 32 random bytes.
pub fn code_verifier(random: [u8; 32]) -> CodeVerifier {
    CodeVerifier::new(digest::base64url(random))
}

/// `BASE64URL(SHA256(ASCII(code_verifier)))`, RFC 7636 section 4.2.
pub fn code_challenge(verifier: &CodeVerifier) -> String {
    digest::sha256(verifier.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(code_challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
