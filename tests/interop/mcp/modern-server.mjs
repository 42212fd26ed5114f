// A server of protocol version 2026-07-28 by the official SDK: no sessions, no handshake.

import { createServer } from 'node:http';

import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

// The SDK warns of a tool's name beyond ASCII, which is what is tried here.
console.warn = () => {};

function factory() {
  const server = new McpServer({ name: 'modern', version: '1.0.0' });
  const reply = (text) => ({ content: [{ type: 'text', text }] });
  for (const name of ['echo', 'shell.run', 'grüße']) {
    const inputSchema = z.object({ message: z.string() });
    server.registerTool(name, { inputSchema }, ({ message }) => reply(`${name}: ${message}`));
  }
  return server;
}

/** Serves it, and returns what stops it. */
export function startModernServer(port) {
  const handler = createMcpHandler(factory);
  const http = createServer(async (incoming, outgoing) => {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = pieces.length > 0 ? Buffer.concat(pieces) : undefined;
    const url = `http://127.0.0.1:${port}${incoming.url}`;
    const request = new Request(url, { method: incoming.method, headers: incoming.headers, body });
    const response = await handler.fetch(request);
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (response.body) for await (const piece of response.body) outgoing.write(piece);
    outgoing.end();
  });
  return new Promise((resolve) => {
    http.listen(port, '127.0.0.1', () => resolve(() => http.close()));
  });
}
