//! A store that speaks as Google's does.

use super::{Answer, Asked, Begun, State, decoded};
use base64ct::{Base64, Encoding};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const OBJECTS: &str = "/storage/v1/b/media/o";

pub(super) fn answer(state: &mut State, asked: &Asked) -> Answer {
    if let Some(id) = asked.path.strip_prefix("/resume/") {
        return piece(state, asked, id);
    }
    if asked.path == "/upload/storage/v1/b/media/o" {
        return upload(state, asked);
    }
    let Some(rest) = asked.path.strip_prefix(OBJECTS) else { return error(404, "no such bucket") };
    let words: Vec<String> = rest.trim_start_matches('/').split('/').map(decoded).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (asked.method.as_str(), &words[..]) {
        ("GET", [""]) => page(state, asked),
        ("GET", [key]) => read(state, asked, key),
        ("DELETE", [key]) => match state.objects.remove(*key) {
            Some(_) => Answer::new(204, ""),
            None => error(404, "no such object"),
        },
        ("PATCH", [key]) => patch(state, asked, key),
        ("POST", [key, "compose"]) => compose(state, asked, key),
        ("POST", [key, "rewriteTo", "b", "media", "o", to]) => rewrite(state, asked, key, to),
        _ => error(400, "what?"),
    }
}

fn error(status: u16, message: &str) -> Answer {
    Answer::new(status, json!({ "error": { "code": status, "message": message } }).to_string())
}

fn about(state: &State, key: &str) -> Value {
    let object = &state.objects[key];
    json!({
        "name": key, "size": object.bytes.len().to_string(), "generation": object.version, "metadata": object.meta,
        "updated": "2026-01-02T03:04:05.000Z", "md5Hash": Base64::encode_string(&Md5::digest(&object.bytes)),
    })
}

fn said(state: &State, key: &str) -> Answer {
    Answer::new(200, about(state, key).to_string())
}

fn page(state: &State, asked: &Asked) -> Answer {
    let most = asked.asks("maxResults").map_or(1000, |most| most.parse().unwrap());
    let (found, prefixes, next) = state.list(asked, asked.asks("pageToken"), most);
    let items: Vec<Value> = found.iter().map(|(key, _)| about(state, key)).collect();
    Answer::new(200, json!({ "items": items, "prefixes": prefixes, "nextPageToken": next }).to_string())
}

fn read(state: &State, asked: &Asked, key: &str) -> Answer {
    let Some(object) = state.objects.get(key) else { return error(404, "no such object") };
    if asked.asks("generation").is_some_and(|version| version != object.version) {
        return error(404, "no such generation");
    }
    if asked.asks("alt") != Some("media") {
        return said(state, key);
    }
    match asked.range("range", object.bytes.len()) {
        Some(Err(answer)) => answer,
        Some(Ok(range)) => Answer::new(206, &object.bytes[range]),
        None => Answer::new(200, object.bytes.clone()),
    }
}

fn upload(state: &mut State, asked: &Asked) -> Answer {
    let name = asked.asks("name").map(str::to_string);
    if asked.asks("uploadType") == Some("resumable") {
        state.count += 1;
        let id = format!("id-{}", state.count);
        state.uploads.insert(id.clone(), Begun { key: name.unwrap(), ..Begun::default() });
        let address = format!("http://{}/resume/{id}", asked.header("host").unwrap());
        return Answer::new(200, "").with("location", address);
    }
    let boundary = asked.header("content-type").and_then(|kind| kind.split_once("boundary=")).unwrap().1;
    let (start, end) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}--\r\n"));
    let find =
        |text: &[u8], from: usize| asked.body[from..].windows(text.len()).position(|at| at == text).unwrap() + from;
    let second = find(start.as_bytes(), start.len());
    let bytes = &asked.body[find(b"\r\n\r\n", second) + 4..asked.body.len() - end.len()];
    let head = String::from_utf8_lossy(&asked.body[..second]);
    if !head.contains(&Base64::encode_string(&Md5::digest(bytes))) {
        return error(400, "another hash");
    }
    let (key, bytes) = (name.unwrap(), bytes.to_vec());
    state.store(&key, bytes, BTreeMap::new(), None);
    said(state, &key)
}

/// A piece of an upload, or the question how much is there.
fn piece(state: &mut State, asked: &Asked, id: &str) -> Answer {
    if asked.method == "DELETE" {
        state.uploads.remove(id);
        return Answer::new(499, "");
    }
    let range = asked.header("content-range").unwrap().strip_prefix("bytes ").unwrap().to_string();
    let (range, total) = range.split_once('/').unwrap();
    let Some(upload) = state.uploads.get_mut(id) else {
        let done = state.objects.values().any(|object| object.meta.get("upload").is_some_and(|upload| upload == id));
        return if done { Answer::new(200, "{}") } else { error(404, "no such upload") };
    };
    let there = &mut upload.parts.entry(1).or_default().0;
    if let Some((start, _)) = range.split_once('-') {
        if start.parse() != Ok(there.len()) {
            return error(503, "another piece is to come");
        }
        there.extend_from_slice(&asked.body);
    }
    if total.parse() != Ok(there.len()) {
        let answer = Answer::new(308, "");
        return if there.is_empty() { answer } else { answer.with("range", format!("bytes=0-{}", there.len() - 1)) };
    }
    let upload = state.uploads.remove(id).unwrap();
    let meta = BTreeMap::from([("upload".to_string(), id.to_string())]);
    let bytes = upload.parts.into_values().flat_map(|(bytes, _)| bytes).collect();
    state.store(&upload.key, bytes, meta, None);
    said(state, &upload.key)
}

fn patch(state: &mut State, asked: &Asked, key: &str) -> Answer {
    let change: Value = serde_json::from_slice(&asked.body).unwrap();
    let Some(object) = state.objects.get_mut(key) else { return error(404, "no such object") };
    for (name, value) in change["metadata"].as_object().unwrap() {
        object.meta.insert(name.clone(), value.as_str().unwrap().to_string());
    }
    said(state, key)
}

fn compose(state: &mut State, asked: &Asked, key: &str) -> Answer {
    let wish: Value = serde_json::from_slice(&asked.body).unwrap();
    let mut bytes = Vec::new();
    for source in wish["sourceObjects"].as_array().unwrap() {
        let Some(object) = state.objects.get(source["name"].as_str().unwrap()) else {
            return error(404, "no such object");
        };
        if source["generation"].as_str().is_some_and(|version| version != object.version) {
            return error(412, "another generation");
        }
        bytes.extend_from_slice(&object.bytes);
    }
    state.store(key, bytes, BTreeMap::new(), None);
    said(state, key)
}

/// In two steps, as with large objects.
fn rewrite(state: &mut State, asked: &Asked, key: &str, to: &str) -> Answer {
    if asked.asks("rewriteToken").is_none() {
        return Answer::new(200, json!({ "done": false, "rewriteToken": "more" }).to_string());
    }
    let Some(object) = state.objects.get(key).cloned() else { return error(404, "no such object") };
    state.store(to, object.bytes, object.meta, None);
    Answer::new(200, json!({ "done": true }).to_string())
}
