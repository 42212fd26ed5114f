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

/// The stages of what is shipped: what both have, then each.
fn shipped() -> Vec<Vec<String>> {
    let all = instructions();
    let first = all.iter().position(|line| line == "FROM ${BASE} AS bare");
    let mut stages: Vec<Vec<String>> = Vec::new();
    for line in &all[first.expect("the base is there")..] {
        if line.starts_with("FROM ") {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push(line.clone());
    }
    stages
}

#[test]
fn what_is_shipped_is_nobody_and_has_no_shell() {
    let all = instructions();
    let base = "ARG BASE=gcr.io/distroless/cc-debian12:nonroot";
    assert!(all.iter().any(|line| line == base));
    assert!(all.iter().all(|line| !line.contains(":latest")));
    let stages = shipped();
    assert!(stages[0].contains(&"USER 65532:65532".to_owned()));
    for stage in &stages {
        // There is no shell to run anything, and nobody who might change the user back.
        assert!(stage.iter().all(|line| !line.starts_with("RUN ")));
    }
    let names = [("memory", "fabric-memory"), ("gate", "fabric-gate")];
    assert_eq!(stages.len(), 1 + names.len());
    for (stage, (name, program)) in stages[1..].iter().zip(names) {
        assert_eq!(stage[0], format!("FROM bare AS {name}"));
        assert!(
            stage.iter().all(|line| !line.starts_with("USER ")),
            "{name}"
        );
        let programs = stage.iter().filter(|line| line.starts_with("COPY "));
        let copied = format!("COPY --from=build /out/{program} /usr/local/bin/");
        assert_eq!(programs.collect::<Vec<_>>(), [&copied]);
        let entry = format!("ENTRYPOINT [\"/usr/local/bin/{program}\"]");
        assert!(stage.contains(&entry), "{name} needs a shell");
        let asked = format!("CMD [\"/usr/local/bin/{program}\", \"health\"");
        let health = stage.iter().find(|line| line.starts_with("HEALTHCHECK"));
        assert!(health.is_some_and(|line| line.contains(&asked)), "{name}");
    }
}

#[test]
fn the_images_say_what_they_are() {
    let stages = shipped();
    let said = |stage: &[String], name: &str| {
        let label = format!("org.opencontainers.image.{name}=");
        stage
            .iter()
            .any(|line| line.starts_with("LABEL ") && line.contains(&label))
    };
    for name in ["source", "licenses", "version", "revision"] {
        assert!(said(&stages[0], name), "{name}");
    }
    for stage in &stages[1..] {
        assert!(
            said(stage, "title") && said(stage, "description"),
            "{stage:?}"
        );
    }
    let version = format!("ARG VERSION={}", env!("CARGO_PKG_VERSION"));
    assert!(instructions().contains(&version));
}
