//! Vectors compared in the server, where pgvector is installed, and here.

use fabric_gate::memory::{Address, Area, Change, Embedding, Fields, Filter, MemoryStore, Scope};

use super::{alice_of, quotas, store};
use crate::people::NOW;
use crate::postgres_server::TestDatabase;

#[tokio::test]
async fn vectors_compared_in_the_server_are_found_in_the_same_order_as_here() {
    let database = TestDatabase::make().await;
    let acme = alice_of("acme");
    let here = store(&database).await;
    assert!(!here.has_pgvector());
    // Coprime steps: every vector differs, many are nearly alike.
    let vectors = (0..300_u16).map(|n| {
        let numbers = (0..48_u16).map(|d| f32::from((n * 31 + d * 17) % 101) - 50.5);
        Embedding::new(numbers.collect()).unwrap()
    });
    let create = |embedding: Embedding| Change::Create {
        address: Address::memory(None),
        fields: Fields {
            embedding: Some(embedding),
            ..Fields::new("")
        },
        created_at: None,
    };
    let changes = vectors.map(create).collect();
    here.write(&acme.own(), changes, &quotas(), NOW)
        .await
        .unwrap();

    let admin = database.superuser().await;
    let available = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'";
    if admin.query(available, &[]).await.unwrap().is_empty() {
        println!("there is no pgvector for this server: not compared");
        return;
    }
    admin
        .batch_execute(
            "CREATE SCHEMA \"ext \"\"1\"; CREATE EXTENSION vector SCHEMA \"ext \"\"1\"; \
         GRANT USAGE ON SCHEMA \"ext \"\"1\" TO fabric_memory_app",
        )
        .await
        .unwrap();
    let there = store(&database).await;
    assert!(there.has_pgvector());
    let reach = acme.reach(Scope::All);
    let all = Filter::all(Area::Memories);
    for step in [1_u16, 7, 30] {
        let numbers = (0..48_u16).map(|d| f32::from((d * step) % 23) - 11.5);
        let asked = Embedding::new(numbers.collect()).unwrap();
        let one = here.by_vector(&reach, &all, &asked, 20, NOW).await.unwrap();
        let other = there
            .by_vector(&reach, &all, &asked, 20, NOW)
            .await
            .unwrap();
        assert_eq!(one.len(), 20);
        assert_eq!(one, other);
    }
    let other_size = Embedding::new(vec![1.0; 3]).unwrap();
    let found = there.by_vector(&reach, &all, &other_size, 20, NOW).await;
    assert_eq!(found.unwrap(), []);
}
