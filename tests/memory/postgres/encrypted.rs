//! Connections over TLS.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use fabric_gate::memory::postgres::{OpenError, PoolSettings, PostgresStore};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use super::{alice_of, keep, texts};
use crate::postgres_server::{TestDatabase, TestServer};

/// A server that speaks TLS with a certificate for `localhost`, and the file of its authority.
async fn encrypted() -> (TestDatabase, String, std::path::PathBuf) {
    // An address of this process alone, since the port is that of the socket as well.
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{c}.{d}", b | 1);
    let server = TestServer::own(&[&format!("listen_addresses={address}")]).await;
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let data = server.folder().join("data");
    let owner = fs::metadata(&data).unwrap().uid();
    for (name, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let path = data.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner), None).unwrap();
    }
    let roots = server.folder().join("ca.pem");
    fs::write(&roots, authority.as_ref().pem()).unwrap();
    let admin = server.superuser("postgres").await;
    admin
        .batch_execute("ALTER SYSTEM SET ssl = on")
        .await
        .unwrap();
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    (TestDatabase::on(server).await, address, roots)
}

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&url.parse().unwrap(), PoolSettings::default()).await
}

#[tokio::test]
async fn a_server_is_verified_by_chain_and_name_in_every_encrypted_mode() {
    let (database, address, roots) = encrypted().await;
    let roots = roots.display();
    let url = |host: &str, query: &str| {
        let name = database.name();
        format!("postgres://fabric_test_service@{host}/{name}?hostaddr={address}&{query}")
    };
    for mode in ["sslmode=verify-full&", "sslmode=require&", ""] {
        let trusted = format!("{mode}sslrootcert={roots}");
        let store = open(&url("localhost", &trusted)).await.unwrap();
        keep(&store, &alice_of("acme"), "over TLS").await.unwrap();
        assert!(
            texts(&store, &alice_of("acme"))
                .await
                .contains(&"over TLS".to_owned())
        );
        let other_name = open(&url("other.example", &trusted)).await.unwrap_err();
        assert!(
            other_name.to_string().contains("certificate"),
            "{other_name}"
        );
        let unknown = open(&url("localhost", mode.trim_end_matches('&')))
            .await
            .unwrap_err();
        assert!(unknown.to_string().contains("certificate"), "{unknown}");
    }
    let admin = database.superuser().await;
    let sql = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
         WHERE a.application_name = 'fabric-memory' AND a.datname = $1";
    let store = open(&url("localhost", &format!("sslrootcert={roots}")))
        .await
        .unwrap();
    keep(&store, &alice_of("acme"), "kept open").await.unwrap();
    let row = admin.query_one(sql, &[&database.name()]).await.unwrap();
    assert_eq!(row.get::<_, Option<bool>>(0), Some(true));
    // The twin of encryption: without it the same server is reached as well.
    assert!(open(&url("localhost", "sslmode=disable")).await.is_ok());
}

#[tokio::test]
async fn a_file_of_certificates_that_holds_none_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let error = open(&format!(
        "postgres://app@localhost/memory?sslrootcert={path}"
    ))
    .await
    .unwrap_err()
    .to_string();
    assert!(
        error.contains(&path.to_string()) && error.contains("no certificate"),
        "{error}"
    );
}
