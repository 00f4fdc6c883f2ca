//! Signatures, version 4, in the headers of a request: nothing that is secret stands in an address.

use super::super::web::query_string;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// What proves who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The name of the secret.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
    /// What goes with keys that were lent.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the keys of {}", self.access_key)
    }
}

/// What is signed of a request.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As it is sent.
    pub(super) path: &'a str,
    /// Not encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// By their names in small letters, with the host, the time and the hash of the body.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body_hash: &'a str,
}

/// The header that goes with it.
pub(super) fn authorization(request: &Signed<'_>, keys: &Keys, region: &str, time: Timestamp) -> String {
    let mut headers = request.headers.to_vec();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", plain(value))).collect();
    let query = query_string(request.query);
    let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\n{}", request.method, request.path, request.body_hash);
    let moment = moment(time);
    let day = moment.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hash(canonical.as_bytes()));
    let secret = format!("AWS4{}", keys.secret_key);
    let key = [day, region, "s3", "aws4_request"].iter().fold(secret.into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", keys.access_key)
}

/// A value as it is signed: one space for several.
fn plain(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The hash of a body, as it is signed.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A time as it is signed: `20130524T000000Z`.
pub(super) fn moment(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::web::encoded;
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of the Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
    fn signature(method: &str, path: &str, query: &[(&str, &str)], more: &[(&str, &str)], body: &[u8]) -> String {
        let keys = Keys {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        };
        let body_hash = hash(body);
        let mut headers = vec![
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", body_hash.as_str()),
            ("x-amz-date", "20130524T000000Z"),
        ];
        headers.extend(more);
        let signed = Signed { method, path, query, headers: &headers, body_hash: &body_hash };
        let time = "2013-05-24T00:00:00Z".parse().unwrap();
        let header = authorization(&signed, &keys, "us-east-1", time);
        assert!(header.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
        ));
        header.rsplit('=').next().unwrap().to_string()
    }

    #[test]
    fn requests_are_signed_as_amazon_signs_them() {
        assert_eq!(hash(b""), EMPTY);
        assert_eq!(
            signature("GET", "/test.txt", &[], &[("range", "bytes=0-9")], b""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        assert_eq!(
            signature("PUT", &encoded("/test$file.text", true), &[], &put, b"Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(plain("  a  b c "), "a b c");
        assert_eq!(
            signature("GET", "/", &[("lifecycle", "")], &[], b""),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/", &[("prefix", "J"), ("max-keys", "2")], &[], b""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}
