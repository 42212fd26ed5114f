//! Bodies as the OpenAPI document describes them. What is read and answered is the domain's own
//! reading and documents; a test holds the two against each other.

#![expect(dead_code, reason = "these types describe and are never made")]

use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a writer says of a memory.
#[derive(ToSchema)]
pub(super) struct MemoryWanted {
    /// What is remembered; 1 byte or more, no NUL.
    #[schema(example = "Alice takes her tea at four")]
    content: String,
    /// Makes the creation repeatable; unique in the scope.
    key: Option<String>,
    /// `user` (when absent) or `shared`.
    #[schema(example = "user")]
    scope: Option<String>,
    /// The agent that remembers.
    agent: Option<String>,
    /// The agent's session.
    session: Option<String>,
    /// A category, free text.
    category: Option<String>,
    /// Kept sorted and without repetition.
    tags: Option<Vec<String>>,
    /// Words to be found by that the content does not hold.
    keywords: Option<Vec<String>>,
    /// A short form of the content.
    summary: Option<String>,
    /// 1 to 10; 5 when absent.
    #[schema(minimum = 1, maximum = 10)]
    importance: Option<u8>,
    /// `episodic` (when absent), `semantic` or `reflection`.
    memory_type: Option<String>,
    /// 0 to 1; 1 when absent.
    strength: Option<f64>,
    /// Ids of memories it has to do with.
    related_ids: Option<Vec<String>>,
    /// Ids of what it was made from.
    source_ids: Option<Vec<String>>,
    /// Whatever else.
    metadata: Option<Map<String, Value>>,
    /// The caller's vector for the content; as many numbers as the namespace's others have.
    embedding: Option<Vec<f32>>,
    /// `public`, `internal` (when absent), `confidential` or `restricted`.
    confidentiality: Option<String>,
    /// Seconds until it is forgotten, counted from its last write.
    ttl_seconds: Option<u64>,
}

/// Any members of [`MemoryWanted`]; `null` removes one (RFC 7396).
#[derive(ToSchema)]
#[schema(value_type = Object, example = json!({ "importance": 9, "metadata": { "seen": null } }))]
pub(super) struct MemoryPatch(Map<String, Value>);

/// A memory.
#[derive(ToSchema)]
pub(super) struct MemoryDocument {
    id: String,
    /// `tenant:{tid}:user:{uid}:` or `tenant:{tid}:shared:`.
    namespace: String,
    /// `user` or `shared`.
    scope: String,
    key: Option<String>,
    agent: Option<String>,
    session: Option<String>,
    content: String,
    category: Option<String>,
    tags: Vec<String>,
    keywords: Vec<String>,
    summary: Option<String>,
    importance: u8,
    memory_type: String,
    strength: f64,
    related_ids: Vec<String>,
    source_ids: Vec<String>,
    metadata: Map<String, Value>,
    /// Only with `include=embedding`.
    embedding: Option<Vec<f32>>,
    confidentiality: String,
    ttl_seconds: Option<u64>,
    /// RFC 3339, as all times.
    created_at: String,
    updated_at: String,
    /// When it was last found by a search.
    last_accessed: String,
    access_count: u64,
    expires_at: Option<String>,
    /// The `ETag`.
    version: u64,
    /// The user who wrote this version; none once that user was erased.
    author: Option<String>,
}

/// A page of memories.
#[derive(ToSchema)]
pub(super) struct MemoryPage {
    memories: Vec<MemoryDocument>,
    /// Goes on after this page; `null` on the last.
    next_cursor: Option<String>,
}

/// One version of a memory: its contents, and these.
#[derive(ToSchema)]
pub(super) struct MemoryVersion {
    version: u64,
    author: Option<String>,
    at: String,
    key: Option<String>,
    content: String,
}

/// The versions of a memory, last first.
#[derive(ToSchema)]
pub(super) struct MemoryVersions {
    versions: Vec<MemoryVersion>,
}

/// Several changes.
#[derive(ToSchema)]
pub(super) struct BulkAsked {
    /// `user` (when absent) or `shared`.
    scope: Option<String>,
    /// 1 to 500.
    operations: Vec<BulkOperation>,
}

