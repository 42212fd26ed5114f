//! Terms: what a text is found by.
//!
//! The same cut serves every script and needs no dictionary and no guess of the language:
//! * where words stand apart, a term is a word: letters, digits and their marks, folded;
//! * where they do not (Han, kana, Thai, Lao, Khmer, Myanmar) or carry their particles (Hangul), a
//!   text is indexed by single signs and by pairs, and asked for by pairs, so that 東京 is found in
//!   東京都 and hardly anything else is;
//! * a name made of words (`x-fabric-tenant`, `a@b.example`, `getUserName`) is found by its parts
//!   and as a whole, whatever joins it: `e-mail` finds `email`;
//! * an emoji is a term.
//!
//! There is no stemming and there are no stop words. Both belong to one language, and a memory does
//! not say in which it is written: a stemmer for the wrong one joins words that have nothing to do
//! with each other, for everybody, in silence. Words that are everywhere weigh next to nothing by
//! their own frequency, and who wants inflections to meet brings embeddings.
//!
//! INVARIANT: a term is not empty and holds no ASCII but `a` to `z` and `0` to `9`, no white space
//! and no control character. So terms joined by spaces are cut into the same terms again by FTS5's
//! `ascii` tokenizer, need no quoting there beyond `"…"`, and are valid text for PostgreSQL.

use std::collections::HashMap;

use super::fold::{fold_case, plain};
use super::script::{Class, class, is_half_of_a_flag};

/// Longest term in bytes; a longer word is found by its beginning.
pub const MAX_TERM_BYTES: usize = 64;

/// Most terms of one entry, repetitions counted; what follows is stored and not found by.
pub const MAX_OCCURRENCES: u32 = 65_536;

/// Most different terms of one query; what follows does not count.
pub const MAX_QUERY_TERMS: usize = 64;

/// Most signs between two parts of one name: `https://example`.
const MAX_JOINERS: usize = 3;

/// What an entry is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexTerms {
    /// Each term and how often it occurs, in the order of the terms' bytes.
    pub counts: Vec<(String, u32)>,
    /// All occurrences: the length of the entry in BM25's sense.
    pub length: u32,
}

/// The terms of one text, for an index.
pub fn index_terms(text: &str) -> IndexTerms {
    index_terms_of([text])
}

/// The terms of the texts of one entry (content, summary, keywords), for an index. The end of a
/// text ends a word.
pub fn index_terms_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> IndexTerms {
    let mut index = Index::default();
    for text in texts {
        Cutter::new(&mut index).cut(text);
    }
    let mut counts: Vec<_> = index.counts.into_iter().collect();
    counts.sort_unstable();
    IndexTerms {
        counts,
        length: index.length,
    }
}

/// The terms of a query, each once, in the order they are written; none if it holds nothing to
/// search by. An entry need not have them all: the more and the rarer, the better it fits.
pub fn query_terms(query: &str) -> Vec<String> {
    let mut terms = Query::default();
    Cutter::new(&mut terms).cut(query);
    terms.0
}

/// Who takes the terms, and how finely a text is cut for it.
trait Sink {
    /// Whether single signs of a pair, and the parts that capital letters set off in a name
    /// (`getUser`), are terms too. In a query they would find too much: `GitHub` every `git`.
    const FINE: bool;

    fn take(&mut self, term: &str);

    fn is_full(&self) -> bool;
}

#[derive(Default)]
struct Index {
    counts: HashMap<String, u32>,
    length: u32,
}

impl Sink for Index {
    const FINE: bool = true;

    fn take(&mut self, term: &str) {
        if self.is_full() {
            return;
        }
        self.length += 1;
        match self.counts.get_mut(term) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(term.to_owned(), 1);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.length >= MAX_OCCURRENCES
    }
}

#[derive(Default)]
struct Query(Vec<String>);

impl Sink for Query {
    const FINE: bool = false;

    fn take(&mut self, term: &str) {
        if !self.is_full() && !self.0.iter().any(|known| known == term) {
            self.0.push(term.to_owned());
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MAX_QUERY_TERMS
    }
}

/// Cuts one text.
struct Cutter<'a, S> {
    sink: &'a mut S,
    /// The word being read, in its own case.
    word: String,
    /// The name that this word is part of, joiners left out.
    name: String,
    parts: usize,
    joiners: usize,
    /// The sign being read with its marks, and the one before it.
    sign: String,
    previous: String,
    pairs: usize,
    /// One half of a flag.
    half: Option<char>,
    folded: String,
}

