//! The commands of `fabric-memory` that work on the store.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::folder::{Folder, complaint, printed, text};
use crate::postgres_server::TestDatabase;

/// A tenant's file: two users and shared memory, each entry with what only it says.
pub(crate) const LINES: &str = concat!(
    r#"{"format":"fabric-memory/1","tenant":"acme","namespaces":2}"#,
    "\n",
    r#"{"format":"fabric-memory/1","namespace":"tenant:acme:shared:"}"#,
    "\n",
    r#"{"id":"s1","content":"acme-shared-canary","confidentiality":"restricted"}"#,
    "\n",
    r#"{"format":"fabric-memory/1","end":true,"entries":1}"#,
    "\n",
    r#"{"format":"fabric-memory/1","namespace":"tenant:acme:user:al%3Aice:"}"#,
    "\n",
    r#"{"id":"a1","content":"acme-alice-canary","key":"k","tags":["t"]}"#,
    "\n",
    r#"{"format":"fabric-memory/1","end":true,"entries":1}"#,
    "\n",
    r#"{"format":"fabric-memory/1","end":true,"tenant":"acme","namespaces":2,"entries":2}"#,
    "\n",
);

const KEYS: &str = "[identity]\nassertion_jwks_url = \"http://127.0.0.1:9/jwks.json\"\n\
                    [listen]\naddress = \"127.0.0.1:0\"\n[operations]\naddress = \"127.0.0.1:0\"\n";

/// A service's folder, with the embedded store.
pub(crate) fn memory_folder() -> Folder {
    with_store("[store]\nurl = \"sqlite:data\"\n")
}

fn with_store(store: &str) -> Folder {
    let folder = Folder::empty();
    fs::create_dir(folder.path().join("config")).unwrap();
    folder.write("config/memory.toml", &format!("{KEYS}{store}"));
    folder
}

fn globex(text: &str) -> String {
    text.replace("acme", "globex")
}

fn import(folder: &Folder, tenant: &str, lines: &str) -> Value {
    folder.write("in.jsonl", lines);
    let arguments = ["import", "--tenant", tenant, "--json", "in.jsonl"];
    serde_json::from_str(&printed(&folder.memory(&arguments))).unwrap()
}

/// How many entries a tenant keeps.
fn kept(folder: &Folder, tenant: &str) -> u64 {
    let counted = folder.memory(&["stats", "--tenant", tenant, "--json"]);
    let counted: Value = serde_json::from_slice(&counted.stdout).unwrap();
    counted["entries"].as_u64().unwrap()
}

fn export(folder: &Folder, tenant: &str) -> String {
    printed(&folder.memory(&["export", "--tenant", tenant]))
}

/// What an export says of contents, sorted.
fn contents(export: &str) -> Vec<String> {
    let mut texts: Vec<String> = export
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|line| Some(line.get("content")?.as_str()?.to_owned()))
        .collect();
    texts.sort();
    texts
}

/// Two tenants whose users and entries have the same names, on one store.
fn one_tenant_is_all_that_a_command_touches(folder: &Folder) {
    assert_eq!(import(folder, "acme", LINES)["created"], 2);
    assert_eq!(import(folder, "globex", &globex(LINES))["created"], 2);

    let acme = export(folder, "acme");
    assert_eq!(contents(&acme), ["acme-alice-canary", "acme-shared-canary"]);
    assert!(!acme.contains("globex"), "{acme}");
    let last: Value = serde_json::from_str(acme.lines().last().unwrap()).unwrap();
    assert_eq!((&last["end"], &last["entries"]), (&true.into(), &2.into()));

    let again = import(folder, "acme", &acme);
    assert_eq!(again["complete"], true);
    let twice = import(folder, "acme", &acme);
    assert_eq!(
        (&twice["created"], &twice["existed"]),
        (&0.into(), &2.into())
    );

    let before = contents(&export(folder, "globex"));
    let receipt = folder.memory(&["erase", "--tenant", "acme", "--yes", "--json"]);
    let receipt: Value = serde_json::from_str(&printed(&receipt)).unwrap();
    assert_eq!(
        (&receipt["tenant"], &receipt["erased_by"]),
        (&"acme".into(), &"tester".into())
    );
    assert!(receipt["digest"].as_str().unwrap().starts_with("blake3:"));
    let gone = folder.memory(&["export", "--tenant", "acme"]);
    assert_eq!(gone.stdout, b"");
    assert!(complaint(&gone, 1).contains("nothing is kept"));
    assert_eq!(
        contents(&export(folder, "globex")),
        before,
        "globex is whole"
    );
}

