//! The pages that one follows, followed: every block of a shell is run in order, in an empty
//! folder, with the real programs, and prints what its page says.
//!
//! What stands behind a fence says what is done with the block:
//!
//! | info | is |
//! | --- | --- |
//! | `sh` | run in the first terminal; every command of it succeeds |
//! | `sh fails` | the same, and the last command fails |
//! | `sh serve` | begun in another terminal, in the same folder |
//! | `sh install` | how the programs get onto a machine, which here they are already |
//! | `text output` | what the block before it printed |
//!
//! Pages name the addresses that people will use. Here each stands for a free one, in both directions.

mod compare;
mod terminal;

use std::path::Path;

use crate::pages::{Block, blocks_of, root};
use crate::standins::{self, StandIn};
use crate::support::gate_process::free_port;
use crate::support::mcp_server;
use terminal::Terminals;

/// Where the backend's page is followed inside the common one.
const HERE: &str = "3. Your backend";

/// What pages call something, and what it is here.
type Names = Vec<(String, String)>;

/// The names, and free ports in the place of those that every page knows.
fn with_free_ports(mut names: Names) -> Names {
    let ports = [8080, 9901, 8090, 9902].map(|known| (known, free_port()));
    for (known, free) in &ports {
        let real = free.local_addr().unwrap().port();
        names.push((format!("127.0.0.1:{known}"), format!("127.0.0.1:{real}")));
    }
    names
}

/// What a page says, as it is here.
fn here(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (known, real)| {
        text.replace(known.as_str(), real)
    })
}

/// What is here, as a page says it.
fn there(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (known, real)| {
        text.replace(real.as_str(), known)
    })
}

/// Follows the common page with this one in its place, and then further ones, before a backend that
/// pages know under an address.
fn follow(page: &str, backend: Option<(&str, String)>, further: &[&str]) {
    let names = backend.map(|(known, real)| (known.to_owned(), real));
    let names = with_free_ports(names.into_iter().collect());
    let folder = root().join("docs/getting-started");
    let common = blocks_of(&folder.join("README.md"));
    let (before, after): (Vec<_>, Vec<_>) = common
        .into_iter()
        .partition(|block| block.heading.as_str() < HERE);
    let mut blocks = before;
    blocks.extend(blocks_of(&folder.join(page)));
    blocks.extend(after);
    for page in further {
        blocks.extend(blocks_of(&root().join("docs").join(page)));
    }
    run(&mut Terminals::open(), &blocks, &names);
}

fn run(terminals: &mut Terminals, blocks: &[Block], names: &Names) {
    let mut printed = String::new();
    for block in blocks {
        let text = here(&block.text, names);
        match block.info.as_str() {
            "sh" | "sh fails" => {
                let outcome = terminals.run(&text, block.info == "sh");
                assert!(
                    (outcome.status == 0) == (block.info == "sh"),
                    "{} ended with {}\n{}{}\n{}\n{text}",
                    block.place(),
                    outcome.status,
                    outcome.printed,
                    outcome.complained,
                    terminals.logs()
                );
                printed = there(&outcome.printed, names);
            }
            "sh serve" => terminals.begin(&text),
            "text output" => assert!(
                compare::tells(&block.text, &printed),
                "{} says\n{}\nand there was\n{printed}\n{}",
                block.place(),
                block.text,
                terminals.logs()
            ),
            _ => {}
        }
    }
}