/// One change.
#[derive(ToSchema)]
pub(super) struct BulkOperation {
    /// `create`, `put`, `patch` or `delete`.
    op: String,
    /// For `put` (or the memory has a `key`), `patch` and `delete`.
    id: Option<String>,
    /// For `create` and `put`.
    memory: Option<MemoryWanted>,
    /// For `patch`.
    patch: Option<MemoryPatch>,
    /// The version it has to be at; not for `create`.
    if_match: Option<u64>,
}

/// What became of each change.
#[derive(ToSchema)]
pub(super) struct BulkAnswer {
    results: Vec<BulkResult>,
}

/// What became of one change.
#[derive(ToSchema)]
pub(super) struct BulkResult {
    /// `created`, `existed`, `updated` or `deleted`.
    status: String,
    /// Not of one that was deleted, and not where large answers of the tenant are still to be taken.
    memory: Option<MemoryDocument>,
    /// Where `memory` is absent.
    id: Option<String>,
    /// Where `memory` is absent and was not deleted.
    version: Option<u64>,
}

/// Which memories are let go of: those that fit every part that is said.
#[derive(ToSchema)]
pub(super) struct PruneAsked {
    /// `user` (when absent) or `shared`.
    scope: Option<String>,
    /// Not recalled or written since: RFC 3339, or an age such as `30d`.
    #[schema(example = "90d")]
    older_than: Option<String>,
    /// Less important than this.
    min_importance: Option<u8>,
    /// Weaker than this; strength halves in 30 days without a recall.
    min_strength: Option<f64>,
    /// All but this many, the strongest staying.
    keep: Option<u64>,
    /// Only of this agent.
    agent: Option<String>,
    /// Only tell.
    dry_run: Option<bool>,
}

/// What was let go of.
#[derive(ToSchema)]
pub(super) struct PruneAnswer {
    pruned: u64,
    /// The first 1000.
    ids: Vec<String>,
    dry_run: bool,
}

/// A part of a namespace.
#[derive(ToSchema)]
pub(super) struct NamespaceRow {
    #[schema(example = "tenant:acme:user:alice:agent:support:")]
    namespace: String,
    scope: String,
    agent: Option<String>,
    session: Option<String>,
    entries: u64,
}

/// The parts that hold something.
#[derive(ToSchema)]
pub(super) struct NamespacesAnswer {
    namespaces: Vec<NamespaceRow>,
}

/// A bound and what is left of it.
#[derive(ToSchema)]
pub(super) struct Quota {
    limit: u64,
    left: u64,
}

/// The quotas of a user.
#[derive(ToSchema)]
pub(super) struct UserQuotas {
    entries: Option<Quota>,
    bytes: Option<Quota>,
}

/// What a namespace holds.
#[derive(ToSchema)]
pub(super) struct NamespaceStats {
    namespace: String,
    entries: u64,
    bytes: u64,
    /// Of the caller's own.
    quotas: Option<UserQuotas>,
}

/// What is bounded for everybody of the tenant.
#[derive(ToSchema)]
pub(super) struct TenantLimits {
    entry_bytes: u64,
    tenant_entries: Option<u64>,
    tenant_bytes: Option<u64>,
    versions: u32,
}

/// What the caller's own and shared memory hold.
#[derive(ToSchema)]
pub(super) struct StatsAnswer {
    user: NamespaceStats,
    shared: NamespaceStats,
    limits: TenantLimits,
}

/// A line of an import that can't be taken.
#[derive(ToSchema)]
pub(super) struct ImportRefusal {
    line: u64,
    code: String,
    detail: String,
}

/// How far an import got.
#[derive(ToSchema)]
pub(super) struct ImportAnswer {
    dry_run: bool,
    /// The last line that was read.
    lines: u64,
    /// This line and all before it are imported.
    imported_through: u64,
    created: u64,
    /// Made by an earlier import of the same.
    existed: u64,
    /// Lines of earlier versions.
    skipped: u64,
    /// Entries that could not be made to name the copies of those they named.
    unlinked: u64,
    /// Whether the last line of an export was read.
    complete: bool,
    refused: Vec<ImportRefusal>,
}

/// That something was erased.
#[derive(ToSchema)]
pub(super) struct ErasureReceipt {
    id: String,
    tenant: String,
    /// `null` where all of the tenant was erased.
    user: Option<String>,
    entries: u64,
    bytes: u64,
    /// Versions of shared memory that named the user and no longer do.
    anonymised: u64,
    erased_at: String,
    erased_by: String,
    /// BLAKE3 over the other members; the log has the same.
    digest: String,
}
