//! From a text to an expression, by recursive descent.
//!
//! ```text
//!  sum     = product { ("+" | "-") product }
//!  product = factor { ("*" | "/") factor }
//!  factor  = "-" factor | number | name | metric "." statistic | function "(" sum { "," sum } ")" | "(" sum ")"
//! ```

use super::{Choice, Operator};
use crate::error::nearest;
use crate::policy::objective::Statistic;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

/// Longest formula, in characters.
const MAX_CHARS: usize = 1_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 50;
const FUNCTIONS: [&str; 3] = ["min", "max", "total"];

/// A formula as written: names are not looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// As it stands.
    Number(f64),
    /// `instances`, or another formula; and at which character it stands, from 1.
    Name(String, usize),
    /// Of the agent's window.
    Metric(String, Statistic),
    /// Over all instances.
    Total(String, Statistic),
    /// The same with the other sign.
    Negative(Box<Expression>),
    /// Two, joined.
    Join(Operator, Box<Expression>, Box<Expression>),
    /// The least or the greatest of several.
    Of(Choice, Vec<Expression>),
}

/// Why a text is no formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongFormula {
    /// Where, what was expected, and what was found.
    pub message: String,
    /// The nearest known word.
    pub nearest: Option<String>,
}

/// Reads a formula.
///
/// # Errors
///
/// [`WrongFormula`], with the character at which it goes wrong.
pub fn parse(text: &str) -> Result<Expression, WrongFormula> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > MAX_CHARS {
        let message = format!("expected at most {MAX_CHARS} characters, found {}", chars.len());
        return Err(WrongFormula { message, nearest: None });
    }
    let mut parser = Parser { chars, at: 0, depth: 0 };
    let expression = parser.sum()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.wrong("an operator or the end")),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn sum(&mut self) -> Result<Expression, WrongFormula> {
        self.joined(&[('+', Operator::Plus), ('-', Operator::Minus)], Self::product)
    }

    fn product(&mut self) -> Result<Expression, WrongFormula> {
        self.joined(&[('*', Operator::Times), ('/', Operator::Over)], Self::factor)
    }

    fn joined(
        &mut self,
        operators: &[(char, Operator)],
        part: fn(&mut Self) -> Result<Expression, WrongFormula>,
    ) -> Result<Expression, WrongFormula> {
        let mut left = part(self)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.peek() == Some(*sign)) {
            self.at += 1;
            left = Expression::Join(*operator, Box::new(left), Box::new(part(self)?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, WrongFormula> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("at most {MAX_DEPTH} levels")));
        }
        let factor = match self.peek() {
            Some('-') => {
                self.at += 1;
                Expression::Negative(Box::new(self.factor()?))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.sum()?;
                self.expect(')')?;
                inner
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.named()?,
            _ => return Err(self.wrong("a number, a name, `-` or `(`")),
        };
        self.depth -= 1;
        Ok(factor)
    }

    fn number(&mut self) -> Result<Expression, WrongFormula> {
        let start = self.at;
        let text = self.take_while(|c| c.is_ascii_digit() || c == '.');
        match text.parse() {
            Ok(number) => Ok(Expression::Number(number)),
            Err(_) => {
                self.at = start;
                Err(self.wrong("a number such as 0.5"))
            }
        }
    }

    fn named(&mut self) -> Result<Expression, WrongFormula> {
        let start = self.at;
        let name = self.word();
        match self.peek() {
            Some('.') => {
                self.at += 1;
                Ok(Expression::Metric(name, self.statistic()?))
            }
            Some('(') => self.call(&name, start),
            _ => Ok(Expression::Name(name, start + 1)),
        }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Expression, WrongFormula> {
        if !FUNCTIONS.contains(&name) {
            let message = format!("at character {}: expected min, max or total before `(`, found `{name}`", start + 1);
            return Err(WrongFormula { message, nearest: nearest(name, FUNCTIONS) });
        }
        self.expect('(')?;
        let call = if name == "total" {
            if !self.peek().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') {
                return Err(self.wrong("a metric with its statistic"));
            }
            let metric = self.word();
            self.expect('.')?;
            Expression::Total(metric, self.statistic()?)
        } else {
            let mut parts = vec![self.sum()?];
            while self.peek() == Some(',') {
                self.at += 1;
                parts.push(self.sum()?);
            }
            Expression::Of(if name == "min" { Choice::Min } else { Choice::Max }, parts)
        };
        self.expect(')')?;
        Ok(call)
    }

    fn statistic(&mut self) -> Result<Statistic, WrongFormula> {
        self.peek(); // past blanks
        let start = self.at + 1;
        let word = self.word();
        let deserializer: StrDeserializer<'_, serde::de::value::Error> = word.as_str().into_deserializer();
        Statistic::deserialize(deserializer).map_err(|_| {
            let names = Statistic::ALL.map(Statistic::name);
            let message = format!("at character {start}: expected one of {}, found `{word}`", names.join(", "));
            WrongFormula { message, nearest: nearest(&word, names) }
        })
    }

    fn word(&mut self) -> String {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let text: String = self.chars[self.at..].iter().copied().take_while(|&c| fits(c)).collect();
        self.at += text.len(); // it is ASCII: as many characters as bytes
        text
    }

    fn expect(&mut self, wanted: char) -> Result<(), WrongFormula> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong(&format!("`{wanted}`")))
        }
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn wrong(&mut self, expected: &str) -> WrongFormula {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
        WrongFormula {
            message: format!("at character {}: expected {expected}, found {found}", self.at + 1),
            nearest: None,
        }
    }
}
