//! A store that speaks S3. Its keys are `key` and `secret`, and those that it lends at `/sts`.

use super::{Answer, Asked, State, decoded, encoded, hex, http_date, now};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(super) fn answer(state: &mut State, asked: &Asked) -> Answer {
    if asked.path == "/sts" {
        return lend(state);
    }
    if let Err(answer) = check(state, asked) {
        return answer;
    }
    let Some(key) = asked.path.strip_prefix("/media/").map(decoded) else {
        return error(404, "NoSuchBucket");
    };
    match (asked.method.as_str(), asked.asks("uploadId"), asked.asks("partNumber")) {
        ("GET", None, None) if key.is_empty() => page(state, asked),
        ("GET" | "HEAD", None, None) => read(state, asked, &key),
        ("POST", None, None) if asked.asks("uploads").is_some() => begin(state, asked, &key),
        ("PUT", Some(id), Some(number)) => part(state, asked, id, number.parse().unwrap()),
        ("POST", Some(id), None) => complete(state, asked, &key, id),
        ("DELETE", Some(id), None) => match state.uploads.remove(id) {
            Some(_) => Answer::new(204, ""),
            None => error(404, "NoSuchUpload"),
        },
        ("PUT", None, None) if asked.header("x-amz-copy-source").is_some() => copy(state, asked, &key),
        ("PUT", None, None) => {
            let version = state.store(&key, asked.body.clone(), meta(asked), None);
            Answer::new(200, "").with("etag", version)
        }
        ("DELETE", None, None) => {
            state.objects.remove(&key);
            Answer::new(204, "")
        }
        _ => error(400, "NotImplemented"),
    }
}

fn error(status: u16, code: &str) -> Answer {
    Answer::new(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no\nway</Message></Error>"))
}

/// A role's keys, for whom the token of the cluster proves.
fn lend(state: &mut State) -> Answer {
    let token = state.token.unwrap_or(0);
    Answer::new(
        200,
        format!(
            "<AssumeRoleWithWebIdentityResponse><R><Credentials><AccessKeyId>key</AccessKeyId>\
             <SecretAccessKey>secret</SecretAccessKey><SessionToken>token-{token}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></R></AssumeRoleWithWebIdentityResponse>"
        ),
    )
}

/// Whether the request is signed, now, and by whom it should be.
fn check(state: &mut State, asked: &Asked) -> Result<(), Answer> {
    let mut refuse = |status, code: &str| {
        state.complaints.push(format!("{code}: {} {}", asked.method, asked.target));
        Err(error(status, code))
    };
    if asked.header("x-amz-content-sha256") != Some(&hex(&Sha256::digest(&asked.body))) {
        return refuse(400, "XAmzContentSHA256Mismatch");
    }
    let time = asked.header("x-amz-date").unwrap_or_default().to_string();
    let signature = asked.header("authorization").unwrap_or_default().to_string();
    if signature != sign(asked, &time) {
        return refuse(403, "SignatureDoesNotMatch");
    }
    let then = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &time).unwrap();
    let apart = then.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second()
        - now(state.skew).timestamp().as_second();
    if apart.abs() > 900 {
        return Err(error(403, "RequestTimeTooSkewed"));
    }
    let token = state.token.map(|token| format!("token-{token}"));
    if asked.header("x-amz-security-token") != token.as_deref() {
        return Err(error(400, "ExpiredToken"));
    }
    Ok(())
}

/// The header that has to be there, made from nothing but Amazon's description.
fn sign(asked: &Asked, time: &str) -> String {
    let mac = |key: &[u8], text: &str| {
        let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        hmac.update(text.as_bytes());
        hmac.finalize().into_bytes().to_vec()
    };
    let is_signed = |name: &str| name == "host" || name == "range" || name.starts_with("x-amz-") || name == "if-match";
    let signed: Vec<(&String, &String)> = asked.headers.iter().filter(|(name, _)| is_signed(name)).collect();
    let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let query = asked.query.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false)));
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        asked.method,
        encoded(&decoded(&asked.path), true),
        query.collect::<Vec<_>>().join("&"),
        hex(&Sha256::digest(&asked.body))
    );
    let day = &time[..8.min(time.len())];
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = mac(&mac(&mac(&mac(b"AWS4secret", day), "us-east-1"), "s3"), "aws4_request");
    let signature = hex(&mac(&key, &text));
    format!("AWS4-HMAC-SHA256 Credential=key/{scope},SignedHeaders={names},Signature={signature}")
}

fn meta(asked: &Asked) -> BTreeMap<String, String> {
    asked.headers.clone().into_iter().filter(|(name, _)| name.starts_with("x-amz-meta-")).collect()
}