/// A stand-in in the place of what pages call `known`. It serves for as long as the runtime does.
async fn before(
    known: &'static str,
    backend: StandIn,
    page: &'static str,
    further: &'static [&'static str],
) {
    let real = backend.address.to_string();
    let real = if known.starts_with("http") {
        format!("http://{real}")
    } else {
        real
    };
    tokio::task::spawn_blocking(move || follow(page, Some((known, real)), further))
        .await
        .unwrap();
    drop(backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn fabric_harness_is_guarded_as_its_page_says() {
    let backend = standins::harness::start().await;
    before("127.0.0.1:9111", backend, "fabric-harness.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbit_is_guarded_as_its_page_says() {
    let backend = standins::heartbit::start().await;
    before("127.0.0.1:3000", backend, "heartbit.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agentflow_is_guarded_as_its_page_says() {
    let backend = standins::agentflow::start().await;
    before("127.0.0.1:8000", backend, "agentflow.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aether_forge_is_guarded_as_its_page_says() {
    let backend = standins::aether_forge::start().await;
    before("127.0.0.1:8088", backend, "aether-forge.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mcp_server_is_guarded_as_its_page_says() {
    let backend = mcp_server::start().await;
    let real = backend.address().authority().to_string();
    tokio::task::spawn_blocking(move || follow("mcp.md", Some(("127.0.0.1:3001", real)), &[]))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_a2a_agent_is_guarded_as_its_page_says() {
    let backend = standins::a2a::start().await;
    before("127.0.0.1:9999", backend, "a2a.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_is_guarded_as_its_page_says() {
    let backend = standins::openai::start().await;
    before("https://api.openai.com", backend, "openai.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_is_guarded_as_its_page_says() {
    let backend = standins::anthropic::start().await;
    before("https://api.anthropic.com", backend, "anthropic.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn langgraph_is_guarded_as_its_page_says() {
    let backend = standins::langgraph::start().await;
    before("127.0.0.1:2024", backend, "langgraph.md", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_service_is_guarded_as_its_page_says() {
    tokio::task::spawn_blocking(|| follow("memory.md", None, &[]))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_in_an_incident_can_be_done() {
    let backend = standins::harness::start().await;
    before(
        "127.0.0.1:9111",
        backend,
        "fabric-harness.md",
        &["incidents.md"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_can_be_done() {
    let backend = standins::harness::start().await;
    before(
        "127.0.0.1:9111",
        backend,
        "fabric-harness.md",
        &["operating.md"],
    )
    .await;
}

/// The calls of the README, after what `make run` does: the same files, and a backend with the same
/// routes.
#[tokio::test(flavor = "multi_thread")]
async fn the_readme_can_be_tried() {
    let backend = standins::harness::start().await;
    let real = backend.address.to_string();
    tokio::task::spawn_blocking(move || {
        let names = with_free_ports(vec![("127.0.0.1:9111".to_owned(), real)]);
        let mut terminals = Terminals::open();
        for folder in ["config", "policies"] {
            let files = std::fs::read_dir(root().join(folder)).unwrap();
            std::fs::create_dir(terminals.home().join(folder)).unwrap();
            for path in files
                .map(|file| file.unwrap().path())
                .filter(|path| path.is_file())
            {
                // A reader takes longer than a batch of records does to reach the disk.
                let text = std::fs::read_to_string(&path)
                    .unwrap()
                    .replace("durability = \"batch\"", "durability = \"sync\"");
                let place = terminals
                    .home()
                    .join(folder)
                    .join(path.file_name().unwrap());
                std::fs::write(place, here(&text, &names)).unwrap();
            }
        }
        let prepared = terminals.run(
            "mkdir -p data/dev && (umask 077 && echo secret > data/dev/admin-token)\n\
             ALICE=$(fabric-gate dev token --tenant acme --user alice --role lead)\n\
             CAROL=$(fabric-gate dev token --tenant globex --user carol --role lead)\n",
            true,
        );
        assert_eq!(prepared.status, 0, "{prepared:?}");
        terminals.begin("fabric-gate serve");
        let ready =
            "curl -sf --retry 60 --retry-connrefused --retry-delay 1 http://127.0.0.1:9901/readyz";
        terminals.run(&here(ready, &names), true);
        run(
            &mut terminals,
            &blocks_of(&root().join("README.md")),
            &names,
        );
    })
    .await
    .unwrap();
    drop(backend);
}

#[test]
fn every_page_of_the_folder_is_followed() {
    let source = include_str!("mod.rs");
    for page in std::fs::read_dir(root().join("docs/getting-started")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || source.contains(&format!("\"{name}\"")),
            "nobody follows {name}"
        );
    }
}

/// Every block that shows a program of Python, whether it is run or not.
#[test]
fn every_snippet_of_python_is_python() {
    let shown = crate::pages::with_info("python");
    let check = "import ast, sys\nfor place, text in zip(sys.argv[1::2], sys.argv[2::2]): ast.parse(text, place)";
    let checked = std::process::Command::new("python3")
        .args(["-c", check])
        .args(
            shown
                .iter()
                .flat_map(|block| [block.place(), as_body(block)]),
        )
        .output()
        .expect("python3 checks the snippets");
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{told}");
}

/// `await` stands at the top of snippets, as in a notebook.
fn as_body(block: &Block) -> String {
    if block.text.contains("await ") && !block.text.contains("asyncio.run") {
        let body: String = block
            .text
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        return format!("async def shown():\n{body}");
    }
    block.text.clone()
}

/// The commands that install the programs: their targets and files exist.
#[test]
fn what_installs_the_programs_is_there() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for block in crate::pages::with_info("sh install") {
        for line in block.text.lines() {
            for target in line
                .split(" && ")
                .filter_map(|one| one.strip_prefix("make "))
            {
                let rule = format!("\n{}:", target.split_whitespace().next().unwrap());
                assert!(makefile.contains(&rule), "{}: {line}", block.place());
            }
            if let Some(script) = line.strip_prefix("scripts/") {
                let name = script.split_whitespace().next().unwrap();
                assert!(
                    Path::new(&root()).join("scripts").join(name).exists(),
                    "{}: {line}",
                    block.place()
                );
            }
        }
    }
}
