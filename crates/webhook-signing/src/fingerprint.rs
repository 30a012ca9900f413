//! Telling secrets apart without showing them.

use sha2::{Digest, Sha256};

use crate::{
    SecretKind, Secrets,
    signature::{Key, push_hex},
};

/// What may be shown of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// `sha256:` and the first 8 hex digits of SHA-256 over the key's bytes: of a `whsec_` secret the decoded ones, of any
    /// other those of its text. Enough to see whether two are the same, and of no use to sign.
    pub fingerprint: String,
    /// How the secret is written.
    pub kind: SecretKind,
}

/// A fingerprint of each of the secrets that sign `webhook-signature`, in the order of the signatures.
pub fn fingerprints(secrets: &Secrets) -> Vec<Fingerprint> {
    let of = |(key, kind): (&Key, SecretKind)| {
        let mut fingerprint = "sha256:".to_owned();
        push_hex(&mut fingerprint, Sha256::digest(key.bytes()).get(..4).unwrap_or_default());
        Fingerprint { fingerprint, kind }
    };
    secrets.standard_keys().zip(secrets.kinds()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secret_key: &str) -> Vec<(String, &'static str)> {
        let secrets = Secrets::parse(secret_key).unwrap();
        fingerprints(&secrets).into_iter().map(|one| (one.fingerprint, one.kind.as_str())).collect()
    }

    #[test]
    fn a_fingerprint_is_the_start_of_the_keys_sha_256() {
        // Oracle: printf '\1\2\3' | sha256sum; printf whsec_ | sha256sum
        assert_eq!(shown("whsec_AQID"), [("sha256:039058c6".to_owned(), "whsec")]);
        assert_eq!(shown("whsec_"), [("sha256:41ab51b8".to_owned(), "plain")]);
    }

    #[test]
    fn each_secret_of_a_rotation_has_its_own() {
        let kinds: Vec<&str> =
            shown("old-secret-of-ours whsec_AQID").into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, ["plain", "whsec"]);
        assert_eq!(shown("whsec_AQID whsec_AQID=").len(), 2);
    }
}
