//! All of a tenant, for the operator: what each of its namespaces holds, its export, its import and
//! its end.
//!
//! A tenant's export is one line about the tenant, the exports of its namespaces one after the
//! other, each as a user would get it, and one line that tells that the file is whole.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::export::{Export, FORMAT};
use super::import::{Import, ImportReport, ImportRules};
use super::{Memory, MemoryError, NamespaceUse, Oversight, Owner, Receipt, StoreError};
use crate::identity::UserId;

impl Memory {
    /// What each namespace of the tenant holds that holds anything: shared memory first, then the
    /// users by name.
    ///
    /// # Errors
    /// The store can't say.
    pub async fn census(&self, over: &Oversight) -> Result<Vec<NamespaceUse>, StoreError> {
        let mut owners = self.store().owners(over).await?;
        owners.sort_by(|one, other| name(one).cmp(&name(other)));
        let mut uses = Vec::new();
        for owner in &owners {
            let used = self.store().usage(&over.reach(owner)).await?;
            uses.extend(used.into_iter().filter(|it| it.entries > 0 || it.bytes > 0));
        }
        Ok(uses)
    }

    /// Erases all of the tenant.
    ///
    /// # Errors
    /// The store can't do it. What it erased before stays erased; ask again.
    pub async fn erase_overseen(&self, over: &Oversight) -> Result<Receipt, MemoryError> {
        self.erase_tenant(over.operator(), &over.erasure()).await
    }

    /// Erases a user of the tenant.
    ///
    /// # Errors
    /// As [`Memory::erase_overseen`].
    pub async fn erase_overseen_user(
        &self,
        over: &Oversight,
        user: &UserId,
    ) -> Result<Receipt, MemoryError> {
        self.erase_user(over.operator(), &over.user_erasure(user))
            .await
    }
}

/// By what namespaces are ordered: shared memory has no name.
fn name(owner: &Owner) -> Option<&str> {
    match owner {
        Owner::User(user) => Some(user.as_str()),
        Owner::Shared => None,
    }
}

/// A tenant's export under way.
#[derive(Debug)]
pub struct TenantExport {
    memory: Arc<Memory>,
    over: Oversight,
    history: bool,
    left: std::vec::IntoIter<NamespaceUse>,
    under_way: Option<Export>,
    namespaces: u64,
    entries: u64,
    ended: bool,
}

impl TenantExport {
    /// An export of all of a tenant, with its first line; with earlier versions if `history`.
    ///
    /// # Errors
    /// The store can't say.
    pub async fn begin(
        memory: Arc<Memory>,
        over: Oversight,
        history: bool,
    ) -> Result<(Self, Vec<u8>), StoreError> {
        let uses = memory.census(&over).await?;
        let head = line(&json!({
            "format": FORMAT,
            "tenant": over.tenant().as_str(),
            "namespaces": uses.len(),
            "exported_at": memory.now().to_string(),
            "history": history,
        }));
        let export = Self {
            memory,
            over,
            history,
            left: uses.into_iter(),
            under_way: None,
            namespaces: 0,
            entries: 0,
            ended: false,
        };
        Ok((export, head))
    }

    /// How many entries there are left as far as was known at the beginning.
    pub fn expected(&self) -> u64 {
        self.left.as_slice().iter().map(|it| it.entries).sum()
    }

    /// How many entries were written.
    pub fn entries(&self) -> u64 {
        self.entries + self.under_way.as_ref().map_or(0, Export::entries)
    }

    /// The next lines, each ended by a line feed; `None` after the last.
    ///
    /// # Errors
    /// The store can't say. The export has no last line then.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            if let Some(export) = &mut self.under_way {
                if let Some(lines) = export.next().await? {
                    return Ok(Some(lines));
                }
                self.entries += export.entries();
                self.under_way = None;
            }
            let Some(used) = self.left.next() else {
                if std::mem::replace(&mut self.ended, true) {
                    return Ok(None);
                }
                return Ok(Some(line(&json!({
                    "format": FORMAT,
                    "end": true,
                    "tenant": self.over.tenant().as_str(),
                    "namespaces": self.namespaces,
                    "entries": self.entries,
                }))));
            };
            self.namespaces += 1;
            let reach = self.over.reach(used.namespace.owner());
            let memory = Arc::clone(&self.memory);
            self.under_way = Some(Export::new(memory, reach, self.history));
        }
    }
}

