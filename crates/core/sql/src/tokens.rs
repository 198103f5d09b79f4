//! How long and how deep a text is, from its words and signs alone: before a parser builds a tree of it.
//!
//! A parser goes through `a + a + a + …` in a loop, but the tree that it builds is as deep as the chain is long, and
//! dropping it takes a stack of that depth (Q3). So what stands between two commas, or two words that begin a clause,
//! is counted; what is deep by parentheses, the parser counts itself.

use crate::limits::Limits;
use crate::refused::Refused;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

pub(crate) fn check(sql: &str, limits: &Limits) -> Result<(), Refused> {
    if sql.len() > limits.text {
        return Err(Refused::TooLong { bytes: sql.len(), most: limits.text });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
    let tokens = tokens.map_err(|error| Refused::Syntax(error.to_string()))?;
    let mut words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF)).peekable();
    if words.peek().is_none() {
        return Err(Refused::Empty);
    }
    let mut depth = Depth { open: vec![0], relations: 0, before: None };
    words.try_for_each(|token| depth.step(token, limits))
}

/// What is open at a place of the text.
struct Depth {
    /// Words and signs since the last comma or clause, for each parenthesis that is open.
    open: Vec<usize>,
    /// Joins and set operations so far.
    relations: usize,
    /// The keyword before, if a word stood there.
    before: Option<Keyword>,
}

impl Depth {
    fn step(&mut self, token: &Token, limits: &Limits) -> Result<(), Refused> {
        let before = std::mem::replace(&mut self.before, keyword_of(token));
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => self.open.push(0),
            // One that was never opened is for the parser to tell.
            Token::RParen | Token::RBracket | Token::RBrace if self.open.len() > 1 => drop(self.open.pop()),
            Token::Comma | Token::SemiColon => self.restart(),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::JOIN | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => self.relations += 1,
                // The parser forgets that it went too deep where a CASE could be a name.
                Keyword::CASE => self.open.push(0),
                Keyword::END if self.open.len() > 1 => drop(self.open.pop()),
                // f(x) WITHIN GROUP (…) is still the same expression.
                Keyword::GROUP if before == Some(Keyword::WITHIN) => {}
                keyword if begins_clause(keyword) => self.restart(),
                _ => {}
            },
            _ => {}
        }
        if let Some(terms) = self.open.last_mut() {
            *terms += 1;
        }
        let too_deep = |what, most| Err(Refused::TooDeep { what, most });
        if self.open.len() > limits.nesting {
            return too_deep("too many parentheses and CASEs in one another", limits.nesting);
        }
        if self.open.iter().sum::<usize>() > limits.terms {
            return too_deep("too many words and signs in one expression or clause", limits.terms);
        }
        if self.relations > limits.relations {
            return too_deep("too many joins and set operations", limits.relations);
        }
        Ok(())
    }

    fn restart(&mut self) {
        if let Some(terms) = self.open.last_mut() {
            *terms = 0;
        }
    }
}

fn keyword_of(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    }
}

/// Words after which an expression is another one. The branches of a CASE are in one another only as deep as the parser
/// follows. WITH is none of them: where it begins a query, nothing is counted yet, and a type may be WITH TIME ZONE.
const fn begins_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::ON
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::VALUES
    )
}
