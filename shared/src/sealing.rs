//! Seals a token pair under a data key, bound to its place.
//!
//! - message key = HKDF-SHA256(data key, salt = pair id), RFC 5869
//! - AES-256-GCM with a random 96-bit nonce; each message key seals one pair, so no nonce is used twice under one key
//! - associated data = format version, stack, connection id, pair id, each with its length in front
//!
//! A ciphertext that is moved to another row, stack or pair id does not open.
//!
//! Layout: `format version (1 byte) | nonce (12 bytes) | ciphertext | tag (16 bytes)`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::connection_id::ConnectionId;
use crate::domain::secret::{AccessToken, DataKey, RefreshToken};
use crate::domain::token_pair::{PairId, TokenPair};

const FORMAT_VERSION: u8 = 1;
const PURPOSE: &[&[u8]] = &[b"webinargeek-connect token pair"];

/// Where a sealed pair belongs.
#[derive(Clone, Copy, Debug)]
pub struct SealingContext<'a> {
    /// The name of the deployment (`STACK`).
    pub stack: &'a str,
    /// The id of the row that holds the pair.
    pub connection: &'a ConnectionId,
    /// It is also the salt of the message key.
    pub pair_id: PairId,
}

/// A sealed pair that does not open. The exact cause is not known: AES-GCM only says that the tag does not match.
#[derive(Debug, thiserror::Error)]
#[error("the sealed pair does not open: it was changed, or belongs to another row, stack or pair id")]
pub struct Unopenable;

#[derive(Serialize)]
struct PlainRef<'a> {
    access_token: &'a str,
    refresh_token: Option<&'a str>,
}

#[derive(Deserialize)]
struct Plain {
    access_token: String,
    refresh_token: Option<String>,
}

/// Returns the bytes of the layout above. `nonce` must be random: two under one message key would break AES-GCM.
pub fn seal(pair: &TokenPair, key: &DataKey, context: SealingContext<'_>, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
    let plain = PlainRef {
        access_token: pair.access_token.expose(),
        refresh_token: pair.refresh_token.as_ref().map(RefreshToken::expose),
    };
    let mut text = Zeroizing::new(serde_json::to_vec(&plain).expect("two strings are always JSON"));
    let tag = message_key(key, context.pair_id)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context.associated_data()),
            &mut text,
        )
        .expect("AES-GCM seals any text below 64 GiB");
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len() + tag.as_ref().len());
    sealed.push(FORMAT_VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&text);
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Fails if a byte, the key or the context differs from what [`seal`] had.
pub fn open(sealed: &[u8], key: &DataKey, context: SealingContext<'_>) -> Result<TokenPair, Unopenable> {
    let (&version, rest) = sealed.split_first().ok_or(Unopenable)?;
    if version != FORMAT_VERSION || rest.len() < NONCE_LEN {
        return Err(Unopenable);
    }
    let (nonce, ciphertext) = rest.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopenable)?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let plain = message_key(key, context.pair_id)
        .open_in_place(nonce, Aad::from(context.associated_data()), &mut text)
        .map_err(|_| Unopenable)?;
    let plain: Plain = serde_json::from_slice(plain).map_err(|_| Unopenable)?;
    Ok(TokenPair {
        access_token: AccessToken::new(plain.access_token),
        refresh_token: plain.refresh_token.map(RefreshToken::new),
    })
}

fn message_key(key: &DataKey, pair_id: PairId) -> LessSafeKey {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, pair_id.as_bytes());
    let unbound: UnboundKey = salt
        .extract(key.expose())
        .expand(PURPOSE, &AES_256_GCM)
        .expect("32 bytes are a valid HKDF-SHA256 length")
        .into();
    LessSafeKey::new(unbound)
}

impl SealingContext<'_> {
    /// Lengths in front, so that no two contexts have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let parts = [
            &[FORMAT_VERSION][..],
            self.stack.as_bytes(),
            self.connection.as_str().as_bytes(),
            self.pair_id.as_bytes(),
        ];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> TokenPair {
        TokenPair { access_token: AccessToken::new("access"), refresh_token: Some(RefreshToken::new("refresh")) }
    }

    fn sealed_at(context: SealingContext<'_>) -> Vec<u8> {
        seal(&pair(), &DataKey::new([7; 32]), context, [1; 12])
    }

    #[test]
    fn a_pair_opens_where_it_was_sealed_and_nowhere_else() {
        let [a, b] = ["a", "b"].map(|id| ConnectionId::parse(id).unwrap());
        let home = SealingContext { stack: "prod", connection: &a, pair_id: PairId::new([1; 16]) };
        let sealed = sealed_at(home);
        let key = DataKey::new([7; 32]);

        let opened = open(&sealed, &key, home).unwrap();
        assert_eq!(opened.access_token.expose(), "access");
        assert_eq!(opened.refresh_token.unwrap().expose(), "refresh");

        assert!(open(&sealed, &key, SealingContext { connection: &b, ..home }).is_err());
        assert!(open(&sealed, &key, SealingContext { stack: "test", ..home }).is_err());
        assert!(open(&sealed, &key, SealingContext { pair_id: PairId::new([2; 16]), ..home }).is_err());
        assert!(open(&sealed, &DataKey::new([8; 32]), home).is_err());
    }

    #[test]
    fn a_character_cannot_be_moved_from_the_connection_to_the_stack() {
        let [long, short] = ["ab", "b"].map(|id| ConnectionId::parse(id).unwrap());
        let pair_id = PairId::new([1; 16]);
        let sealed = sealed_at(SealingContext { stack: "x", connection: &long, pair_id });
        let shifted = SealingContext { stack: "xa", connection: &short, pair_id };
        assert!(open(&sealed, &DataKey::new([7; 32]), shifted).is_err());
    }

    #[test]
    fn a_pair_with_any_bit_flipped_or_cut_short_does_not_open() {
        let id = ConnectionId::parse("a").unwrap();
        let home = SealingContext { stack: "prod", connection: &id, pair_id: PairId::new([1; 16]) };
        let sealed = sealed_at(home);
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&broken, &DataKey::new([7; 32]), home).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&sealed[..length], &DataKey::new([7; 32]), home).is_err(), "length {length}");
        }
    }
}
