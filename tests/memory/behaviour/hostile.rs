//! Text that means something to whatever is below.

use fabric_gate::memory::{Address, Area, Filter};

use super::stage::*;
use crate::people::caller;

/// Texts, no two of them the same.
const TEXTS: [&str; 33] = [
    "'; DROP TABLE entries; --",
    "' OR '1'='1",
    "\"; SELECT * FROM entries; --",
    "$1",
    "?1",
    ":tenant",
    "@p",
    "%",
    "_",
    "%%",
    "\\",
    "\\\\",
    "\\'",
    "\\u0000",
    "\\x00",
    "{}",
    "[]",
    "null",
    "NULL",
    "(",
    "*",
    "a",
    "A",
    "a ",
    " a",
    "\u{e9}",
    "e\u{301}",
    "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
    "\u{202E}rtl \u{5D0}\u{5D1}",
    "\u{FEFF}bom",
    "\u{1}\u{7f}\u{85}\u{2028}",
    "\u{FFFF}\u{10FFFF}",
    "\r\n\t",
];

pub(crate) async fn any_text_comes_back_as_it_was_and_names_only_itself(stage: &Stage) {
    let (to, of) = (alice().own(), own(&alice()));
    for text in TEXTS {
        let fields = with(text, |it| {
            let own = || Some(text.to_owned());
            (it.agent, it.session, it.category) = (own(), own(), own());
            it.tags = vec![text.to_owned()];
            it.keywords = vec![text.to_owned()];
            it.summary = own();
            it.source_ids = vec![text.to_owned()];
            it.metadata.insert(text.to_owned(), text.into());
        });
        let entry = stage.keep(&to, text, fields.clone()).await;
        assert_eq!(entry.fields, fields);
        assert_eq!(stage.get(&of, entry.id).await, Some(entry), "{text:?}");
    }
    for text in TEXTS {
        let address = Address::memory(Some(text.to_owned()));
        let found = stage.find(&of, &address).await;
        assert_eq!(contents(&found), [text], "the key {text:?}");
        let said = || Some(text.to_owned());
        let one = || Filter::all(Area::Memories);
        for filter in [
            Filter {
                key: said(),
                ..one()
            },
            Filter {
                agent: said(),
                ..one()
            },
            Filter {
                session: said(),
                ..one()
            },
            Filter {
                category: said(),
                ..one()
            },
            Filter {
                tags: vec![text.to_owned()],
                ..one()
            },
            Filter {
                any_tags: vec![text.to_owned()],
                ..one()
            },
        ] {
            assert_eq!(stage.fitting(&of, &filter).await, [text], "{filter:?}");
        }
    }
    assert_eq!(stage.all(&of).await.len(), TEXTS.len());
    assert_eq!(stage.all(&all(&bob())).await, [""; 0]);
}

pub(crate) async fn long_texts_and_names_are_kept_whole(stage: &Stage) {
    let (to, of) = (alice().own(), own(&caller("acme", "alice", &[])));
    let long = "\u{1F680} word, ".repeat(16_000);
    let name = "\u{e9}".repeat(256);
    let numbers: Vec<f32> = (1..=4096).map(|number| number as f32 * 0.001).collect();
    let fields = with(&long, |it| {
        it.agent = Some(name.clone());
        it.tags = (0..100).map(|number| format!("{number:0>512}")).collect();
        it.embedding = Some(vector(&numbers));
    });
    let entry = stage.keep(&to, &name, fields.clone()).await;
    assert_eq!(stage.get(&of, entry.id).await.unwrap().fields, fields);
    let bytes = ROW_BYTES + fields.bytes() + name.len() as u64;
    assert_eq!(stage.usage(&of).await, (1, bytes));
    assert_eq!(stage.search(&of, "word").await.len(), 1);
    assert_eq!(stage.near(&of, &numbers).await.len(), 1);
    assert_eq!(stage.near(&all(&bob()), &numbers).await, [""; 0]);
}
