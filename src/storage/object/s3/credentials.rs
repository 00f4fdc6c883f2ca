//! Where the keys come from: the configuration, the environment, the file that Amazon's tools share, a token of the
//! cluster, or the machine itself.

use super::super::lent::Lent;
use super::super::web::{Answer, encoded, text};
use super::answers;
use super::sign::Keys;
use crate::protocol::shown::Shown;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use ureq::Agent;

/// Lent keys are given back so long before they expire.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// Where a machine of Amazon's is asked about itself.
const METADATA: &str = "http://169.254.169.254";
/// What a service that lends keys has for an answer.
const SERVICE_PATIENCE: Duration = Duration::from_secs(10);
/// What the machine has: elsewhere nobody is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keys, or where to get them.
pub struct Credentials {
    source: Source,
    lent: Lent<Keys>,
}

/// Where keys come from.
enum Source {
    Fixed(Keys),
    /// A file of the cluster says who we are; a service lends keys to that role.
    WebIdentity {
        agent: Agent,
        service: String,
        role: String,
        session: String,
        token_file: PathBuf,
    },
    /// The machine lends us keys.
    Machine {
        agent: Agent,
        address: String,
    },
}

impl Credentials {
    fn of(source: Source) -> Credentials {
        Credentials { source, lent: Lent::new(AHEAD) }
    }

    /// These keys.
    pub fn fixed(keys: Keys) -> Credentials {
        Credentials::of(Source::Fixed(keys))
    }

