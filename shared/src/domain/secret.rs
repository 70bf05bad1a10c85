//! Secrets are types that cannot be printed: no `Display`, no `Serialize`, a redacted `Debug`, wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Declares string secrets. Only `expose` returns the text, so a search for it finds every use.
macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is: its form is not checked.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The secret in plain text: for the request or the store that needs it, never for a log, page or error.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )+};
}

secrets! {
    /// RFC 6749 section 1.4.
    AccessToken,
    /// RFC 6749 section 1.5.
    RefreshToken,
    /// RFC 6749 section 4.1.2. It is sent only once.
    AuthorizationCode,
    /// RFC 6749 section 2.3.1.
    ClientSecret,
    /// RFC 7636 section 4.1.
    CodeVerifier,
    /// RFC 6749 section 10.12: 32 random bytes in base64url. Only its hash is stored or logged.
    State,
    /// The value of the cookie that binds an attempt to its browser: 32 random bytes in base64url, and when it was set.
    CookieValue,
    /// The bearer token in a connect session's link: 32 random bytes in base64url. Only its hash is stored or logged.
    SessionToken,
    /// What a browser brings to `return_to`, and the backend confirms with: 32 random bytes in base64url.
    Confirmation,
}

/// A data key in plain text: 256 bits that never leave the process.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// 32 bytes, as KMS has made or opened them.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key in plain text: only for the cipher.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_can_be_printed() {
        let printed = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            AccessToken::new("canary"),
            RefreshToken::new("canary"),
            AuthorizationCode::new("canary"),
            ClientSecret::new("canary"),
            CodeVerifier::new("canary"),
            State::new("canary"),
            CookieValue::new("canary"),
            SessionToken::new("canary"),
            Confirmation::new("canary"),
            DataKey::new(*b"canarycanarycanarycanarycanaryca"),
        );
        assert!(!printed.contains("canary"), "{printed}");
        assert!(!printed.contains("99, 97"), "bytes of the canary: {printed}");
    }
}
