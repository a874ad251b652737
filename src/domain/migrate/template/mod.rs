//! Templates of Go, as far as minijinja says the same.
//!
//! | File | Content |
//! | --- | --- |
//! | `lexer` | text and actions; the tokens of an action |
//! | `expression` | what an action means, and how minijinja writes it |
//! | `translate` | the whole template |

mod expression;
mod lexer;
mod translate;

pub(super) use translate::translate;
