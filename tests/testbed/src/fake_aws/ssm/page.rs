//! Paging of lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::fake_aws::crypto::CipherKey;
use crate::fake_aws::error::{AwsError, Outcome};

/// Creates encrypted page tokens, each valid for one operation.
pub(in crate::fake_aws) struct Tokens(CipherKey);

impl Default for Tokens {
    fn default() -> Self {
        Self(CipherKey::random())
    }
}

impl Tokens {
    fn write(&self, operation: &str, place: &str) -> String {
        BASE64.encode(self.0.seal(operation.as_bytes(), place.as_bytes()))
    }

    fn read(&self, operation: &str, token: &str) -> Option<String> {
        let sealed = BASE64.decode(token).ok()?;
        String::from_utf8(self.0.open(operation.as_bytes(), &sealed).ok()?).ok()
    }
}

/// A request for a page.
pub(super) struct Cut<'a> {
    /// Name of the operation.
    pub operation: &'static str,
    /// Largest and default size of a page.
    pub limit: usize,
    /// As sent.
    pub max_results: Option<i64>,
    /// As sent.
    pub next_token: Option<&'a str>,
}

/// A page. Filters apply to it afterwards, so that it may become empty.
pub(super) struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a page from a sorted list. A token contains the last position and not a count, so that additions and deletions
    /// between two calls do not shift other items.
    pub(super) fn cut<P: AsRef<str>>(
        all: impl Iterator<Item = (P, T)>,
        cut: &Cut<'_>,
        tokens: &Tokens,
    ) -> Outcome<Self> {
        let size = cut.size()?;
        let shown = cut.next_token.filter(|token| !token.is_empty()).map(|token| {
            let place = tokens.read(cut.operation, token);
            place.ok_or_else(|| AwsError::new("InvalidNextToken", "The specified token isn't valid."))
        });
        let shown = shown.transpose()?;
        let mut rest = all.skip_while(|(place, _)| shown.as_deref().is_some_and(|shown| place.as_ref() <= shown));
        let (mut items, mut last) = (Vec::new(), None);
        for (place, item) in rest.by_ref().take(size) {
            last = Some(place);
            items.push(item);
        }
        let next = last.filter(|_| rest.next().is_some()).map(|last| tokens.write(cut.operation, last.as_ref()));
        Ok(Self { items, next })
    }
}

impl Cut<'_> {
    fn size(&self) -> Outcome<usize> {
        let asked = self.max_results.map_or(Ok(self.limit), usize::try_from).unwrap_or_default();
        let constraint = match asked {
            0 => "Member must have value greater than or equal to 1".to_owned(),
            size if size > self.limit => format!("Member must have value less than or equal to {}", self.limit),
            size => return Ok(size),
        };
        let value = self.max_results.unwrap_or_default().to_string();
        Err(AwsError::constraint(&value, "maxResults", &constraint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(next_token: Option<&str>) -> Cut<'_> {
        Cut { operation: "List", limit: 2, max_results: None, next_token }
    }

    #[test]
    fn a_token_survives_changes_of_the_list() {
        let tokens = Tokens::default();
        let list = |places: &str| places.chars().map(|c| (c.to_string(), c)).collect::<Vec<_>>();
        let first = Page::cut(list("abcd").into_iter(), &cut(None), &tokens).expect("a page");
        assert_eq!(first.items, ['a', 'b']);
        let token = first.next.expect("a token");
        let second = Page::cut(list("acd").into_iter(), &cut(Some(&token)), &tokens).expect("a page");
        assert_eq!((second.items, second.next), (vec!['c', 'd'], None));
        let other = Cut { operation: "Other", ..cut(Some(&token)) };
        let error = Page::cut(list("abcd").into_iter(), &other, &tokens).map(|page| page.items);
        assert_eq!(error.expect_err("of another operation").code, "InvalidNextToken");
    }
}