impl<'a, S: Sink> Cutter<'a, S> {
    fn new(sink: &'a mut S) -> Self {
        Self {
            sink,
            word: String::new(),
            name: String::new(),
            parts: 0,
            joiners: 0,
            sign: String::new(),
            previous: String::new(),
            pairs: 0,
            half: None,
            folded: String::new(),
        }
    }

    fn cut(mut self, text: &str) {
        for character in plain(text).chars() {
            if self.sink.is_full() {
                return;
            }
            match class(character) {
                Class::Word => self.letter(character),
                Class::Gram => self.gram(character),
                Class::Mark => self.mark(character),
                Class::Joiner => self.joiner(),
                Class::Picture => self.picture(character),
                Class::Gap => self.end(),
            }
        }
        self.end();
    }

    fn letter(&mut self, character: char) {
        self.end_of_signs();
        // `1.5` is not 15.
        if self.joiners == 1
            && character.is_ascii_digit()
            && self.name.ends_with(|last: char| last.is_ascii_digit())
        {
            self.name.push('\u{b7}');
        }
        self.joiners = 0;
        // One byte more than a term may have tells that it is too long.
        for part in [&mut self.word, &mut self.name] {
            if part.len() <= MAX_TERM_BYTES {
                part.push(character);
            }
        }
    }

    fn mark(&mut self, mark: char) {
        let carrier = if self.sign.is_empty() {
            &mut self.word
        } else {
            &mut self.sign
        };
        if !carrier.is_empty() && carrier.len() <= MAX_TERM_BYTES {
            carrier.push(mark);
            if self.sign.is_empty() {
                self.name.push(mark);
            }
        }
    }

    fn joiner(&mut self) {
        self.end_of_signs();
        self.end_of_word();
        self.joiners += 1;
        if self.joiners > MAX_JOINERS {
            self.end_of_name();
        }
    }

    fn gram(&mut self, character: char) {
        self.end_of_name();
        self.next_sign();
        self.sign.push(character);
    }

    fn picture(&mut self, picture: char) {
        let half = self.half.take();
        self.end();
        if !is_half_of_a_flag(picture) {
            return self.take(picture.encode_utf8(&mut [0; 4]));
        }
        match half {
            Some(first) => self.take(&String::from_iter([first, picture])),
            None => self.half = Some(picture),
        }
    }

    fn end(&mut self) {
        self.half = None;
        self.end_of_name();
        self.end_of_signs();
    }

    fn end_of_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        self.parts += 1;
        self.take(&word);
        if S::FINE && word.len() <= MAX_TERM_BYTES {
            for part in parts_by_capitals(&word) {
                self.take(&part);
            }
        }
    }

    fn end_of_name(&mut self) {
        self.end_of_word();
        let name = std::mem::take(&mut self.name);
        if self.parts > 1 && name.len() <= MAX_TERM_BYTES {
            self.take(&name);
        }
        self.parts = 0;
        self.joiners = 0;
    }

    /// The sign being read is complete: it makes a pair with the one before it.
    fn next_sign(&mut self) {
        if self.sign.is_empty() {
            return;
        }
        let sign = std::mem::take(&mut self.sign);
        if S::FINE {
            self.take(&sign);
        }
        if !self.previous.is_empty() {
            let pair = format!("{}{sign}", self.previous);
            self.take(&pair);
            self.pairs += 1;
        }
        self.previous = sign;
    }

    fn end_of_signs(&mut self) {
        self.next_sign();
        let last = std::mem::take(&mut self.previous);
        if !S::FINE && self.pairs == 0 && !last.is_empty() {
            self.take(&last);
        }
        self.pairs = 0;
    }

    fn take(&mut self, raw: &str) {
        self.folded.clear();
        fold_case(raw, &mut self.folded);
        self.sink.take(beginning(&self.folded));
    }
}

/// As much of the word as a term may have.
fn beginning(word: &str) -> &str {
    let cuts = (0..=MAX_TERM_BYTES).rev();
    cuts.filter_map(|cut| word.get(..cut.min(word.len())))
        .next()
        .unwrap_or_default()
}

/// The parts that capital letters set off, if there are several: `get`, `User` of `getUser`, `HTTP`,
/// `Server` of `HTTPServer`. Single letters are left out.
fn parts_by_capitals(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut parts = vec![String::new()];
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| letters.get(at));
        let begins = before.is_some_and(|before| {
            letter.is_uppercase()
                && (before.is_lowercase()
                    || (before.is_uppercase()
                        && letters
                            .get(index + 1)
                            .is_some_and(|next| next.is_lowercase())))
        });
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(*letter);
        }
    }
    if parts.len() < 2 {
        return Vec::new();
    }
    parts.retain(|part| part.chars().nth(1).is_some());
    parts
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