    /// Those that the surroundings offer, in the order of Amazon's own tools.
    pub fn found(agent: &Agent, region: &str) -> Result<Credentials, String> {
        Credentials::find(agent, region, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn find(agent: &Agent, region: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Credentials, String> {
        if let (Some(access_key), Some(secret_key)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            return Ok(Credentials::fixed(Keys {
                access_key,
                secret_key,
                session_token: variable("AWS_SESSION_TOKEN"),
            }));
        }
        let source = match (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN")) {
            (Some(token_file), Some(role)) => Source::WebIdentity {
                agent: agent.clone(),
                service: variable("AWS_ENDPOINT_URL_STS").unwrap_or(format!("https://sts.{region}.amazonaws.com")),
                role,
                session: variable("AWS_ROLE_SESSION_NAME").unwrap_or("django-ftpd".to_string()),
                token_file: token_file.into(),
            },
            _ => match shared_file(variable)? {
                Some(keys) => Source::Fixed(keys),
                None => Source::Machine {
                    agent: agent.clone(),
                    address: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(METADATA.to_string()),
                },
            },
        };
        Ok(Credentials::of(source))
    }

    /// The keys that hold now.
    pub(super) fn keys(&self) -> Result<Keys, String> {
        match &self.source {
            Source::Fixed(keys) => Ok(keys.clone()),
            Source::WebIdentity { agent, service, role, session, token_file } => self
                .lent
                .get(|| by_token(agent, service, role, session, token_file).map_err(|why| format!("{service}: {why}"))),
            Source::Machine { agent, address } => self.lent.get(|| {
                of_machine(agent, address)
                    .map_err(|why| format!("no credentials: none are configured, and {address} has none: {why}"))
            }),
        }
    }

    /// Takes no more of these, if they were lent; false if they are always the same.
    pub(super) fn forget(&self, used: &Keys) -> bool {
        self.lent.forget(used);
        !matches!(self.source, Source::Fixed(_))
    }
}

/// The keys of a profile in the file that Amazon's tools share.
fn shared_file(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Keys>, String> {
    let named = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let in_home = || Some(PathBuf::from(variable("HOME")?).join(".aws/credentials"));
    let Some(path) = named.or_else(in_home) else { return Ok(None) };
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let profile = variable("AWS_PROFILE").unwrap_or("default".to_string());
    let keys = keys_of(&text, &profile);
    keys.map(Some).ok_or_else(|| format!("{}: there are no keys in its profile {profile}", path.display()))
}

fn keys_of(text: &str, profile: &str) -> Option<Keys> {
    let heading = |line: &str| Some(line.strip_prefix('[')?.strip_suffix(']')?.trim().to_string());
    let lines = text.lines().map(str::trim).skip_while(|line| heading(line).as_deref() != Some(profile)).skip(1);
    let pairs: Vec<(&str, &str)> = lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let value = |name| pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_string());
    Some(Keys {
        access_key: value("aws_access_key_id")?,
        secret_key: value("aws_secret_access_key")?,
        session_token: value("aws_session_token"),
    })
}

fn by_token(
    agent: &Agent,
    service: &str,
    role: &str,
    session: &str,
    token_file: &PathBuf,
) -> Result<(Keys, Timestamp), String> {
    let token = std::fs::read_to_string(token_file).map_err(|error| format!("{}: {error}", token_file.display()))?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session),
        ("WebIdentityToken", token.trim()),
    ];
    let form = form.map(|(name, value)| format!("{name}={}", encoded(value, false))).join("&");
    let answer = agent
        .post(service)
        .config()
        .timeout_global(Some(SERVICE_PATIENCE))
        .http_status_as_error(false)
        .build()
        .header("content-type", "application/x-www-form-urlencoded")
        .send(form.as_bytes())
        .map_err(|error| error.to_string())?;
    let body = text(answer)?;
    let complaint = answers::complaint(&body);
    if !complaint.code.is_empty() {
        let (code, message) = (Shown(complaint.code.as_bytes()), Shown(complaint.message.as_bytes()));
        return Err(format!("{code}: {message}"));
    }
    let value = |name| answers::value(&body, "AssumeRoleWithWebIdentityResponse", name);
    let (access_key, secret_key) = (value("AccessKeyId")?, value("SecretAccessKey")?);
    let keys = Keys { access_key, secret_key, session_token: Some(value("SessionToken")?) };
    Ok((keys, moment(&value("Expiration")?)?))
}

/// The second version of Amazon's protocol: a token first, which no confused proxy would get.
fn of_machine(agent: &Agent, address: &str) -> Result<(Keys, Timestamp), String> {
    let address = address.trim_end_matches('/');
    let said = |result: Result<Answer, ureq::Error>| text(result.map_err(|error| error.to_string())?);
    let token = said(
        agent
            .put(format!("{address}/latest/api/token"))
            .config()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(true)
            .build()
            .header("x-aws-ec2-metadata-token-ttl-seconds", "300")
            .send_empty(),
    )?;
    let get = |path: &str| {
        let request = agent.get(format!("{address}/latest/meta-data/iam/security-credentials/{path}"));
        let request = request.config().timeout_global(Some(PATIENCE)).http_status_as_error(true).build();
        said(request.header("x-aws-ec2-metadata-token", token.trim()).call())
    };
    let role = get("")?;
    let role = role.lines().next().ok_or("the machine has no role")?.trim();
    let answer: Value = serde_json::from_str(&get(role)?).map_err(|error| error.to_string())?;
    let value = |name: &str| answer[name].as_str().map(str::to_string).ok_or(format!("an answer without {name}"));
    let (access_key, secret_key) = (value("AccessKeyId")?, value("SecretAccessKey")?);
    let keys = Keys { access_key, secret_key, session_token: Some(value("Token")?) };
    Ok((keys, moment(&value("Expiration")?)?))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("an answer with the time {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n\
                        [lent]\naws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E=\n[half]\n";

    #[test]
    fn profiles_of_the_shared_file() {
        let keys = |profile| keys_of(FILE, profile).map(|keys| (keys.access_key, keys.secret_key, keys.session_token));
        assert_eq!(keys("default"), Some(("A".into(), "B".into(), None)));
        assert_eq!(keys("lent"), Some(("C".into(), "D".into(), Some("E=".into()))));
        assert_eq!((keys("half"), keys("other")), (None, None));
    }

    #[test]
    fn the_environment_comes_before_everything_else() {
        let agent = Agent::new_with_defaults();
        let found = |pairs: &'static [(&str, &str)]| {
            let variable =
                |name: &str| pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_string());
            Credentials::find(&agent, "r", &variable)
        };
        let both = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "B"), ("AWS_ROLE_ARN", "R")];
        let keys = Credentials::find(&agent, "r", &|name| both.iter().find(|b| b.0 == name).map(|b| b.1.into()));
        assert_eq!(keys.unwrap().keys().unwrap().access_key, "A");
        let by_token = found(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "R")]).unwrap();
        assert!(
            matches!(by_token.source, Source::WebIdentity { service, .. } if service == "https://sts.r.amazonaws.com")
        );
        let machine = found(&[("HOME", "/nowhere")]).unwrap();
        assert!(matches!(machine.source, Source::Machine { address, .. } if address == METADATA));
        assert!(found(&[("AWS_SHARED_CREDENTIALS_FILE", "/")]).is_err());
    }
}
