//! `PUT`, `GET` and `DELETE /store/items`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::body::BodyOf;
use super::labels::{self, Labels, refused};
use super::texts::{Index, text_of};
use crate::memory::{
    Address, Area, Caller, Change, Confidentiality, Entry, Expected, Fields, MemoryError, Scope,
};
use crate::memory_api::{AppState, Problem, ProblemCode, QueryOf};

/// An item to keep.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PutItem {
    /// The labels of its namespace, at least one.
    namespace: Vec<String>,
    key: String,
    #[schema(value_type = Object)]
    value: Map<String, Value>,
    /// `false`, or the paths of what is searched.
    index: Option<Index>,
    /// Minutes until it is forgotten, counted from its last write or, unless a reader says
    /// otherwise, from when it was last read.
    ttl: Option<f64>,
}

/// Which item.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NamedItem {
    namespace: Vec<String>,
    key: String,
}

/// Which item, in a query.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedItem {
    /// The labels, joined by periods.
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    key: String,
    /// `false`: reading does not put off when it is forgotten.
    refresh_ttl: Option<String>,
}

/// An item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Item {
    namespace: Vec<String>,
    key: String,
    #[schema(value_type = Object)]
    value: Map<String, Value>,
    created_at: String,
    updated_at: String,
}

impl Item {
    /// The item that an entry of [`Area::Items`] is.
    pub(super) fn of(entry: Entry) -> Result<Self, Problem> {
        let internal = || Problem::new(ProblemCode::Internal);
        Ok(Self {
            namespace: Labels::of_path(&entry.address.path)?.into_texts(),
            key: entry.address.key.ok_or_else(internal)?,
            value: entry.fields.metadata,
            created_at: entry.created_at.to_string(),
            updated_at: entry.updated_at.to_string(),
        })
    }
}

fn address(namespace: Vec<String>, key: String) -> Result<Address, Problem> {
    Ok(Address {
        area: Area::Items,
        path: Labels::of_item(namespace)?.path(),
        key: Some(labels::key(key)?),
    })
}

/// Keeps an item, in the place of what stands at its namespace and key.
#[utoipa::path(put, path = "/store/items", operation_id = "put_item", tag = "langgraph", request_body = PutItem,
    responses((status = 204, description = "It is kept")))]
pub(super) async fn put(
    State(state): State<AppState>,
    caller: Caller,
    BodyOf(item): BodyOf<PutItem>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::new(text_of(&item.value, item.index.as_ref())?);
    fields.ttl_seconds = item.ttl.map(seconds).transpose()?;
    fields.metadata = item.value;
    // Who sees less than is usual keeps what it sees itself.
    fields.confidentiality = Confidentiality::default().min(caller.clearance());
    let change = Change::Put {
        address: address(item.namespace, item.key)?,
        fields,
        expected: Expected::Anything,
    };
    state.memory.write(&caller.own(), vec![change]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One item, or `null`.
#[utoipa::path(get, path = "/store/items", operation_id = "get_item", tag = "langgraph", params(AskedItem),
    responses((status = 200, body = Option<Item>)))]
pub(super) async fn read(
    State(state): State<AppState>,
    caller: Caller,
    QueryOf(asked): QueryOf<AskedItem>,
) -> Result<Json<Option<Item>>, Problem> {
    let labels = asked.namespace.split('.').map(str::to_owned).collect();
    let address = address(labels, asked.key)?;
    let Some(entry) = entry_at(&state, &caller, &address).await? else {
        return Ok(Json(None));
    };
    let refresh = asked
        .refresh_ttl
        .map(|word| word.eq_ignore_ascii_case("true"));
    refresh_read(&state, &caller, std::slice::from_ref(&entry), refresh).await?;
    Item::of(entry).map(|item| Json(Some(item)))
}

/// Lets go of an item, whether or not it is there.
#[utoipa::path(delete, path = "/store/items", operation_id = "delete_item", tag = "langgraph", request_body = NamedItem,
    responses((status = 204, description = "It is not there")))]
pub(super) async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    BodyOf(named): BodyOf<NamedItem>,
) -> Result<StatusCode, Problem> {
    let address = address(named.namespace, named.key)?;
    if let Some(entry) = entry_at(&state, &caller, &address).await? {
        let change = Change::Delete {
            id: entry.id,
            expected: Expected::Anything,
        };
        match state.memory.write(&caller.own(), vec![change]).await {
            // Somebody else was faster.
            Ok(_) | Err(MemoryError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn entry_at(
    state: &AppState,
    caller: &Caller,
    address: &Address,
) -> Result<Option<Entry>, Problem> {
    let (store, own) = (state.memory.store(), caller.reach(Scope::User));
    let found = store.find(&own, address, state.memory.now()).await;
    Ok(found.map_err(MemoryError::from)?.into_iter().next())
}

/// Puts off when these are forgotten, unless the reader does not want that.
pub(super) async fn refresh_read(
    state: &AppState,
    caller: &Caller,
    entries: &[Entry],
    refresh: Option<bool>,
) -> Result<(), Problem> {
    let forgotten = entries.iter().filter(|entry| entry.expires_at.is_some());
    let ids: Vec<_> = forgotten.map(|entry| entry.id).collect();
    if ids.is_empty() || refresh == Some(false) {
        return Ok(());
    }
    let (store, own) = (state.memory.store(), caller.own());
    let refreshed = store.refresh(&own, &ids, state.memory.now()).await;
    Ok(refreshed.map_err(MemoryError::from)?)
}

/// Seconds of a lifetime in minutes, a part of one counted whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of seconds above 0; what exceeds 64 bits is cut to their largest, and refused \
              as too long"
)]
fn seconds(minutes: f64) -> Result<u64, Problem> {
    if minutes > 0.0 {
        Ok((minutes * 60.0).ceil() as u64)
    } else {
        Err(refused("`ttl`: minutes, more than 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_minutes_and_none_is_nothing() {
        assert_eq!(seconds(5.0).unwrap(), 300);
        assert_eq!(seconds(0.001).unwrap(), 1);
        assert_eq!(seconds(1e300).unwrap(), u64::MAX);
        for wrong in [0.0, -1.0, f64::NAN] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