fn page(state: &State, asked: &Asked) -> Answer {
    let most = asked.asks("max-keys").map_or(1000, |most| most.parse().unwrap());
    let (found, shared, next) = state.list(asked, asked.asks("continuation-token"), most);
    let mut text = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
    for (key, object) in found {
        text += &format!(
            "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>{}</ETag>\
             </Contents>",
            encoded(&key, true),
            object.bytes.len(),
            object.version
        );
    }
    for prefix in shared {
        text += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encoded(&prefix, true));
    }
    if let Some(next) = next {
        let next = next.replace('&', "&amp;").replace('<', "&lt;");
        text += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>");
    }
    Answer::new(200, text + "</ListBucketResult>")
}

fn read(state: &State, asked: &Asked, key: &str) -> Answer {
    let Some(object) = state.objects.get(key) else { return error(404, "NoSuchKey") };
    if asked.header("if-match").is_some_and(|version| version != object.version) {
        return error(412, "PreconditionFailed");
    }
    let mut answer = match asked.range("range", object.bytes.len()) {
        Some(Err(answer)) => return answer,
        Some(Ok(range)) => Answer::new(206, &object.bytes[range]),
        None => Answer::new(200, object.bytes.clone()),
    };
    for (name, value) in &object.meta {
        if name == "x-amz-meta-mtime" {
            answer = answer.with("x-amz-meta-mtime", value);
        }
    }
    answer.with("etag", &object.version).with("last-modified", http_date(0))
}

fn source(state: &State, asked: &Asked) -> Result<super::Stored, Answer> {
    let source = decoded(asked.header("x-amz-copy-source").unwrap());
    let object = source.strip_prefix("/media/").and_then(|key| state.objects.get(key));
    let object = object.ok_or_else(|| error(404, "NoSuchKey"))?;
    match asked.header("x-amz-copy-source-if-match") == Some(&object.version) {
        true => Ok(object.clone()),
        false => Err(error(412, "PreconditionFailed")),
    }
}

fn copy(state: &mut State, asked: &Asked, key: &str) -> Answer {
    let source = match source(state, asked) {
        Ok(source) => source,
        Err(answer) => return answer,
    };
    let replaces = asked.header("x-amz-metadata-directive") == Some("REPLACE");
    let version =
        state.store(key, source.bytes, if replaces { meta(asked) } else { source.meta }, Some(source.version));
    Answer::new(200, format!("<CopyObjectResult><ETag>{version}</ETag></CopyObjectResult>"))
}

fn begin(state: &mut State, asked: &Asked, key: &str) -> Answer {
    state.count += 1;
    let id = format!("id-{}", state.count);
    let begun = super::Begun { key: key.to_string(), meta: meta(asked), ..Default::default() };
    state.uploads.insert(id.clone(), begun);
    let text = format!("<UploadId>{id}</UploadId>");
    Answer::new(200, format!("<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>"))
}

fn part(state: &mut State, asked: &Asked, id: &str, number: u32) -> Answer {
    let bytes = match asked.header("x-amz-copy-source") {
        None => asked.body.clone(),
        Some(_) => match source(state, asked) {
            Err(answer) => return answer,
            Ok(source) => match asked.range("x-amz-copy-source-range", source.bytes.len()) {
                Some(Ok(range)) => source.bytes[range].to_vec(),
                _ => return error(400, "InvalidRange"),
            },
        },
    };
    let Some(upload) = state.uploads.get_mut(id) else { return error(404, "NoSuchUpload") };
    let version = format!("\"part-{number}-{}\"", bytes.len());
    upload.parts.insert(number, (bytes, version.clone()));
    let body = format!("<CopyPartResult><ETag>{version}</ETag></CopyPartResult>");
    match asked.header("x-amz-copy-source") {
        Some(_) => Answer::new(200, body),
        None => Answer::new(200, "").with("etag", version),
    }
}

fn complete(state: &mut State, asked: &Asked, key: &str, id: &str) -> Answer {
    let Some(upload) = state.uploads.get(id) else { return error(404, "NoSuchUpload") };
    let text = String::from_utf8(asked.body.clone()).unwrap();
    let all = upload
        .parts
        .iter()
        .map(|(number, (_, version))| format!("<Part><PartNumber>{number}</PartNumber><ETag>{version}</ETag></Part>"));
    let expected = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", all.collect::<String>());
    if text != expected || upload.parts.is_empty() || upload.key != key {
        return error(400, "InvalidPart");
    }
    let last = *upload.parts.keys().last().unwrap();
    if upload.parts.iter().any(|(number, (bytes, _))| *number != last && bytes.len() < 5 << 20) {
        return error(400, "EntityTooSmall");
    }
    let upload = state.uploads.remove(id).unwrap();
    let version = format!("\"whole-{id}-{}\"", upload.parts.len());
    let bytes = upload.parts.into_values().flat_map(|(bytes, _)| bytes).collect();
    state.store(key, bytes, upload.meta, Some(version.clone()));
    let text = format!("<ETag>{version}</ETag>");
    Answer::new(200, format!("<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>"))
}
