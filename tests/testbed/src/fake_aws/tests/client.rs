//! A small HTTP client that signs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake_aws::clock;
use crate::fake_aws::sigv4::{ALGORITHM, Authorization, Signed};
use crate::fake_aws::{DEFAULT_REGION, FakeAws, Identity};

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn request_id(&self) -> &str {
        &self.headers["x-amzn-requestid"]
    }

    /// Exception and message of an error in JSON.
    pub fn error(&self) -> (String, String) {
        let json = self.json();
        let text = |field: &str| json[field].as_str().expect(field).to_owned();
        (text("__type"), text("message"))
    }

    /// The credentials of a new session.
    pub fn credentials(&self) -> Identity {
        assert_eq!(self.status, 200, "{}", self.body);
        Identity {
            access_key_id: self.xml("AccessKeyId"),
            secret_access_key: self.xml("SecretAccessKey"),
            session_token: Some(self.xml("SessionToken")),
            ..Identity::user("unused", "unused")
        }
    }

    /// Text of the first element of this name.
    pub fn xml(&self, element: &str) -> String {
        let from = self.body.split(&format!("<{element}>")).nth(1).expect(element);
        from.split(&format!("</{element}>")).next().expect(element).to_owned()
    }
}

/// A caller, with mistakes that it can make.
pub struct Client {
    url: String,
    pub identity: Identity,
    pub region: String,
    pub scope_service: Option<String>,
    pub time: Option<String>,
    pub user_agent: String,
}

impl Client {
    pub fn new(fake: &FakeAws) -> Self {
        Self::as_identity(fake, fake.default_identity())
    }

    pub fn as_identity(fake: &FakeAws, identity: Identity) -> Self {
        Self {
            url: fake.url(),
            identity,
            region: DEFAULT_REGION.to_owned(),
            scope_service: None,
            time: None,
            user_agent: "testclient/1.0".to_owned(),
        }
    }

    pub async fn ssm(&self, operation: &str, input: Value) -> Answer {
        self.json("ssm", &format!("AmazonSSM.{operation}"), &input).await.expect("an answer")
    }

    pub async fn kms(&self, operation: &str, input: Value) -> Answer {
        self.json("kms", &format!("TrentService.{operation}"), &input).await.expect("an answer")
    }

    pub async fn try_ssm(&self, operation: &str, input: Value) -> io::Result<Answer> {
        self.json("ssm", &format!("AmazonSSM.{operation}"), &input).await
    }

    pub async fn sts(&self, form: &str) -> Answer {
        let body = format!("{form}&Version=2011-06-15");
        let kind = "application/x-www-form-urlencoded";
        self.send(Some("sts"), &[("content-type", kind)], &body).await.expect("an answer")
    }

    /// `AssumeRole` with the session name `spo-1`, and further fields.
    pub async fn assume(&self, role: &str, more: &[(&str, &str)]) -> Answer {
        let fields = more.iter().map(|(name, value)| format!("&{name}={}", encoded(value)));
        let role = encoded(role);
        let more = fields.collect::<String>();
        self.sts(&format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=spo-1{more}")).await
    }

    /// The client with the credentials of the session that [`Self::assume`] starts.
    pub async fn session(&self, role: &str, more: &[(&str, &str)]) -> Self {
        Self {
            url: self.url.clone(),
            region: self.region.clone(),
            user_agent: self.user_agent.clone(),
            time: None,
            scope_service: None,
            identity: self.assume(role, more).await.credentials(),
        }
    }

    pub async fn unsigned(&self, headers: &[(&'static str, &str)], body: &str) -> Answer {
        self.send(None, headers, body).await.expect("an answer")
    }

    async fn json(&self, service: &str, target: &str, input: &Value) -> io::Result<Answer> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.send(Some(service), &headers, &input.to_string()).await
    }

    async fn send(&self, sign_for: Option<&str>, more: &[(&'static str, &str)], body: &str) -> io::Result<Answer> {
        let address = self.url.trim_start_matches("http://");
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
        };
        add("host", address);
        add("user-agent", &self.user_agent);
        add("content-length", &body.len().to_string());
        for (name, value) in more {
            add(name, value);
        }
        if let Some(service) = sign_for {
            self.sign(&mut headers, self.scope_service.as_deref().unwrap_or(service), body);
        }
        headers.insert("connection", HeaderValue::from_static("close"));
        let mut request = "POST / HTTP/1.1\r\n".to_owned();
        for (name, value) in &headers {
            let _ = write!(request, "{name}: {}\r\n", value.to_str().expect("text"));
        }
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        read_answer(&String::from_utf8(bytes).expect("text"))
    }

    fn sign(&self, headers: &mut HeaderMap, service: &str, body: &str) {
        let time = self.time.clone().unwrap_or_else(|| clock::basic(clock::system()));
        headers.insert("x-amz-date", time.parse().expect("plain"));
        if let Some(token) = &self.identity.session_token {
            headers.insert("x-amz-security-token", token.parse().expect("plain"));
        }
        let mut signed_headers: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        signed_headers.sort();
        let mut authorization = Authorization {
            access_key_id: self.identity.access_key_id.clone(),
            date: time[..8].to_owned(),
            region: self.region.clone(),
            service: service.to_owned(),
            signed_headers,
            signature: String::new(),
        };
        let request = Signed { method: "POST", path: "/", query: "", headers, body: body.as_bytes() };
        authorization.signature = authorization.expected(&self.identity.secret_access_key, &time, request);
        let Authorization { access_key_id, date, region, service, signed_headers, signature } = authorization;
        let value = format!(
            "{ALGORITHM} Credential={access_key_id}/{date}/{region}/{service}/aws4_request, SignedHeaders={}, \
             Signature={signature}",
            signed_headers.join(";")
        );
        headers.insert("authorization", value.parse().expect("plain"));
    }
}

fn read_answer(text: &str) -> io::Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.into()));
    Ok(Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, headers: headers.collect(), body: body.to_owned() })
}

/// One field of every item of a list that has it.
pub fn texts<'a>(answer: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    answer[list].as_array().expect(list).iter().filter_map(|item| item[field].as_str()).collect()
}

/// A value of a form.
pub fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}
