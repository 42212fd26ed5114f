//! What `rmcp` asks of a server: who it is, its tools, and their calls.

use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};

use super::calls::CallError;
use super::{Failure, calls, tools};
use crate::memory::Caller;
use crate::memory_api::AppState;

/// What an agent is told of the server as a whole.
const INSTRUCTIONS: &str = "Long-term memory. memory_recall before you answer what may depend on \
    earlier conversations; memory_store what will matter later, one fact each; memory_update or \
    memory_forget what is no longer so. shared_memory_read shows what the whole organisation knows.";

/// The server of one request: the tools in the hands of its caller.
#[derive(Clone)]
pub(super) struct MemoryServer {
    state: AppState,
    caller: Caller,
    failure: Failure,
}

impl MemoryServer {
    /// `failure` is told what the caller can't mend.
    pub(super) fn new(state: AppState, caller: Caller, failure: Failure) -> Self {
        Self {
            state,
            caller,
            failure,
        }
    }
}

impl ServerHandler for MemoryServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let implementation = Implementation::new("fabric-memory", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities)
            .with_server_info(implementation.with_title("Fabric memory"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult {
            tools: tools::all(),
            ..ListToolsResult::default()
        })
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let result = calls::run(&self.state, &self.caller, &request.name, arguments);
        match result.await {
            Ok(result) => Ok(result.into()),
            Err(CallError::NoSuchTool) => {
                Err(ErrorData::invalid_params("there is no such tool", None))
            }
            Err(CallError::Failed(problem)) => {
                let text = format!("{}; try again later", problem.message());
                // One call is made of a server, so nothing is there before.
                let _ = self.failure.set(problem);
                Err(ErrorData::internal_error(text, None))
            }
        }
    }
}
