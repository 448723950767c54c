//! As much of DynamoDB's update expressions as it takes to tell what a write does to one attribute.

use std::collections::{BTreeMap, BTreeSet};

/// What an update expression does to an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Sets it; the first word of the value: a placeholder such as `:until`, a path, or a function's name.
    Set(String),
    /// Removes it.
    Removed,
}

/// A piece of an expression: a word (keyword, path, placeholder, function) or a punctuation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Mark(char),
}

fn tokens(expression: &str) -> impl Iterator<Item = Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || "_#:.[]".contains(c);
    let mut rest = expression;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(end);
        rest = after;
        Some(if is_word(first) {
            Token::Word(token)
        } else {
            Token::Mark(first)
        })
    })
}

/// What `update` does to the top-level attribute `attribute`; `names` are the expression's attribute names.
pub(super) fn effect_on(update: &str, names: &BTreeMap<String, String>, attribute: &str) -> Option<Effect> {
    let is_it = |path: &str| names.get(path).map_or(path, String::as_str) == attribute;
    let (mut clause, mut depth, mut at_path) = ("", 0_u32, false);
    let mut tokens = tokens(update).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) => {
                let keyword = ["SET", "REMOVE", "ADD", "DELETE"]
                    .into_iter()
                    .find(|k| k.eq_ignore_ascii_case(word));
                if let Some(keyword) = keyword {
                    (clause, at_path) = (keyword, true);
                    continue;
                }
                if at_path && is_it(word) {
                    match clause {
                        "REMOVE" => return Some(Effect::Removed),
                        "SET" => {
                            tokens.next_if_eq(&Token::Mark('='));
                            return match tokens.next() {
                                Some(Token::Word(value)) => Some(Effect::Set(value.to_owned())),
                                _ => None,
                            };
                        }
                        _ => {}
                    }
                }
                at_path = false;
            }
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.saturating_sub(1),
            Token::Mark(',') => at_path = depth == 0,
            Token::Mark(_) => {}
        }
    }
    None
}

/// Every placeholder (`#name`, `:value`) that an expression uses. A path such as `#a.#b[0]` uses two.
pub(super) fn placeholders(expression: &str) -> BTreeSet<&str> {
    tokens(expression)
        .filter_map(|token| match token {
            Token::Word(word) => Some(word),
            Token::Mark(_) => None,
        })
        .flat_map(|word| word.split(['.', '[']))
        .filter(|part| part.starts_with(['#', ':']))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(update: &str, expect: &Option<Effect>) {
        let names = BTreeMap::from([
            ("#l".to_owned(), "leaseUntil".to_owned()),
            ("#h".to_owned(), "holder".to_owned()),
        ]);
        assert_eq!(effect_on(update, &names, "leaseUntil"), *expect, "{update}");
    }

    #[test]
    fn effects_are_told_apart() {
        let set = |value: &str| Some(Effect::Set(value.to_owned()));
        check("SET holder = :me, leaseUntil = :until", &set(":until"));
        check("set #h=:me,#l=:until", &set(":until"));
        check(
            "SET #l = if_not_exists(#l, :until), #h = :me",
            &set("if_not_exists"),
        );
        check(
            "SET failures = failures + :one REMOVE #l, #r",
            &Some(Effect::Removed),
        );
        check(
            "REMOVE retryNotBefore, leaseUntil SET refreshedAt = :now",
            &Some(Effect::Removed),
        );
        check("ADD failures :one", &None);
        // Reading it is not writing it.
        check("SET #h = if_not_exists(#h, #l)", &None);
        check("SET previous = #l", &None);
        check("SET leaseUntilOld = :x", &None);
        check("", &None);
        check("SET", &None);
        check("SET leaseUntil", &None);
        check("SET #l = (", &None);
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        let used = placeholders("SET #a.#b[0] = if_not_exists(#c, :x) + :y REMOVE plain");
        assert_eq!(used, BTreeSet::from(["#a", "#b", "#c", ":x", ":y"]));
    }
}
