//! The Dockerfile: what it copies is there, and what runs has no right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

fn instructions() -> Vec<String> {
    let text = fs::read_to_string(root().join("deploy/docker/Dockerfile")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What goes into the first stage.
fn copied() -> Vec<String> {
    instructions()
        .into_iter()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
        .flat_map(|line| {
            let words: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
            words[..words.len() - 1].to_vec()
        })
        .collect()
}

#[test]
fn what_the_image_is_built_from_is_let_through() {
    let ignored = fs::read_to_string(root().join("deploy/docker/Dockerfile.dockerignore")).unwrap();
    let let_through: Vec<&str> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let copied = copied();
    assert!(copied.len() >= 6, "{copied:?}");
    for source in &copied {
        assert!(root().join(source).exists(), "{source}");
        assert!(
            let_through.contains(&source.as_str()),
            "{source} is ignored"
        );
    }
}

#[test]
fn what_the_sources_take_in_is_copied() {
    let mut sources = Vec::new();
    rust_files(&root().join("src"), &mut sources);
    let copied: Vec<PathBuf> = copied().iter().map(|name| root().join(name)).collect();
    let mut taken_in = 0;
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for part in text.split("include_").skip(1) {
            let mut literals = part.split('"').skip(1).step_by(2);
            let path = match literals.next() {
                Some("CARGO_MANIFEST_DIR") => match literals.next() {
                    Some(path) => root().join(path.trim_start_matches('/')),
                    None => continue,
                },
                Some(path) => source.parent().unwrap().join(path),
                None => continue,
            };
            // Words in a comment lead nowhere.
            let Ok(path) = path.canonicalize() else {
                continue;
            };
            taken_in += 1;
            let there = copied
                .iter()
                .any(|folder| path.starts_with(folder.canonicalize().unwrap()));
            assert!(
                there,
                "{} takes in {}, which is not copied",
                source.display(),
                path.display()
            );
        }
    }
    assert!(
        taken_in > 0,
        "nothing was found: is it still looked for right?"
    );
    assert_eq!(
        root().join("build.rs").exists(),
        copied.contains(&root().join("build.rs"))
    );
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_last_stage_is_nobody_and_has_no_shell() {
    let all = instructions();
    let last = all
        .iter()
        .rposition(|line| line.starts_with("FROM "))
        .unwrap();
    let stage = &all[last..];
    assert!(
        all.iter()
            .any(|line| line.starts_with("ARG BASE=gcr.io/distroless/cc-debian12:nonroot"))
    );
    assert_eq!(stage[0], "FROM ${BASE}");
    assert!(stage.contains(&"USER 65532:65532".to_owned()));
    assert!(
        stage.iter().all(|line| !line.starts_with("RUN ")),
        "there is no shell to run anything"
    );
    for line in stage
        .iter()
        .filter(|line| line.starts_with("ENTRYPOINT") || line.starts_with("CMD"))
    {
        assert!(line.contains('['), "{line} needs a shell");
    }
    assert!(
        stage
            .iter()
            .any(|line| line.starts_with("HEALTHCHECK") && line.contains("\"health\""))
    );
    assert!(all.iter().all(|line| !line.contains(":latest")));
}

#[test]
fn the_image_says_what_it_is() {
    let label = instructions()
        .into_iter()
        .find(|line| line.starts_with("LABEL "))
        .unwrap();
    for name in [
        "title",
        "description",
        "source",
        "licenses",
        "version",
        "revision",
    ] {
        assert!(
            label.contains(&format!("org.opencontainers.image.{name}=")),
            "{name}"
        );
    }
    let version = format!("ARG VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(instructions().contains(&version));
}
