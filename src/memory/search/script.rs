//! What a character is to a search: a letter of a word, a sign of writing without spaces, a picture,
//! something that joins two words into one, or a gap.

use unicode_normalization::char::is_combining_mark;

/// What a character is to a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A letter, a digit or a mark of a script whose words stand apart.
    Word,
    /// A sign of a script that puts no space between words, or writes particles on to them
    /// (Hangul). Where a word ends can't be told without a dictionary, so such text is cut into
    /// pairs.
    Gram,
    /// A mark that goes with the sign before it.
    Mark,
    /// An emoji or another pictograph.
    Picture,
    /// Joins what stands on both sides into one name: `x-fabric-tenant`, `a@b.example`.
    Joiner,
    /// Anything else.
    Gap,
}

/// What `character` is to a search.
pub(super) fn class(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Word,
        '-' | '_' | '.' | '@' | '/' | ':' | '\'' | '+' | '&' | '#' | '\\' => Class::Joiner,
        '\0'..='\x7f' => Class::Gap,
        // The hyphens and the apostrophe of typeset text.
        '\u{2010}' | '\u{2019}' => Class::Joiner,
        _ if is_gram(character) => Class::Gram,
        _ if is_combining_mark(character) => Class::Mark,
        _ if is_picture(character) => Class::Picture,
        _ if character.is_alphanumeric() => Class::Word,
        _ => Class::Gap,
    }
}

/// Letters of the scripts that are cut into pairs: Han, Hiragana, Katakana, Bopomofo, Hangul
/// syllables, Thai, Lao, Khmer, Myanmar. Digits of these scripts are words; marks are marks.
fn is_gram(character: char) -> bool {
    let listed = matches!(character,
        '\u{0e01}'..='\u{0e4e}'
        | '\u{0e80}'..='\u{0ece}' | '\u{0edc}'..='\u{0edf}'
        | '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{109a}'..='\u{109d}'
        | '\u{1780}'..='\u{17d3}' | '\u{17d7}' | '\u{17dc}'..='\u{17dd}'
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}'
        | '\u{3041}'..='\u{30fa}' | '\u{30fc}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{a9e0}'..='\u{a9ef}' | '\u{a9fa}'..='\u{a9fe}' | '\u{aa60}'..='\u{aa7f}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}');
    listed && character.is_alphanumeric() && !is_combining_mark(character)
}

/// Pictographs by block: the standard library does not know the property.
fn is_picture(character: char) -> bool {
    matches!(character,
        '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}'
        | '\u{2460}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// Whether a text reads the same without it: joiners and selectors that shape signs, soft hyphens,
/// marks of direction, and the skin tones of emoji. U+200B is none of these: Khmer and Thai texts
/// put it between words.
pub(super) fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether two of these make one flag.
pub(super) fn is_half_of_a_flag(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}