#[test]
fn in_sqlite_one_tenant_is_all_that_a_command_touches() {
    one_tenant_is_all_that_a_command_touches(&memory_folder());
}

#[tokio::test]
async fn in_postgres_one_tenant_is_all_that_a_command_touches() {
    let database = TestDatabase::make().await;
    let folder = with_store(&format!("[store]\nurl = \"{}\"\n", database.url()));
    tokio::task::spawn_blocking(move || one_tenant_is_all_that_a_command_touches(&folder))
        .await
        .unwrap();
}

#[test]
fn a_file_of_another_tenant_is_refused_and_nothing_of_it_is_taken() {
    let folder = memory_folder();
    folder.write("in.jsonl", &globex(LINES));
    let arguments = ["import", "--tenant", "acme", "in.jsonl"];
    let told = complaint(&folder.memory(&arguments), 1);
    assert!(told.contains("globex"), "{told}");
    // The same without the line that says whose the file is.
    let headless: String = globex(LINES)
        .lines()
        .skip(1)
        .map(|it| it.to_owned() + "\n")
        .collect();
    folder.write("in.jsonl", &headless);
    let told = complaint(&folder.memory(&arguments), 1);
    assert!(told.contains("no namespace of tenant `acme`"), "{told}");
    assert_eq!(kept(&folder, "acme"), 0);
    // And its twin: the tenant's own.
    assert_eq!(import(&folder, "acme", LINES)["created"], 2);
}

#[test]
fn without_a_file_an_import_reads_standard_input() {
    let folder = memory_folder();
    folder.write("in.jsonl", LINES);
    let lines = fs::File::open(folder.path().join("in.jsonl")).unwrap();
    let mut import = folder.memory_command(&["import", "--tenant", "acme"]);
    let told = printed(&import.stdin(lines).output().unwrap());
    assert!(told.contains("acme"), "{told}");
    assert_eq!(contents(&export(&folder, "acme")).len(), 2);
}

#[test]
fn a_file_that_was_cut_short_is_told_from_a_whole_one() {
    let folder = memory_folder();
    let cut: String = LINES
        .lines()
        .take(7)
        .map(|line| line.to_owned() + "\n")
        .collect();
    folder.write("in.jsonl", &cut);
    let arguments = ["import", "--tenant", "acme", "in.jsonl"];
    let told = complaint(&folder.memory(&arguments), 1);
    assert!(told.contains("cut short"), "{told}");
}

#[test]
fn a_line_that_can_not_be_taken_is_named_by_its_number_in_the_file() {
    let folder = memory_folder();
    let broken = LINES.replace(r#""key":"k""#, r#""importance":11"#);
    folder.write("in.jsonl", &broken);
    let dry = ["import", "--tenant", "acme", "--dry-run", "in.jsonl"];
    assert!(complaint(&folder.memory(&dry), 1).contains("line 6:"));
    assert_eq!(kept(&folder, "acme"), 0);
    let told = complaint(
        &folder.memory(&["import", "--tenant", "acme", "in.jsonl"]),
        1,
    );
    assert!(told.contains("line 6:"), "{told}");
}

#[test]
fn quotas_hold_for_what_is_imported() {
    let folder = memory_folder();
    let config = folder.read("config/memory.toml");
    folder.write(
        "config/memory.toml",
        &format!("{config}[quotas]\nentries_per_tenant = 1\n"),
    );
    folder.write("in.jsonl", LINES);
    let told = complaint(
        &folder.memory(&["import", "--tenant", "acme", "in.jsonl"]),
        1,
    );
    assert!(told.contains("entries_per_tenant"), "{told}");
}

#[test]
fn a_tenant_that_keeps_nothing_is_counted_and_told_of() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let counted = folder.memory(&["stats", "--tenant", "nobody"]);
    assert!(text(&counted.stderr).contains("nobody: nothing is kept"));
    let table = printed(&counted);
    let all: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(all, ["(all)", "0", "0"]);
}

#[test]
fn stats_count_each_namespace() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let table = printed(&folder.memory(&["stats", "--tenant", "acme"]));
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAMESPACE", "ENTRIES", "BYTES"]);
    assert_eq!(rows[1][..2], ["(shared)", "1"]);
    assert_eq!(rows[2][..2], ["al:ice", "1"]);
    assert_eq!(rows[3][..2], ["(all)", "2"]);
}

