//! Logging in: SASL, before anything else is asked.

use super::{Connection, Login, Request, Stage};
use crate::{
    Config, Mechanism, Sasl,
    answers::{self, SaslAuthenticate},
    codes,
    failure::{Failure, login_failure, no_mechanism, scram_failure},
    requests::{self, SASL_AUTHENTICATE, SASL_HANDSHAKE},
    scram::{Hash, Scram},
};

impl Connection {
    pub(super) fn begin_login(&mut self, sasl: &Sasl, config: &Config, now: u64) -> Result<(), Failure> {
        self.version(SASL_AUTHENTICATE)?;
        let version = self.version(SASL_HANDSHAKE)?;
        let frame = requests::sasl_handshake(self.head(version, config), sasl.mechanism.name());
        self.ask(Request::SaslHandshake, version, frame, config, now);
        Ok(())
    }

    /// An answer that belongs to the login.
    pub(super) fn login_answer(
        &mut self,
        sasl: &Sasl,
        request: Request,
        version: i16,
        body: &[u8],
        login: &mut Login<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let Login { config, salted } = login;
        let mechanism = sasl.mechanism;
        if let Request::SaslHandshake = request {
            let (error, mechanisms) = answers::sasl_handshake(body)?;
            return match error {
                0 => self.first_login_message(sasl, config, now),
                codes::UNSUPPORTED_SASL_MECHANISM => Err(no_mechanism(mechanism, &mechanisms)),
                error => Err(login_failure(mechanism, error)),
            };
        }
        let answer = SaslAuthenticate::read(version, body)?;
        if answer.error != 0 {
            return Err(login_failure(mechanism, answer.error));
        }
        match request {
            Request::ScramFirst(scram) => {
                let password = sasl.password.text();
                let (expected, message) = scram
                    .answer(answer.bytes, password, salted)
                    .map_err(|refused| scram_failure(mechanism, refused))?;
                return self.authenticate(Request::ScramFinal(expected), message, config, now);
            }
            Request::ScramFinal(expected) => {
                expected.check(answer.bytes).map_err(|refused| scram_failure(mechanism, refused))?;
            }
            _ => {}
        }
        if let Ok(lifetime @ 1..) = u64::try_from(answer.lifetime_ms) {
            // Another connection takes over before the broker closes this one (KIP-368).
            self.ends_at = Some(now.saturating_add(lifetime / 5 * 4));
        }
        self.stage = Stage::Ready;
        Ok(())
    }

    fn first_login_message(&mut self, sasl: &Sasl, config: &Config, now: u64) -> Result<(), Failure> {
        let hash = match sasl.mechanism {
            Mechanism::Plain => {
                let message = format!("\0{}\0{}", sasl.username, sasl.password.text()).into_bytes();
                return self.authenticate(Request::SaslPlain, message, config, now);
            }
            Mechanism::ScramSha256 => Hash::Sha256,
            Mechanism::ScramSha512 => Hash::Sha512,
        };
        let (scram, message) = Scram::begin(hash, &sasl.username, &self.nonce);
        self.authenticate(Request::ScramFirst(scram), message, config, now)
    }

    fn authenticate(
        &mut self,
        request: Request,
        message: Vec<u8>,
        config: &Config,
        now: u64,
    ) -> Result<(), Failure> {
        let version = self.version(SASL_AUTHENTICATE)?;
        let frame = requests::sasl_authenticate(self.head(version, config), &message);
        self.ask(request, version, frame, config, now);
        Ok(())
    }
}
