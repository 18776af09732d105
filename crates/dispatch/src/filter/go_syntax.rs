//! What does a pattern mean in Go?
//!
//! FireFly's patterns are Go's (RE2). Ours are nearly the same; where the same text would mean something else, it is
//! rewritten:
//!
//! * `\d`, `\w`, `\s` and `\b` are ASCII in Go.
//! * In a class, `[`, `&&`, `--` and `~~` are plain characters in Go.
//! * A `{` that begins no repetition is a plain character in Go, and `\Q…\E` quotes.

use std::iter::Peekable;
use std::str::Chars;

/// The pattern in our syntax. An error says what Go would refuse and we would not.
pub(super) fn rewritten(pattern: &str) -> Result<String, String> {
    let mut rewriter = Rewriter {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
    };
    while let Some(character) = rewriter.rest.next() {
        match character {
            '\\' => rewriter.escape(),
            '[' => rewriter.class(),
            '{' => rewriter.brace(),
            '(' => rewriter.group()?,
            other => rewriter.out.push(other),
        }
    }
    Ok(rewriter.out)
}

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Rewriter<'_> {
    /// After a backslash outside of a class.
    fn escape(&mut self) {
        match self.rest.next() {
            Some('Q') => self.quoted(),
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some(name) => match members(name) {
                Some((negated, members)) => {
                    let not = if negated { "^" } else { "" };
                    self.out.push_str(&format!("[{not}{members}]"));
                }
                None => self.out.extend(['\\', name]),
            },
            None => self.out.push('\\'),
        }
    }

    /// After `\Q`: everything is plain up to `\E`.
    fn quoted(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.out
                .push_str(&regex_syntax::escape(character.encode_utf8(&mut [0; 4])));
        }
    }

    /// After `[`.
    fn class(&mut self) {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        // A bracket that comes first is a member.
        if self.rest.next_if_eq(&']').is_some() {
            self.out.push_str(r"\]");
        }
        while let Some(character) = self.rest.next() {
            match character {
                ']' => return self.out.push(']'),
                '[' if self.rest.peek() == Some(&':') => self.named_class(),
                '[' => self.out.push_str(r"\["),
                '&' | '~' => self.out.extend(['\\', character]),
                '-' if self.rest.next_if_eq(&'-').is_some() => self.out.push_str(r"-\-"),
                '\\' => match self.rest.next() {
                    Some(name) => match members(name) {
                        Some((true, members)) => self.out.push_str(&format!("[^{members}]")),
                        Some((false, members)) => self.out.push_str(members),
                        None => self.out.extend(['\\', name]),
                    },
                    None => self.out.push('\\'),
                },
                other => self.out.push(other),
            }
        }
    }

    /// A class such as `[:alpha:]`, as it stands.
    fn named_class(&mut self) {
        self.out.push('[');
        for character in self.rest.by_ref() {
            self.out.push(character);
            if character == ']' {
                return;
            }
        }
    }

    /// After `{`.
    fn brace(&mut self) {
        let ahead: String = self
            .rest
            .clone()
            .take_while(|c| *c != '}')
            .take(16)
            .collect();
        let closed = self.rest.clone().nth(ahead.len()) == Some('}');
        let (low, high) = ahead.split_once(',').unwrap_or((&ahead, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_repetition = closed && !low.is_empty() && is_number(low) && is_number(high);
        self.out.push_str(if is_repetition { "{" } else { r"\{" });
    }

    /// After `(`. Go has no `x` flag, among others.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.peek() != Some(&'?') {
            return Ok(());
        }
        let mut flags = self
            .rest
            .clone()
            .skip(1)
            .take_while(|c| c.is_ascii_alphabetic() || *c == '-');
        match flags.find(|flag| !"imsUP-".contains(*flag)) {
            Some(flag) => Err(format!("there is no flag '{flag}'")),
            None => Ok(()),
        }
    }
}

/// The members of a class that is written as an escape, and whether it is what they are not.
fn members(name: char) -> Option<(bool, &'static str)> {
    let members = match name.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r ",
        _ => return None,
    };
    Some((name.is_ascii_uppercase(), members))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, matches, others) in [
            (r"^\w{1,32}$", &["a_1"][..], &["é", ""][..]),
            (r"^[\w.-]{1,64}$", &["a.b-c"], &["a b"]),
            (r"^\d$", &["1"], &["٣"]),
            (r"^\D\S\W$", &["ab "], &["1b "]),
            (r"^[^\d\s]$", &["a"], &["1", " "]),
            (r"^[\D]$", &["a"], &["1"]),
            (r"x\b", &["xé", "x"], &["xy"]),
            (r"^[a&&b]+$", &["a&b"], &["c"]),
            (r"^[a~~b]+$", &["~a"], &["c"]),
            (r"^[+--]$", &["+", ",", "-"], &["."]),
            (r"^[[a]$", &["[", "a"], &["]"]),
            (r"^[]a]$", &["]", "a"], &["["]),
            (r"^[^]a]$", &["b"], &["]"]),
            (r"^[[:alpha:]_]$", &["a", "_"], &["1", ":"]),
            (r"^a{$", &["a{"], &["a"]),
            (r"^a{,5}$", &["a{,5}"], &["aaa"]),
            (r"^a{2}$", &["aa"], &["a"]),
            (r"^a{2,}$", &["aaa"], &["a"]),
            (r"^\Qa.b*\E+$", &["a.b*", "a.b**"], &["axb"]),
            (r"^\Q[$", &["[$"], &["["]),
            (r"(?i)^A$", &["a"], &["b"]),
            (r"^(?P<n>a)(?:b)$", &["ab"], &["a"]),
            (r"^\{\[$", &["{["], &["["]),
            (r"^\pL\x{61}$", &["äa"], &["1a"]),
        ] {
            let regex = Regex::new(&rewritten(pattern).unwrap()).expect(pattern);
            for text in matches {
                assert!(regex.is_match(text), "{pattern} matches {text:?}");
            }
            for text in others {
                assert!(!regex.is_match(text), "{pattern} does not match {text:?}");
            }
        }
        for pattern in ["(?x)a", "(?u:a)", "(?ix)a", "(?R)a"] {
            assert!(rewritten(pattern).is_err(), "{pattern}");
        }
    }
}
