//! What proves to Google who asks: a token, got with the key of a service account, or from the machine itself.

use super::super::lent::Lent;
use super::super::web::{Answer, encoded, text};
use crate::files;
use crate::protocol::shown::Shown;
use base64ct::{Base64UrlUnpadded, Encoding};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use ureq::Agent;

/// Tokens are given back so long before they expire.
const AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// No key file is larger.
const MOST: u64 = 1 << 20;
/// What a token may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";
/// Where a machine of Google's is asked about itself.
const METADATA: &str = "http://metadata.google.internal";
/// What a service that lends tokens has for an answer.
const SERVICE_PATIENCE: Duration = Duration::from_secs(10);
/// What the machine has: elsewhere nobody is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tokens, or where to get them.
pub struct Credentials {
    source: Source,
    lent: Lent<String>,
}

enum Source {
    /// None: an emulator wants none.
    Nobody,
    /// A service account.
    Account { agent: Agent, key: Box<RsaKeyPair>, key_id: String, email: String, service: String },
    /// The machine lends us tokens.
    Machine { agent: Agent, address: String },
}

impl Credentials {
    fn of(source: Source) -> Credentials {
        Credentials { source, lent: Lent::new(AHEAD) }
    }

    /// None at all, for a store that asks for none.
    pub fn nobody() -> Credentials {
        Credentials::of(Source::Nobody)
    }

    /// Those of a service account, from the file that Google's console gives.
    pub fn of_file(path: &Path, agent: &Agent) -> Result<Credentials, String> {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let text = files::read(path, MOST).map_err(|error| wrong(error.to_string()))?;
        let account: Value = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let value = |name: &str| account[name].as_str().ok_or_else(|| wrong(format!("there is no {name} in it")));
        if value("type")? != "service_account" {
            return Err(wrong(format!("it is of {}, not of a service_account", value("type")?)));
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(value("private_key")?.as_bytes());
        let key = key.map_err(|error| wrong(format!("private_key: {error}")))?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der());
        let source = Source::Account {
            agent: agent.clone(),
            key: Box::new(key.map_err(|error| wrong(format!("private_key: {error}")))?),
            key_id: account["private_key_id"].as_str().unwrap_or_default().to_string(),
            email: value("client_email")?.to_string(),
            service: value("token_uri")?.to_string(),
        };
        Ok(Credentials::of(source))
    }

    /// Those of the machine that this runs on.
    pub fn of_machine(agent: &Agent) -> Credentials {
        let host = std::env::var("GCE_METADATA_HOST").ok().filter(|host| !host.is_empty());
        let address = host.map_or(METADATA.to_string(), |host| format!("http://{host}"));
        Credentials::of(Source::Machine { agent: agent.clone(), address })
    }

    /// The token that holds now; None: nobody asks for one.
    pub(super) fn token(&self) -> Result<Option<String>, String> {
        if matches!(self.source, Source::Nobody) {
            return Ok(None);
        }
        let lend = || {
            let answer = self.ask()?;
            let token = answer["access_token"].as_str().ok_or_else(|| format!("no token: {}", refusal(&answer)))?;
            let seconds = answer["expires_in"].as_i64().unwrap_or(0);
            let until = Timestamp::now().saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
            Ok((token.to_string(), until))
        };
        self.lent.get(lend).map(Some)
    }

    /// Takes no more of this token; false if there was none.
    pub(super) fn forget(&self, used: Option<&String>) -> bool {
        used.inspect(|used| self.lent.forget(used)).is_some()
    }

    fn ask(&self) -> Result<Value, String> {
        let answered = |place: &str, result: Result<Answer, ureq::Error>| {
            let said = result.map_err(|error| error.to_string()).and_then(text);
            let said = said.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
            said.map_err(|why: String| format!("no token: {place}: {why}"))
        };
        match &self.source {
            Source::Nobody => Err("no token is needed".to_string()),
            Source::Account { agent, key, key_id, email, service } => {
                let assertion = assertion(key, key_id, email, service, Timestamp::now())?;
                let grant = encoded("urn:ietf:params:oauth:grant-type:jwt-bearer", false);
                let form = format!("grant_type={grant}&assertion={assertion}");
                let request = agent.post(service).header("content-type", "application/x-www-form-urlencoded");
                let request = request.config().timeout_global(Some(SERVICE_PATIENCE)).build();
                answered(service, request.send(form.as_bytes()))
            }
            Source::Machine { agent, address } => {
                let path = "computeMetadata/v1/instance/service-accounts/default/token";
                let request = agent.get(format!("{address}/{path}")).header("metadata-flavor", "Google");
                answered(address, request.config().timeout_global(Some(PATIENCE)).build().call())
            }
        }
    }
}

/// What a service says where it does not give a token.
fn refusal(answer: &Value) -> String {
    let said = answer["error_description"].as_str().or(answer["error"].as_str());
    Shown(said.unwrap_or("an answer without one").as_bytes()).to_string()
}

/// What a service account signs to get a token (RFC 7523).
fn assertion(key: &RsaKeyPair, key_id: &str, email: &str, service: &str, now: Timestamp) -> Result<String, String> {
    let part = |value: Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let header = part(json!({ "alg": "RS256", "typ": "JWT", "kid": key_id }));
    let (from, until) = (now.as_second(), now.as_second() + 3600);
    let claims = part(json!({ "iss": email, "scope": SCOPE, "aud": service, "iat": from, "exp": until }));
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the key can't sign".to_string())?;
    Ok(format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature)))
}