#[test]
fn one_user_is_erased_and_nobody_else() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let erase = ["erase", "--tenant", "acme", "--user", "al:ice", "--yes"];
    let told = printed(&folder.memory(&erase));
    assert!(told.contains("receipt"), "{told}");
    assert_eq!(contents(&export(&folder, "acme")), ["acme-shared-canary"]);
}

#[test]
fn on_a_terminal_what_is_erased_has_to_be_typed_again() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let erase = ["erase", "--tenant", "acme"];
    let (ended, told) = folder.memory_on_a_terminal(&erase, "globex\n");
    assert!(told.contains("All 2 memories of `acme`"), "{told}");
    assert!(told.contains("nothing was erased"), "{told}");
    assert_eq!(ended.code(), Some(2));
    assert_eq!(kept(&folder, "acme"), 2);

    let (ended, told) = folder.memory_on_a_terminal(&erase, "acme\n");
    assert!(told.contains("receipt"), "{told}");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(kept(&folder, "acme"), 0);
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    import(&folder, "globex", &globex(LINES));
    let told = printed(&folder.memory(&["erase", "--tenant", "acme"]));
    assert!(told.contains("acme: erased 2 entries"), "{told}");
    assert_eq!(kept(&folder, "acme"), 0);
    assert_eq!(kept(&folder, "globex"), 2);
}

#[test]
fn beside_a_process_that_has_the_folder_one_can_read_and_not_write() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let serve = || {
        let mut command = folder.memory_command(&["serve"]);
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    let mut service = serve();
    let locked = || {
        let erase = folder.memory(&["erase", "--tenant", "nobody", "--yes"]);
        text(&erase.stderr).contains("another process")
    };
    let begun = std::time::Instant::now();
    while !locked() {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(60),
            "it does not serve"
        );
        // Whoever asks has the folder for that moment, and a service that begins then ends.
        if service.try_wait().unwrap().is_some() {
            service = serve();
        }
    }
    assert_eq!(contents(&export(&folder, "acme")).len(), 2);
    printed(&folder.memory(&["stats", "--tenant", "acme"]));
    printed(&folder.memory(&["backup", "acme", "acme.db"]));
    for refused in [
        &["import", "--tenant", "acme", "in.jsonl"][..],
        &["erase", "--tenant", "acme", "--yes"],
        &["restore", "acme", "acme.db"],
    ] {
        let told = complaint(&folder.memory(refused), 2);
        assert!(told.contains("served by another process"), "{told}");
    }
    service.kill().unwrap();
    service.wait().unwrap();
}

#[test]
fn a_backup_is_put_back_as_it_was() {
    let folder = memory_folder();
    import(&folder, "acme", LINES);
    let told = printed(&folder.memory(&["backup", "acme", "acme.db"]));
    assert!(told.contains("acme.db"), "{told}");
    complaint(&folder.memory(&["backup", "acme", "acme.db"]), 2);
    complaint(&folder.memory(&["backup", "nobody", "nobody.db"]), 1);
    complaint(&folder.memory(&["restore", "globex", "acme.db"]), 2);

    printed(&folder.memory(&["erase", "--tenant", "acme", "--yes"]));
    printed(&folder.memory(&["restore", "acme", "acme.db"]));
    assert_eq!(contents(&export(&folder, "acme")).len(), 2);
}

#[tokio::test]
async fn tables_are_migrated_once_and_copied_by_the_servers_own_tools() {
    let database = TestDatabase::make().await;
    let folder = with_store(&format!(
        "[store]\nurl = \"{}\"\nowner_url = \"{}\"\n",
        database.url(),
        database.admin_url()
    ));
    let told = printed(&folder.memory(&["migrate"]));
    assert!(told.contains("nothing to do"), "{told}");
    let told = complaint(&folder.memory(&["backup", "acme", "acme.db"]), 2);
    assert!(told.contains("pg_dump"), "{told}");
}

#[test]
fn check_ends_with_0_for_a_good_configuration_and_with_1_and_the_place_for_a_bad_one() {
    let folder = memory_folder();
    assert!(printed(&folder.memory(&["check"])).contains("good"));
    folder.write(
        "config/memory.toml",
        &format!("{KEYS}[stroe]\nurl = \"x\"\n"),
    );
    let told = complaint(&folder.memory(&["check"]), 1);
    assert!(told.contains("memory.toml:7:"), "{told}");
}

#[test]
fn the_description_of_the_api_needs_no_configuration() {
    let document = printed(&Folder::empty().memory(&["openapi"]));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
