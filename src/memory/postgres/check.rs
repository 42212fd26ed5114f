//! Whether the server would keep tenants apart, asked before anything is served and again from time
//! to time.
//!
//! Row-level security is silent: a role that is above it, a table that lacks it or a second policy
//! that is wider all work, and show everybody everything. Each way that is known has its finding
//! here, with what to do about it.

use std::fmt;

use tokio_postgres::Row;

use super::migrate::SCHEMA_VERSION;
use super::session::Transaction;
use crate::memory::{StoreError, StoreErrorKind};

/// What every policy has to say, as PostgreSQL writes it.
const POLICY: &str = "(tenant = NULLIF(current_setting('app.tenant'::text, true), ''::text))";

/// The role: what puts it above row-level security, or lets it get there.
const ROLE: &str = "
    SELECT current_user::text AS name,
        r.rolcreaterole,
        r.rolreplication,
        ARRAY(
            SELECT a.rolname::text FROM pg_roles a
            WHERE (a.rolsuper OR a.rolbypassrls OR a.rolname IN (
                    'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
                AND pg_has_role(current_user, a.oid, 'MEMBER')
            ORDER BY 1
        ) AS above,
        EXISTS (
            SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.datname = current_database(),
                unnest(s.setconfig) AS t(setting)
            WHERE s.setrole IN (0, r.oid) AND s.setdatabase IN (0, d.oid)
                AND t.setting LIKE 'app.tenant=%'
        ) AS preset,
        coalesce(has_schema_privilege(to_regnamespace('fabric_memory')::oid, 'USAGE'), false) AS enters,
        to_regnamespace('fabric_memory') IS NOT NULL AS migrated,
        EXISTS (
            SELECT FROM pg_namespace n
            WHERE n.nspname = 'fabric_memory' AND pg_has_role(current_user, n.nspowner, 'MEMBER')
        ) AS owns_schema
    FROM pg_roles r WHERE r.rolname = current_user";

/// Whatever is in the schema and holds rows.
const RELATIONS: &str = "
    SELECT c.relname::text AS name,
        c.relkind::text AS kind,
        c.relrowsecurity AND c.relforcerowsecurity AS forced,
        pg_has_role(current_user, c.relowner, 'MEMBER') AS owned,
        ARRAY(
            SELECT p.polcmd::text || p.polpermissive::text || (p.polroles = '{0}')::text
                || pg_get_expr(p.polqual, p.polrelid) || pg_get_expr(p.polwithcheck, p.polrelid)
            FROM pg_policy p WHERE p.polrelid = c.oid
        ) AS policies,
        EXISTS (
            SELECT FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(privilege)
            WHERE has_table_privilege(c.oid, p.privilege)
        ) AS granted
    FROM pg_class c
    WHERE c.relnamespace = 'fabric_memory'::regnamespace AND c.relkind NOT IN ('i', 'I', 't', 'c')
    ORDER BY 1";

/// Code that would run with its owner's rights, and rules that rewrite a statement.
const CODE: &str = "
    SELECT 'the function fabric_memory.' || p.proname FROM pg_proc p
    WHERE p.pronamespace = 'fabric_memory'::regnamespace AND p.prosecdef
    UNION ALL
    SELECT 'the trigger ' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'fabric_memory'::regnamespace AND NOT t.tgisinternal
    UNION ALL
    SELECT 'the rule ' || r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace = 'fabric_memory'::regnamespace AND c.relkind = 'r'
    ORDER BY 1";

/// Tables there have to be.
const TABLES: [&str; 6] = [
    "counters",
    "documents",
    "embeddings",
    "entries",
    "postings",
    "versions",
];

/// The oldest versions of PostgreSQL that are served with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minimum(&'static [(i32, i32)]);

/// Before these, row security could be passed by: CVE-2024-10976 (policies of another role applied
/// through a subquery, fixed in 14.14, 15.9, 16.5, 17.1) and CVE-2025-8713 (statistics told of rows
/// that policies hide, fixed in 14.19, 15.14, 16.10, 17.6). Version 13 and older get no fixes.
pub(super) const MINIMUM: Minimum = Minimum(&[(14, 19), (15, 14), (16, 10), (17, 6)]);

impl Minimum {
    /// Whether `server_version_num` is one that is served with.
    pub(super) fn check(self, number: i32) -> Result<(), TooOld> {
        let (major, minor) = (number / 10_000, number % 10_000);
        let is_known = self.0.iter().find(|(known, _)| *known == major);
        let is_enough = match is_known {
            Some((_, least)) => minor >= *least,
            None => self.0.iter().all(|(known, _)| major > *known),
        };
        match is_enough {
            true => Ok(()),
            false => Err(TooOld { major, minor }),
        }
    }
}

/// A server has known holes in its row security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "PostgreSQL {major}.{minor} has holes in its row security that are known: update it to 14.19, 15.14, 16.10, 17.6, 18 or later"
)]
pub struct TooOld {
    major: i32,
    minor: i32,
}

/// Why tenants would not be kept apart: every reason that was found, with its remedy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, finding: impl fmt::Display) {
        self.0.push(finding.to_string());
    }

    /// What was found.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

/// Whether the server can be asked to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Isolating,
    TooOld(TooOld),
    Unmigrated,
    Older(u32),
    Unsafe(Findings),
}

