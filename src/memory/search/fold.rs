//! Spellings of one word made one: form, marks, digits and case.
//!
//! Folding is for finding only; what is stored and answered is what was written. A fold forgives
//! what people leave out when they type: accents over Latin, Greek and Cyrillic letters, the vowel
//! points of Hebrew and Arabic. A mark that makes a letter of its own stays: й, が, every vowel
//! sign of Devanagari.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::script::is_ignorable;

/// The text in compatibility form (full-width letters, ligatures, superscripts: Unicode Standard
/// Annex 15), without ignorable characters and the marks that are not typed, decimal digits of
/// other scripts as ASCII. Case stays: it says where a name like `getUser` has its parts.
pub(super) fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut base = ' ';
    text.nfkd()
        .filter(|character| !is_ignorable(*character))
        .filter(|character| {
            if is_combining_mark(*character) {
                return is_kept(base, *character);
            }
            base = *character;
            // U+0640 stretches Arabic letters and says nothing.
            *character != '\u{640}'
        })
        .map(ascii_digit)
        .nfc()
        .collect()
}

/// The word in one case, by the full mappings of Unicode: over upper case to lower, so that ß and
/// SS, σ and ς, ı and i meet. Letters that are a Latin letter with a stroke, and the ligatures that
/// compatibility leaves alone, become what people type for them.
pub(super) fn fold_case(word: &str, folded: &mut String) {
    for character in word.chars() {
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
            continue;
        }
        // The capital ẞ is no upper case of ß and has none but itself.
        let capitals = character.to_lowercase().flat_map(char::to_uppercase);
        for lower in capitals.flat_map(char::to_lowercase) {
            match lower {
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' | 'ð' => folded.push('d'),
                'ħ' => folded.push('h'),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'þ' => folded.push_str("th"),
                other => folded.push(other),
            }
        }
    }
}

/// Whether `mark` makes another letter of `base`.
fn is_kept(base: char, mark: char) -> bool {
    match base {
        'a'..='z'
        | 'A'..='Z'
        | '\u{80}'..='\u{2af}'
        | '\u{1e00}'..='\u{1eff}'
        | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}'
        | '\u{ab30}'..='\u{ab6f}' => false,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => false,
        // й and ў are letters; ё is written е.
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}' => {
            mark == '\u{306}'
        }
        '\u{590}'..='\u{5ff}' => false,
        // Of the Arabic marks only a hamza makes a letter, and not upon an alef, where it is
        // written or left out as one likes.
        '\u{600}'..='\u{77f}' => base != '\u{627}' && matches!(mark, '\u{654}' | '\u{655}'),
        _ => base.is_alphabetic(),
    }
}

/// A decimal digit of the scripts in common use as the ASCII digit of the same value.
fn ascii_digit(character: char) -> char {
    const ZEROS: [u32; 18] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50,
        0xed0, 0xf20, 0x1040, 0x17e0, 0x1810,
    ];
    let code = u32::from(character);
    ZEROS
        .iter()
        .filter_map(|zero| code.checked_sub(*zero))
        .find(|value| *value < 10)
        .and_then(|value| char::from_digit(value, 10))
        .unwrap_or(character)
}
