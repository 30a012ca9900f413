//! SCRAM (RFC 5802, RFC 7677) from the client's side, without channel binding, as Kafka has it.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// RFC 7677 asks for 4,096 at least; what a broker asks for beyond the bound is a way to burn our time.
const LEAST_ITERATIONS: u32 = 4_096;
const MOST_ITERATIONS: u32 = 100_000;

/// `n,,`: no channel binding, no other identity; then the same in base64.
const GS2_HEADER: &str = "n,,";
const GS2_HEADER_BASE64: &str = "biws";

/// Which hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// What is wrong with what the server says. Completes "the broker …", and shows none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The server says that it does not know us.
    Credentials,
    /// The server does not prove that it knows the password.
    Signature,
    /// Not a message of RFC 5802.
    Message,
    /// Not our nonce, so the message is not for us.
    Nonce,
    /// Too few to protect the password, or too many to compute.
    Iterations(u32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Credentials => f.write_str("refuses the credentials"),
            Refused::Signature => f.write_str("does not prove that it knows the password"),
            Refused::Message => f.write_str("answers SCRAM with something else"),
            Refused::Nonce => f.write_str("answers SCRAM with another nonce"),
            Refused::Iterations(count) => write!(
                f,
                "asks for {count} SCRAM iterations; expected {LEAST_ITERATIONS} to {MOST_ITERATIONS}"
            ),
        }
    }
}

/// A password that was salted: the costly part, which is the same for all brokers of a cluster. `Debug` shows nothing.
#[derive(Clone)]
pub(crate) struct Salted {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    password: Vec<u8>,
}

impl fmt::Debug for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salted(redacted)")
    }
}

/// An exchange after the client's first message.
#[derive(Clone, Debug)]
pub(crate) struct Scram {
    hash: Hash,
    nonce: String,
    /// Has the user's name in it.
    first_bare: Private<String>,
}

/// What the server's last message has to hold.
#[derive(Clone, Debug)]
pub(crate) struct Expected(Private<Vec<u8>>);

/// What `Debug` is not to show.
#[derive(Clone)]
struct Private<T>(T);

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

impl Scram {
    /// Begins: the client's first message. Like Kafka's own clients, names and passwords are taken as they are, without
    /// SASLprep.
    pub(crate) fn begin(hash: Hash, username: &str, nonce: &str) -> (Scram, Vec<u8>) {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={username},r={nonce}");
        let message = format!("{GS2_HEADER}{first_bare}").into_bytes();
        (Scram { hash, nonce: nonce.to_owned(), first_bare: Private(first_bare) }, message)
    }

    /// Answers the server's first message with the client's last one. `cache` keeps the salted password.
    pub(crate) fn answer(
        self,
        server_first: &[u8],
        password: &str,
        cache: &mut Option<Salted>,
    ) -> Result<(Expected, Vec<u8>), Refused> {
        let Scram { hash, nonce: own_nonce, first_bare: Private(first_bare) } = self;
        let server_first = std::str::from_utf8(server_first).map_err(|_| Refused::Message)?;
        if server_first.starts_with("e=") {
            return Err(Refused::Credentials);
        }
        let mut fields = server_first.split(',');
        let mut field =
            |name| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(Refused::Message);
        // `m=` would stand first: extensions that must be understood are not.
        let nonce: &str = field("r=")?;
        let salt = BASE64_STANDARD.decode(field("s=")?).map_err(|_| Refused::Message)?;
        let iterations: u32 = field("i=")?.parse().map_err(|_| Refused::Message)?;
        if !nonce.starts_with(&own_nonce) || nonce.len() == own_nonce.len() {
            return Err(Refused::Nonce);
        }
        if !(LEAST_ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
            return Err(Refused::Iterations(iterations));
        }
        if salt.is_empty() {
            return Err(Refused::Message);
        }
        let salted = match cache.take() {
            Some(known) if known.hash == hash && known.salt == salt && known.iterations == iterations => {
                known
            }
            _ => {
                let password = hash.salted(password.as_bytes(), &salt, iterations);
                Salted { hash, salt, iterations, password }
            }
        };
        let salted = cache.insert(salted);

        let without_proof = format!("c={GS2_HEADER_BASE64},r={nonce}");
        let signed = format!("{first_bare},{server_first},{without_proof}");
        let client_key = hash.hmac(&salted.password, b"Client Key");
        let client_signature = hash.hmac(&hash.digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&client_signature).map(|(key, bits)| key ^ bits).collect();
        let server_key = hash.hmac(&salted.password, b"Server Key");
        let expected = hash.hmac(&server_key, signed.as_bytes());
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok((Expected(Private(expected)), message.into_bytes()))
    }
}

