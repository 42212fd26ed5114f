//! Names for what is one user's: no two users have one, and none begins with another's.
//!
//! A user id may hold any visible character, the delimiters of namespaces among them. Joined as they
//! are, tenant `a` with user `b:user:c` would be tenant `a:user:b` with user `c`. So a user id is
//! encoded into an alphabet that holds no delimiter before it is joined with anything.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::UserId;
use crate::tenant::TenantId;

/// Everything but letters, digits, `_` and `-`: what a tenant id can't hold either.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// Longest name of a file in bytes, on the file systems in use.
const MAX_FILE_NAME: usize = 255;

/// The text with everything but `[A-Za-z0-9_-]` as `%XX`: one text each, and decodable.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The namespace of a user: `tenant:{tid}:user:{uid}:`. It ends in its delimiter, so that no
/// namespace is the beginning of another.
pub fn of_user(tenant: &TenantId, user: &UserId) -> String {
    format!("tenant:{tenant}:user:{}:", encoded(user.as_str()))
}

/// `{tenant}/{user}` as two names of directories, which no other user has on any file system, and
/// which mean nothing to a shell or a decoder: everything but `[a-z0-9_-]` is `=XX`, capital letters
/// too (some file systems take `Bob` and `bob` for one name). An id that gets too long that way is
/// `==` and its BLAKE3 digest.
pub fn directory_of_user(tenant: &TenantId, user: &UserId) -> String {
    format!(
        "{}/{}",
        directory_of_tenant(tenant),
        file_name(user.as_str())
    )
}

/// The first of the two names of [`directory_of_user`]: the id itself where it has no capital.
pub fn directory_of_tenant(tenant: &TenantId) -> String {
    file_name(tenant.as_str())
}

fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("={byte:02X}"));
        }
    }
    if name.len() <= MAX_FILE_NAME {
        return name;
    }
    format!("=={}", blake3::hash(text.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(tenant: &str, user: &str) -> String {
        of_user(&tenant.parse().unwrap(), &UserId::parse(user).unwrap())
    }

    fn directory(tenant: &str, user: &str) -> String {
        directory_of_user(&tenant.parse().unwrap(), &UserId::parse(user).unwrap())
    }

    #[test]
    fn a_namespace_is_written_as_the_contract_says() {
        assert_eq!(of("acme", "alice"), "tenant:acme:user:alice:");
        assert_eq!(of("acme", "b:user:c%"), "tenant:acme:user:b%3Auser%3Ac%25:");
    }

    #[test]
    fn a_directory_can_leave_its_root_by_no_user_id() {
        assert_eq!(directory("acme", "alice"), "acme/alice");
        assert_eq!(directory("acme", ".."), "acme/=2E=2E");
        assert_eq!(directory("acme", "../globex"), "acme/=2E=2E=2Fglobex");
        assert_eq!(directory("acme", "~"), "acme/=7E");
        assert_eq!(directory("acme", "Bob"), "acme/=42ob");
    }

    #[test]
    fn a_long_user_id_has_a_directory_of_its_own() {
        let (one, other) = ("@".repeat(255), format!("{}!", "@".repeat(254)));
        assert_ne!(directory("acme", &one), directory("acme", &other));
        assert!(directory("acme", &one).len() <= "acme/".len() + MAX_FILE_NAME);
    }

    /// Two ids of which the second is the first and more.
    fn one_inside_another() -> impl Strategy<Value = (String, String)> {
        ("[aA:%=]{1,3}", "(:|:user:|%3A|=3A)?[aA:%]{0,2}")
            .prop_map(|(one, more)| (one.clone(), one + &more))
    }

    fn users() -> impl Strategy<Value = String> {
        prop_oneof!["[aA:%=._/2E3-]{1,6}", "[!-~]{1,40}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_namespace_is_or_begins_another(
            one in ("[a-b_-]{0,3}", users()), other in ("[a-b_-]{0,3}", users()),
        ) {
            let name = |(tenant, user): &(String, String)| of(&format!("a0{tenant}"), user);
            prop_assert_eq!(name(&one).starts_with(&name(&other)), one == other);
        }

        #[test]
        fn no_namespace_begins_that_of_a_user_whose_id_goes_on((one, other) in one_inside_another()) {
            prop_assert_eq!(of("acme", &other).starts_with(&of("acme", &one)), one == other);
        }

        #[test]
        fn no_two_users_share_a_directory_even_where_case_is_folded(
            one in users(), other in users(),
        ) {
            let same = directory("acme", &one).to_lowercase() == directory("acme", &other).to_lowercase();
            prop_assert_eq!(same, one == other);
        }

        #[test]
        fn an_encoded_text_is_told_from_its_encoding(text in users()) {
            let encoded = encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte)));
            let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy();
            prop_assert_eq!(decoded, text.as_str());
        }
    }
}
