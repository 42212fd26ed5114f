//! The base row: a pingora proxy that decides nothing.
//!
//! One thread, defaults everywhere, save the pool of idle upstream connections: pingora's 128 is
//! above the 64 connections of the load, so nothing is reconnected while it is measured.

use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora::prelude::{HttpPeer, ProxyHttp, Result, Server, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where everything goes.
    #[arg(long)]
    upstream: SocketAddr,
}

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let arguments = Arguments::parse();
    let configuration = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut service = http_proxy_service(
        &server.configuration,
        PassThrough {
            upstream: arguments.upstream,
        },
    );
    service.add_tcp(&arguments.listen.to_string());
    server.add_service(service);
    server.run_forever();
}
