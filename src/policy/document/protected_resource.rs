//! `protected_resource` of an upstream: what the gate tells clients that need a token.

use super::reader::Fields;
use super::{bare, values};
use crate::policy::ProtectedResource;
use crate::policy::problem::ProblemKind;

/// Reads the table. The resource is what clients connect to, so it is the gate's own public address.
pub(super) fn protected_resource(fields: &Fields<'_>) -> Option<ProtectedResource> {
    let table = fields.table("protected_resource")?;
    table.require("resource");
    table.require("authorization_servers");
    let resource = table.parsed("resource", values::confidential_url);
    let servers = table.some_parsed("authorization_servers", values::confidential_url);
    let scopes = bare(table.all_parsed("scopes_supported", values::scope));
    let resource = resource?;
    let url = values::absolute_url(&resource.value).ok()?;
    // It is quoted in challenges.
    let quotable = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>^`{|}".contains(&byte);
    if url.query().is_some() || !resource.value.bytes().all(quotable) {
        table.report().add(
            &resource.place,
            ProblemKind::BadValue,
            "a resource is named without a query (RFC 9728 section 1.2) and by the characters of a URL",
        );
        return None;
    }
    let origin = format!("{}://{}", url.scheme_str()?, url.authority()?);
    let path = url.path().trim_end_matches('/');
    Some(ProtectedResource::new(
        &origin,
        path,
        &bare(servers?),
        &scopes,
    ))
}
