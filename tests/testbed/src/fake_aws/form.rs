//! Forms and XML of the query protocol.

use serde_json::{Map, Value};

/// Fields of an `application/x-www-form-urlencoded` body as a JSON object of strings.
pub(super) fn parse(body: &[u8]) -> Value {
    let pairs = body.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|&b| b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        (decode(name), Value::String(decode(value)))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn decode(text: &[u8]) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escape = (text[at] == b'%').then(|| digit(text.get(at + 1)).zip(digit(text.get(at + 2)))).flatten();
        match (escape, text[at]) {
            (Some((high, low)), _) => {
                bytes.push(high << 4 | low);
                at += 2;
            }
            (None, b'+') => bytes.push(b' '),
            (None, other) => bytes.push(other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An element with text.
pub(super) fn element(name: &str, text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    format!("<{name}>{escaped}</{name}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_text_is_escaped() {
        let form = parse(b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam&Note=a+b%2Bc&Empty=&Odd=50%&Umlaut=%C3%BC");
        assert_eq!(
            form,
            serde_json::json!({"Action": "AssumeRole", "RoleArn": "arn:aws:iam", "Note": "a b+c", "Empty": "",
                "Odd": "50%", "Umlaut": "ü"})
        );
        assert_eq!(element("M", "a<b & c"), "<M>a&lt;b &amp; c</M>");
    }
}
