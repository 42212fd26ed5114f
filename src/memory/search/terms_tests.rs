use proptest::prelude::*;

use super::*;

/// Whether a text is found by a query: they have a term in common.
fn finds(query: &str, text: &str) -> bool {
    let counts = index_terms(text).counts;
    query_terms(query)
        .iter()
        .any(|term| counts.iter().any(|(known, _)| known == term))
}

/// Whether a text has every term of a query.
fn covers(query: &str, text: &str) -> bool {
    let counts = index_terms(text).counts;
    let terms = query_terms(query);
    !terms.is_empty()
        && terms
            .iter()
            .all(|term| counts.iter().any(|(known, _)| known == term))
}

#[test]
fn a_text_is_found_in_every_script_and_other_words_do_not_find_it() {
    for (text, found_by, not_by) in [
        (
            "Le café est déjà fermé",
            &["cafe", "CAFÉ", "cafe\u{301}", "deja"][..],
            "caf",
        ),
        (
            "Straße nach Łódź, Søren, Ærø",
            &["STRASSE", "STRAẞE", "lodz", "soren", "aero"],
            "stra",
        ),
        (
            "İstanbul'da ışık",
            &["istanbul", "ISTANBUL", "isik"],
            "stan",
        ),
        (
            "Ο Οδυσσεύς γύρισε στην Ιθάκη",
            &["οδυσσευς", "ΟΔΥΣΣΕΎΣ", "ιθακη"],
            "οδος",
        ),
        (
            "Моё ёлочное утро, йод",
            &["мое", "МОЁ", "елочное", "Йод"],
            "иод",
        ),
        (
            "كِتَابٌ عن أحمد ســـلام",
            &["كتاب", "احمد", "أَحمد", "سلام"],
            "كاتب",
        ),
        ("می\u{200c}خواهم", &["میخواهم"], "خواهم"),
        ("co\u{ad}operate", &["cooperate"], "operate"),
        ("שָׁלוֹם עולם", &["שלום", "עולם"], "שלומי"),
        ("हिन्दी में लिखा क़लम", &["हिन्दी", "क\u{93c}लम", "लिखा"], "हन्द"),
        ("ฉันชอบกาแฟเย็น", &["กาแฟ", "ชอบ", "เย็น"], "หมา"),
        ("ຂ້ອຍມັກກາເຟ", &["ກາເຟ"], "ຫມາ"),
        ("ខ្ញុំចូលចិត្តកាហ្វេ", &["កាហ្វេ"], "ឆ្មា"),
        ("ကျွန်တော် ကော်ဖီ ကြိုက်တယ်", &["ကော်ဖီ"], "ခွေး"),
        ("我住在東京都", &["東京", "東京都", "住"], "京東"),
        (
            "コンピュータとｶﾞｷﾞｸﾞを買った",
            &["コンピュータ", "ガギグ", "買った"],
            "カキク",
        ),
        ("서울에서 만났다", &["서울", "서울에서", "만"], "부산"),
        ("ship it 🚀 👩🏽‍💻 🇫🇷", &["🚀", "💻", "👩", "🇫🇷"], "🇫🇮"),
        ("٢٠٢٤ में १२३ ไทย๔๕", &["2024", "123", "45"], "024"),
        (
            "Ｆｕｌｌ－ｗｉｄｔｈ ﬁne x²",
            &["full-width", "fine", "x2"],
            "width²",
        ),
    ] {
        for query in found_by {
            assert!(
                covers(query, text),
                "`{query}` finds `{text}`: {:?}",
                index_terms(text)
            );
        }
        assert!(!finds(not_by, text), "`{not_by}` does not find `{text}`");
    }
}

#[test]
fn a_name_is_found_by_its_parts_and_as_a_whole() {
    for (text, found_by, not_by) in [
        (
            "the X-Fabric-Tenant header",
            &["x-fabric-tenant", "fabric", "x_fabric_tenant"][..],
            "abric",
        ),
        (
            "error[E0382]: borrow",
            &["e0382", "E0382", "borrow"],
            "0382",
        ),
        (
            "write to ann.lee@mail.example",
            &["ann.lee@mail.example", "lee", "mail.example"],
            "annie",
        ),
        (
            "call getUserName in HTTPServer",
            &["getUserName", "user", "username HTTP"],
            "sername",
        ),
        (
            "see https://docs.rs/axum/latest",
            &["docs.rs", "axum", "https://docs.rs/axum/latest"],
            "doc",
        ),
        (
            "an e-mail, l’été, O'Neil",
            &["email", "ete", "l'ete", "oneil"],
            "mai",
        ),
        ("costs 1.5 or 1,234", &["1.5", "234"], "15"),
        (
            "std::collections::HashMap<K>",
            &["collections", "hashmap", "std::collections"],
            "ashmap",
        ),
    ] {
        for query in found_by {
            assert!(
                finds(query, text),
                "`{query}` finds `{text}`: {:?}",
                index_terms(text)
            );
        }
        assert!(!finds(not_by, text), "`{not_by}` does not find `{text}`");
    }
    assert!(
        !finds("GitHub", "git hub"),
        "a query for a name asks for the name"
    );
    assert!(covers("x-fabric-tenant", "X-Fabric-Tenant"));
}

#[test]
fn the_terms_of_a_query_are_words_names_and_pairs() {
    for (query, terms) in [
        ("Red red FOX", &["red", "fox"][..]),
        ("e-mail", &["e", "mail", "email"]),
        ("1.2.3", &["1", "2", "3", "1·2·3"]),
        ("東京タワー", &["東京", "京タ", "タワ", "ワー"]),
        ("木", &["木"]),
        ("木 x", &["木", "x"]),
        ("กาแฟ", &["กา", "าแ", "แฟ"]),
        ("2024年", &["2024", "年"]),
        ("🇫🇷🇩🇪", &["🇫🇷", "🇩🇪"]),
        ("", &[]),
        (" -- \u{0} '\" \u{200d}\u{301} ", &[]),
    ] {
        assert_eq!(query_terms(query), terms, "{query}");
    }
}