fn line(document: &Value) -> Vec<u8> {
    let mut line = document.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The import of a tenant's export, or of exports of its users, under way. Each namespace's lines go
/// into the namespace of that name.
#[derive(Debug)]
pub struct TenantImport {
    memory: Arc<Memory>,
    over: Oversight,
    rules: ImportRules,
    under_way: Option<(Import, u64)>,
    wants_end: bool,
    report: ImportReport,
}

impl TenantImport {
    /// An import into one tenant. [`ImportRules::foreign`] is of no use: whose a line is has to be
    /// known, and another tenant's users are not this one's.
    pub fn new(memory: Arc<Memory>, over: Oversight, rules: ImportRules) -> Self {
        Self {
            memory,
            over,
            rules: ImportRules {
                foreign: false,
                ..rules
            },
            under_way: None,
            wants_end: false,
            report: ImportReport::default(),
        }
    }

    /// Takes the next line of the file, by its number from 1. `Break` means that no further line is
    /// wanted.
    pub async fn line(
        &mut self,
        number: u64,
        members: Result<Map<String, Value>, MemoryError>,
    ) -> ControlFlow<()> {
        self.report.lines = number;
        match members.and_then(|members| self.frame(members)) {
            Ok(Frame::Tenant) => {
                self.wants_end = true;
                ControlFlow::Continue(())
            }
            Ok(Frame::End) => {
                let done = self.close().await;
                self.wants_end = false;
                self.report.complete = done.is_continue();
                done
            }
            Ok(Frame::Namespace(owner, members)) => {
                self.close().await?;
                let to = self.over.writable(&owner);
                let reach = self.over.reach(&owner);
                let import = Import::into(Arc::clone(&self.memory), to, reach, self.rules);
                self.under_way = Some((import, number.saturating_sub(1)));
                self.pass_on(number, Ok(members)).await
            }
            Ok(Frame::Line(members)) => self.pass_on(number, Ok(members)).await,
            Err(error) if self.under_way.is_some() => self.pass_on(number, Err(error)).await,
            Err(error) => self.refuse(number, error),
        }
    }

    /// Writes what is left.
    pub async fn finish(mut self) -> ImportReport {
        let whole = self.close().await.is_continue();
        self.report.complete = whole && self.report.complete && !self.wants_end;
        self.report
    }

    async fn pass_on(
        &mut self,
        number: u64,
        members: Result<Map<String, Value>, MemoryError>,
    ) -> ControlFlow<()> {
        let Some((import, before)) = &mut self.under_way else {
            let reason = "the line of its namespace has to come before it";
            return self.refuse(number, MemoryError::invalid("namespace", reason));
        };
        let of_section = number.saturating_sub(*before);
        match import.line(of_section, members).await {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            // What stopped it is in its report.
            ControlFlow::Break(()) => self.close().await,
        }
    }

    /// Ends the namespace under way; `Break` if a line of it was refused.
    async fn close(&mut self) -> ControlFlow<()> {
        let Some((import, before)) = self.under_way.take() else {
            return ControlFlow::Continue(());
        };
        let done = import.finish().await;
        let report = &mut self.report;
        report.created += done.created;
        report.existed += done.existed;
        report.skipped += done.skipped;
        report.unlinked += done.unlinked;
        report.complete = done.complete;
        if done.imported_through > 0 {
            report.imported_through = before + done.imported_through;
        }
        if done.refused.is_empty() {
            return ControlFlow::Continue(());
        }
        report
            .refused
            .extend(done.refused.into_iter().map(|mut it| {
                it.line += before;
                it
            }));
        match self.rules.dry_run {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    fn refuse(&mut self, line: u64, error: MemoryError) -> ControlFlow<()> {
        self.report.refused.push(super::RefusedLine { line, error });
        ControlFlow::Break(())
    }

    /// What the line is in a tenant's file.
    fn frame(&self, members: Map<String, Value>) -> Result<Frame, MemoryError> {
        if members.get("format").is_none_or(|format| format != FORMAT) {
            return Ok(Frame::Line(members));
        }
        let ends = members.get("end") == Some(&Value::Bool(true));
        if let Some(tenant) = members.get("tenant") {
            if tenant != self.over.tenant().as_str() {
                let reason = format!("the file is of {tenant}, not of `{}`", self.over.tenant());
                return Err(MemoryError::invalid("tenant", reason));
            }
            return Ok(if ends { Frame::End } else { Frame::Tenant });
        }
        let namespace = members.get("namespace").and_then(Value::as_str);
        let Some(namespace) = namespace.filter(|_| !ends) else {
            return Ok(Frame::Line(members));
        };
        match self.over.owner_named(namespace) {
            Some(owner) => Ok(Frame::Namespace(owner, members)),
            None => {
                let reason = format!("it is no namespace of tenant `{}`", self.over.tenant());
                Err(MemoryError::invalid("namespace", reason))
            }
        }
    }
}

/// A line of a tenant's file.
#[derive(Debug)]
enum Frame {
    /// The first.
    Tenant,
    /// The last.
    End,
    /// The first of a namespace.
    Namespace(Owner, Map<String, Value>),
    /// One of the namespace under way.
    Line(Map<String, Value>),
}
