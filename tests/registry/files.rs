//! Which file is taken for the gate's database, and how it lies there.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use fabric_gate::ownership::Ownership;
use fabric_gate::state::{OpenError, SqliteStore};

use crate::world::{World, block_on, owned, owner, session};

fn refusal(path: &Path) -> OpenError {
    SqliteStore::open(path).map(drop).unwrap_err()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_file_and_what_lies_beside_it_are_for_its_owner_only() {
    let world = World::new();
    let registry = world.open();
    block_on(registry.claim(&session("s"), &owner("acme", "ann"))).unwrap();
    assert_eq!(mode(world.path().parent().unwrap()), 0o700);
    assert_eq!(mode(&world.path()), 0o600);
    assert_eq!(mode(&world.path().with_extension("db-wal")), 0o600);
}

#[test]
fn owners_outlive_the_process() {
    let world = World::new();
    block_on(async {
        let registry = world.open();
        registry
            .claim(&session("s"), &owner("acme", "ann"))
            .await
            .unwrap();
        registry.close().await;
        let registry = world.open();
        assert_eq!(
            registry.owner(&session("s")).await,
            Ok(owned("acme", "ann"))
        );
    });
}

#[test]
fn names_that_sqlite_would_take_for_settings_are_names() {
    let world = World::new();
    for name in ["file:x?mode=memory", ":memory:", "a b%20.db"] {
        let path = world.folder.path().join(name);
        drop(SqliteStore::open(&path).unwrap());
        assert!(path.is_file(), "{name}");
    }
}

#[test]
fn a_symbolic_link_in_place_of_the_file_is_refused_and_its_directory_may_be_one() {
    let world = World::new();
    drop(world.open());
    let link = world.folder.path().join("link.db");
    symlink(world.path(), &link).unwrap();
    assert!(refusal(&link).to_string().contains("symbolic link"));
    let directory = world.folder.path().join("linked");
    symlink(world.path().parent().unwrap(), &directory).unwrap();
    drop(SqliteStore::open(&directory.join("gate.db")).unwrap());
}

#[test]
fn what_is_no_database_of_the_gate_is_refused_and_left_as_it_is() {
    let world = World::new();
    let text = world.folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but long enough to have a head".repeat(99),
    )
    .unwrap();
    let other = world.folder.path().join("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        assert!(
            matches!(refusal(path), OpenError::Foreign(_)),
            "{}",
            path.display()
        );
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_database_of_a_later_version_is_refused() {
    let world = World::new();
    drop(world.open());
    let connection = rusqlite::Connection::open(world.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refused = refusal(&world.path());
    assert!(
        matches!(refused, OpenError::Newer { found: 99, .. }),
        "{refused}"
    );
}

#[test]
fn a_directory_in_place_of_the_file_is_refused_with_its_name() {
    let world = World::new();
    let refused = refusal(world.folder.path()).to_string();
    let name = world.folder.path().file_name().unwrap().to_str().unwrap();
    assert!(refused.contains(name), "{refused}");
}

#[test]
fn eight_processes_that_start_at_once_make_one_database() {
    let world = World::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let registry = world.open();
                let told = block_on(registry.owner(&session("s")));
                assert_eq!(told, Ok(Ownership::Unknown));
            });
        }
    });
    assert_eq!(world.sql("SELECT count FROM removals").len(), 1);
}