impl Expected {
    /// Checks the server's last message: it knows the password, too.
    pub(crate) fn check(&self, server_final: &[u8]) -> Result<(), Refused> {
        let message = std::str::from_utf8(server_final).map_err(|_| Refused::Message)?;
        if message.starts_with("e=") {
            return Err(Refused::Credentials);
        }
        let signature = message.split(',').next().and_then(|field| field.strip_prefix("v="));
        let signature =
            BASE64_STANDARD.decode(signature.ok_or(Refused::Message)?).map_err(|_| Refused::Message)?;
        let Expected(Private(expected)) = self;
        if expected.ct_eq(&signature).into() { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// RFC 5802, section 5.1.
pub(crate) fn is_nonce(nonce: &str) -> bool {
    (16..=128).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

impl Hash {
    /// Hi() of RFC 5802: PBKDF2 with one block.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Hash::Sha256 => salted::<Hmac<Sha256>>(password, salt, iterations),
            Hash::Sha512 => salted::<Hmac<Sha512>>(password, salt, iterations),
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => keyed::<Hmac<Sha256>>(key).chain_update(message).finalize().into_bytes().to_vec(),
            Hash::Sha512 => keyed::<Hmac<Sha512>>(key).chain_update(message).finalize().into_bytes().to_vec(),
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(bytes).to_vec(),
            Hash::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

fn salted<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    // The key's two blocks are hashed once, not in every round.
    let mac = keyed::<M>(password);
    let mut round = mac.clone().chain_update(salt).chain_update(1_u32.to_be_bytes()).finalize().into_bytes();
    let mut result = round.to_vec();
    for _ in 1..iterations {
        round = mac.clone().chain_update(&round).finalize().into_bytes();
        for (byte, more) in result.iter_mut().zip(&round) {
            *byte ^= more;
        }
    }
    result
}

#[expect(clippy::expect_used, reason = "HMAC's key has no length that is wrong (RFC 2104)")]
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn answer(server_first: &str) -> Result<(Expected, Vec<u8>), Refused> {
        let (scram, _) = Scram::begin(Hash::Sha256, "user", NONCE);
        scram.answer(server_first.as_bytes(), "pencil", &mut None)
    }

    #[test]
    fn sha_256_is_as_in_rfc_7677_section_3() {
        let (scram, first) = Scram::begin(Hash::Sha256, "user", NONCE);
        assert_eq!(first, format!("n,,n=user,r={NONCE}").as_bytes());
        let mut cache = None;
        let (expected, message) = scram.answer(SERVER_FIRST.as_bytes(), "pencil", &mut cache).unwrap();
        assert_eq!(String::from_utf8(message).unwrap(), CLIENT_FINAL);
        assert_eq!(expected.check(SERVER_FINAL.as_bytes()), Ok(()));
        assert!(cache.is_some());
    }

    #[test]
    fn sha_512_is_as_an_independent_implementation_computes_it() {
        // Python: hashlib.pbkdf2_hmac("sha512", …) and hmac, with the nonces and the salt of RFC 7677.
        let (scram, _) = Scram::begin(Hash::Sha512, "user", NONCE);
        let (expected, message) = scram.answer(SERVER_FIRST.as_bytes(), "pencil", &mut None).unwrap();
        let message = String::from_utf8(message).unwrap();
        assert_eq!(message.split_once(",p=").unwrap().1, SHA_512_PROOF);
        assert_eq!(expected.check(format!("v={SHA_512_SIGNATURE}").as_bytes()), Ok(()));
    }

    const SHA_512_PROOF: &str =
        "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==";
    const SHA_512_SIGNATURE: &str =
        "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==";

    #[test]
    fn names_are_escaped() {
        let (_, first) = Scram::begin(Hash::Sha256, "a=b,c", "n");
        assert_eq!(first, b"n,,n=a=3Db=2Cc,r=n");
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_refused() {
        let (expected, _) = answer(SERVER_FIRST).unwrap();
        let other = SERVER_FINAL.replace("6rri", "6rrj");
        assert_eq!(expected.check(other.as_bytes()), Err(Refused::Signature));
        assert_eq!(expected.check(b"v="), Err(Refused::Signature));
        assert_eq!(expected.check(b""), Err(Refused::Message));
        assert_eq!(expected.check(b"v=%%"), Err(Refused::Message));
        assert_eq!(expected.check(b"e=invalid-proof"), Err(Refused::Credentials));
    }

    #[test]
    fn a_tampered_first_message_is_refused() {
        let refused = |from: &str, to: &str| answer(&SERVER_FIRST.replace(from, to)).unwrap_err();
        assert_eq!(refused("r=rOpr", "r=rOps"), Refused::Nonce);
        assert_eq!(refused("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""), Refused::Nonce);
        assert_eq!(refused("i=4096", "i=4095"), Refused::Iterations(4_095));
        assert_eq!(refused("i=4096", "i=100001"), Refused::Iterations(100_001));
        assert_eq!(refused("i=4096", "i=4294967296"), Refused::Message);
        assert_eq!(refused("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s="), Refused::Message);
        assert_eq!(refused("s=W22Z", "s=!22Z"), Refused::Message);
        assert_eq!(refused("r=", "m=ext,r="), Refused::Message);
        assert_eq!(answer("e=unknown-user").unwrap_err(), Refused::Credentials);
    }

    #[test]
    fn a_salted_password_serves_the_same_salt_and_iterations_only() {
        let mut cache = None;
        let mut proof = |server_first: &str| {
            let (scram, _) = Scram::begin(Hash::Sha256, "user", NONCE);
            let (_, message) = scram.answer(server_first.as_bytes(), "pencil", &mut cache).unwrap();
            String::from_utf8(message).unwrap()
        };
        let first = proof(SERVER_FIRST);
        let more = proof(&SERVER_FIRST.replace("i=4096", "i=4097"));
        assert_ne!(first, more);
        assert_eq!(proof(SERVER_FIRST), first);
        assert_eq!(proof(SERVER_FIRST), first);
    }

    #[test]
    fn debug_shows_no_secret() {
        let (scram, _) = Scram::begin(Hash::Sha256, "wile", NONCE);
        let mut cache = None;
        let shown = format!("{scram:?}");
        let (expected, _) = scram.answer(SERVER_FIRST.as_bytes(), "pencil", &mut cache).unwrap();
        assert_eq!(format!("{cache:?} {expected:?}"), "Some(Salted(redacted)) Expected(redacted)");
        assert!(!shown.contains("wile"), "{shown}");
    }
}