/// Looks at the server as the role the service logs in as, in a transaction of no tenant.
pub(super) async fn look(transaction: &Transaction) -> Result<Verdict, StoreError> {
    let server = transaction
        .query_one("SELECT current_setting('server_version_num')::integer", &[])
        .await?;
    if let Err(old) = MINIMUM.check(value(&server, 0)?) {
        return Ok(Verdict::TooOld(old));
    }
    let mut findings = Findings::default();
    let role = transaction.query_one(ROLE, &[]).await?;
    if !value::<bool>(&role, "migrated")? {
        return Ok(Verdict::Unmigrated);
    }
    judge_role(&role, &mut findings)?;
    if !value::<bool>(&role, "enters")? {
        return Ok(Verdict::Unsafe(findings));
    }
    let there = transaction
        .query_one(
            "SELECT to_regprocedure('fabric_memory.schema_version()') IS NOT NULL",
            &[],
        )
        .await?;
    if !value::<bool>(&there, 0)? {
        return Ok(Verdict::Unmigrated);
    }
    let row = transaction
        .query_one("SELECT fabric_memory.schema_version()", &[])
        .await?;
    let version = u32::try_from(value::<i32>(&row, 0)?).unwrap_or_default();
    if version < SCHEMA_VERSION {
        return Ok(Verdict::Older(version));
    }
    let relations = transaction.query(RELATIONS, &[]).await?;
    for relation in &relations {
        judge_relation(relation, &mut findings)?;
    }
    let names: Vec<String> = relations
        .iter()
        .map(|relation| value(relation, "name"))
        .collect::<Result<_, _>>()?;
    for table in TABLES {
        if !names.iter().any(|name| name == table) {
            findings.add(format_args!(
                "the table fabric_memory.{table} is missing: restore a backup"
            ));
        }
    }
    for code in transaction.query(CODE, &[]).await? {
        findings.add(format_args!(
            "{} can run beside the policies: drop it",
            value::<String>(&code, 0)?
        ));
    }
    Ok(match findings.0.is_empty() {
        true => Verdict::Isolating,
        false => Verdict::Unsafe(findings),
    })
}

fn judge_role(row: &Row, findings: &mut Findings) -> Result<(), StoreError> {
    let name: String = value(row, "name")?;
    for above in value::<Vec<String>>(row, "above")? {
        let how = match above == name {
            true => "is a superuser or has BYPASSRLS".to_owned(),
            false => format!("is a member of `{above}`"),
        };
        findings.add(format_args!(
            "the role `{name}` {how}, so it is above row security: log in as a role that has \
             nothing but `fabric_memory_app`"
        ));
    }
    if value(row, "rolcreaterole")? {
        findings.add(format_args!(
            "the role `{name}` has CREATEROLE and could join the tables' owner: \
             `ALTER ROLE \"{name}\" NOCREATEROLE`"
        ));
    }
    if value(row, "rolreplication")? {
        findings.add(format_args!(
            "the role `{name}` has REPLICATION and could read every tenant's changes: \
             `ALTER ROLE \"{name}\" NOREPLICATION`"
        ));
    }
    if value(row, "owns_schema")? {
        findings.add(format_args!(
            "the role `{name}` is, or is a member of, the owner of the schema fabric_memory: \
             log in as another"
        ));
    }
    if !value::<bool>(row, "enters")? {
        findings.add(format_args!(
            "the role `{name}` may not use the schema: `GRANT fabric_memory_app TO \"{name}\"`"
        ));
    }
    if value(row, "preset")? {
        findings.add(format_args!(
            "a tenant is set where none was named: `ALTER ROLE \"{name}\" RESET \"app.tenant\"`, \
             and the same for the database"
        ));
    }
    Ok(())
}

fn judge_relation(row: &Row, findings: &mut Findings) -> Result<(), StoreError> {
    let name: String = value(row, "name")?;
    let kind: String = value(row, "kind")?;
    if !matches!(kind.as_str(), "r" | "p") {
        findings.add(format_args!(
            "fabric_memory.{name} is no table (kind `{kind}`) and has no row security of its own: \
             drop it"
        ));
        return Ok(());
    }
    if !value::<bool>(row, "forced")? {
        findings.add(format_args!(
            "row security of fabric_memory.{name} is not enabled and forced: \
             `ALTER TABLE fabric_memory.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`"
        ));
    }
    if value(row, "owned")? {
        findings.add(format_args!(
            "the service's role is, or is a member of, the owner of fabric_memory.{name}: \
             log in as another"
        ));
    }
    let expected = format!("*truetrue{POLICY}{POLICY}");
    if value::<Vec<Option<String>>>(row, "policies")? != [Some(expected)] {
        findings.add(format_args!(
            "the policies of fabric_memory.{name} are not the one that was made: drop them, then \
             `CREATE POLICY one_tenant ON fabric_memory.{name} USING {POLICY} WITH CHECK {POLICY}`"
        ));
    }
    if value(row, "granted")? {
        findings.add(format_args!(
            "the service's role may truncate, refer to or put triggers on fabric_memory.{name}: \
             revoke that"
        ));
    }
    Ok(())
}

fn value<'r, T>(
    row: &'r Row,
    at: impl tokio_postgres::row::RowIndex + fmt::Display,
) -> Result<T, StoreError>
where
    T: tokio_postgres::types::FromSql<'r>,
{
    row.try_get(at)
        .map_err(|error| StoreError::new(StoreErrorKind::Damaged, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_known_holes_in_its_row_security_is_too_old() {
        for (number, is_served) in [
            (130_022, false),
            (140_018, false),
            (140_019, true),
            (150_013, false),
            (150_018, true),
            (160_009, false),
            (170_005, false),
            (170_006, true),
            (180_000, true),
            (90_624, false),
        ] {
            assert_eq!(MINIMUM.check(number).is_ok(), is_served, "{number}");
        }
        let said = MINIMUM.check(150_002).unwrap_err().to_string();
        assert!(said.contains("15.2") && said.contains("15.14"), "{said}");
    }
}