#[test]
fn a_length_counts_every_occurrence_and_texts_of_one_entry_do_not_run_together() {
    let index = index_terms_of(["red fox red", "東", "京"]);
    let counts: Vec<_> = index
        .counts
        .iter()
        .map(|(term, count)| (term.as_str(), *count))
        .collect();
    assert_eq!(counts, [("fox", 1), ("red", 2), ("京", 1), ("東", 1)]);
    assert_eq!(index.length, 5);
}

#[test]
fn what_a_text_or_a_query_can_cost_is_bounded() {
    let many: String = (0..100_000).map(|word| format!("w{word} ")).collect();
    assert_eq!(index_terms(&many).length, MAX_OCCURRENCES);
    assert_eq!(query_terms(&many).len(), MAX_QUERY_TERMS);

    // A name brings several terms at once; the bound is exact all the same.
    let names: String = (0..100_000).map(|name| format!("x-{name}-y ")).collect();
    assert_eq!(index_terms(&names).length, MAX_OCCURRENCES);
    assert_eq!(query_terms(&names).len(), MAX_QUERY_TERMS);

    let long = "é".repeat(10_000);
    let marked = format!("क{}", "\u{93e}".repeat(10_000));
    for text in [&long, &marked] {
        let index = index_terms(text);
        assert_eq!(index.length, 1);
        assert!(
            index
                .counts
                .iter()
                .all(|(term, _)| term.len() <= MAX_TERM_BYTES)
        );
        assert!(covers(text, text));
    }
}

#[test]
fn sqlites_ascii_tokenizer_cuts_the_terms_as_they_were() {
    let text = "X-Fabric 1.5 été Straße 東京 हिन्दी กาแฟ 👩‍💻 🇫🇷 שָׁלוֹם «ok» ½ … ㈱ e\u{301}";
    let terms: Vec<String> = index_terms(text)
        .counts
        .into_iter()
        .map(|(term, _)| term)
        .collect();
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE VIRTUAL TABLE entry USING fts5(terms, tokenize = 'ascii');
             CREATE VIRTUAL TABLE vocabulary USING fts5vocab(entry, 'row');",
        )
        .unwrap();
    database
        .execute("INSERT INTO entry VALUES (?1)", [terms.join(" ")])
        .unwrap();
    let mut statement = database
        .prepare("SELECT term FROM vocabulary ORDER BY term")
        .unwrap();
    let cut: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(cut, terms);
}

/// Text of many scripts, and of what lies between.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9 ._@/'-]{0,40}",
        "[a-c \u{e0}-\u{17f}\u{300}-\u{344}\u{370}-\u{3ff}\u{400}-\u{4ff}]{0,20}",
        "[\u{590}-\u{6ff}\u{900}-\u{97f}\u{e00}-\u{eff}\u{1780}-\u{17ff} ]{0,20}",
        "[\u{3000}-\u{30ff}\u{4e00}-\u{4eff}\u{ac00}-\u{acff}\u{ff00}-\u{ffef}]{0,20}",
        "[\u{2000}-\u{2bff}\u{1f1e6}-\u{1f1ff}\u{1f300}-\u{1f600}\u{200d}\u{fe0f}]{0,20}",
    ]
}

proptest! {
    #[test]
    fn terms_joined_by_spaces_are_cut_into_the_same_terms(text in any_text()) {
        let terms: Vec<String> =
            index_terms(&text).counts.into_iter().map(|(term, _)| term).collect();
        let joined = terms.join(" ");
        // As FTS5's `ascii` tokenizer does: letters, digits and everything that is not ASCII.
        let cut: Vec<String> = joined
            .split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric())
            .map(str::to_ascii_lowercase)
            .collect();
        if !terms.is_empty() {
            prop_assert_eq!(cut, terms.clone());
        }
        for term in terms {
            prop_assert!(!term.is_empty() && term.len() <= MAX_TERM_BYTES);
            prop_assert!(!term.contains(|c: char| c.is_whitespace() || c.is_control()), "{:?}", term);
        }
    }

    #[test]
    fn a_text_is_found_by_itself(text in any_text()) {
        let terms = query_terms(&text);
        let counts = index_terms(&text).counts;
        for term in &terms {
            prop_assert!(counts.iter().any(|(known, _)| known == term), "{:?}", term);
        }
        prop_assert_eq!(terms.is_empty(), counts.is_empty());
    }

    #[test]
    fn a_term_is_found_by_itself(text in any_text()) {
        for (term, _) in index_terms(&text).counts {
            prop_assert!(finds(&term, &term), "{:?}", term);
        }
    }

    #[test]
    fn case_and_form_of_a_text_do_not_change_its_terms(text in any_text()) {
        use unicode_normalization::UnicodeNormalization;
        // The iota below a Greek vowel is left out like an accent; in capitals it stands beside.
        prop_assume!(!text.nfkd().any(|character| character == '\u{345}'));
        let terms = query_terms(&text);
        prop_assert_eq!(&query_terms(&text.nfc().collect::<String>()), &terms);
        prop_assert_eq!(&query_terms(&text.nfd().collect::<String>()), &terms);
        prop_assert_eq!(&query_terms(&text.nfkc().collect::<String>()), &terms);
        prop_assert_eq!(&query_terms(&text.to_lowercase()), &terms, "lower case");
        prop_assert_eq!(&query_terms(&text.to_uppercase()), &terms, "upper case");
    }
}
