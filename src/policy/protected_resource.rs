//! What clients have to know to get a token: OAuth 2.0 Protected Resource Metadata (RFC 9728).
//!
//! Everything in it comes from the policy files. A document built from the `Host` of a request would
//! let whoever sends one choose where clients bring their credentials.

use std::sync::Arc;

/// Where the metadata of a resource without a path is, and what it begins with otherwise
/// (RFC 9728 section 3).
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// `protected_resource` of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    path: Arc<str>,
    url: Arc<str>,
    document: Arc<[u8]>,
}

impl ProtectedResource {
    /// The metadata of the resource at `origin` (scheme and authority) and `path` (empty, or `/…`
    /// without a slash at its end).
    pub fn new(
        origin: &str,
        path: &str,
        authorization_servers: &[String],
        scopes: &[Arc<str>],
    ) -> Self {
        let mut document = serde_json::json!({
            "resource": format!("{origin}{path}"),
            "bearer_methods_supported": ["header"],
        });
        if let Some(members) = document.as_object_mut() {
            if !authorization_servers.is_empty() {
                let servers = authorization_servers.to_vec();
                members.insert("authorization_servers".to_owned(), servers.into());
            }
            if !scopes.is_empty() {
                let scopes: Vec<&str> = scopes.iter().map(|scope| &**scope).collect();
                members.insert("scopes_supported".to_owned(), scopes.into());
            }
        }
        Self {
            path: format!("{METADATA_PATH}{path}").into(),
            url: format!("{origin}{METADATA_PATH}{path}").into(),
            document: document.to_string().into_bytes().into(),
        }
    }

    /// The path the document is served at.
    pub fn metadata_path(&self) -> &str {
        &self.path
    }

    /// The URL of the document, as challenges name it (RFC 9728 section 5.1).
    pub fn metadata_url(&self) -> &Arc<str> {
        &self.url
    }

    /// The JSON document.
    pub fn document(&self) -> &Arc<[u8]> {
        &self.document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        let servers = ["https://idp.example".to_owned()];
        let scopes = ["mcp:tools".into()];
        let resource = ProtectedResource::new("https://gate.example", "/mcp", &servers, &scopes);
        assert_eq!(
            resource.metadata_path(),
            "/.well-known/oauth-protected-resource/mcp"
        );
        assert_eq!(
            &**resource.metadata_url(),
            "https://gate.example/.well-known/oauth-protected-resource/mcp"
        );
        let document: serde_json::Value = serde_json::from_slice(resource.document()).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "resource": "https://gate.example/mcp",
                "authorization_servers": ["https://idp.example"],
                "scopes_supported": ["mcp:tools"],
                "bearer_methods_supported": ["header"],
            })
        );
        let whole = ProtectedResource::new("https://gate.example", "", &[], &[]);
        assert_eq!(whole.metadata_path(), METADATA_PATH);
    }
}
