// The official MCP clients and servers through the gate, as two tenants.
//
//   FABRIC_GATE_BIN=target/debug/fabric-gate node run.mjs
//
// Old protocol: client `@modelcontextprotocol/sdk` and the reference server "everything" (sessions).
// New protocol: client and server of version 2026-07-28 (no sessions, header fields that repeat the
// body). Alice is of acme, Bob of globex, Ina an intern of acme.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';

import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { answers, freePort, startGate, token } from './gate.mjs';
import { startModernServer } from './modern-server.mjs';

const RULES = `
[[rules]]
name = "interns sum nothing and call no shell"
effect = "forbid"
tools = ["get-sum", "shell.*"]
roles = ["intern"]
`;

const callers = {
  alice: token('acme', 'alice'),
  refreshed: token('acme', 'alice', ['lead']),
  bob: token('globex', 'bob'),
  ina: token('acme', 'ina', ['intern']),
};

const as = (who) => ({ requestInit: { headers: { authorization: `Bearer ${callers[who]}` } } });

/** A request without a client library: status, media type and body of the answer. */
async function raw(who, url, method, session, message) {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${callers[who]}`,
      accept: 'application/json, text/event-stream',
      ...(message ? { 'content-type': 'application/json' } : {}),
      'mcp-session-id': session,
    },
    body: message ? JSON.stringify(message) : undefined,
  });
  const streams = (response.headers.get('content-type') ?? '').includes('event-stream');
  const body = streams ? await response.body.cancel() : await response.text();
  return { status: response.status, type: response.headers.get('content-type'), body };
}

const checks = {
  async 'old: a session works for the user who opened it, tools and notifications and all'({ old }) {
    const { client } = await old('alice');
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'get-sum'));
    const echo = await client.callTool({ name: 'echo', arguments: { message: 'hi' } });
    assert.match(JSON.stringify(echo), /hi/);
    const steps = [];
    await client.callTool(
      { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 3 } },
      undefined,
      { onprogress: (progress) => steps.push(progress.progress) },
    );
    assert.ok(steps.length > 0, 'progress arrives on the stream of the answer');
    assert.ok((await client.listPrompts()).prompts.length > 0);
    assert.ok((await client.listResources()).resources.length > 0);
    await client.close();
  },

  async 'old: a refreshed token keeps the session'({ old, url }) {
    const { client, session } = await old('alice');
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    assert.equal((await raw('refreshed', url, 'POST', session, ping)).status, 200);
    await client.close();
  },

  async 'old: of another tenant the session says on POST, GET and DELETE what an unknown one says'({ old, url }) {
    const { client, session } = await old('alice');
    const unknown = '00000000-0000-4000-8000-000000000000';
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    for (const [method, message] of [['POST', list], ['GET'], ['DELETE']]) {
      const foreign = await raw('bob', url, method, session, message);
      const never = await raw('bob', url, method, unknown, message);
      const strip = ({ body, ...rest }) => ({
        ...rest,
        body: String(body).replace(/"request_id":"[^"]*"/, ''),
      });
      assert.deepEqual(strip(foreign), strip(never), method);
      assert.ok(foreign.status >= 400 && foreign.status < 500, `${method}: ${foreign.status}`);
      console.log(`    ${method}: ${foreign.status} ${String(foreign.body).slice(0, 120)}`);
    }
    const still = await raw('alice', url, 'POST', session, list);
    assert.equal(still.status, 200, 'Bob ended nothing');
    await client.close();
  },

  async 'old: a session that its user ended is over'({ old, url }) {
    const { client, transport, session } = await old('alice');
    await transport.terminateSession();
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const after = await raw('alice', url, 'POST', session, ping);
    assert.ok(after.status >= 400 && after.status < 500);
    await client.close();
  },

  async 'old: a forbidden tool is neither listed nor called, and the session goes on'({ old }) {
    const { client } = await old('ina');
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    assert.ok(names.includes('echo') && !names.includes('get-sum'), names.join());
    await assert.rejects(
      client.callTool({ name: 'get-sum', arguments: { a: 1, b: 2 } }),
      /tool_forbidden/,
    );
    const echo = await client.callTool({ name: 'echo', arguments: { message: 'on' } });
    assert.match(JSON.stringify(echo), /on/);
    await client.close();
    const { client: alice } = await old('alice');
    const sum = await alice.callTool({ name: 'get-sum', arguments: { a: 1, b: 2 } });
    assert.match(JSON.stringify(sum), /3/);
    await alice.close();
  },

  async 'old: the server asks the client, and the client answers, within the session'({ old }) {
    const { client } = await old('alice', { sampling: {} }, (made) =>
      made.setRequestHandler(samplingSchema, async () => ({
        model: 'm',
        role: 'assistant',
        content: { type: 'text', text: 'sampled' },
      })),
    );
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    const name = names.find((tool) => tool === 'trigger-sampling-request');
    assert.ok(name, names.join());
    const result = await client.callTool({ name, arguments: { prompt: 'p', maxTokens: 5 } });
    assert.match(JSON.stringify(result), /sampled/);
    await client.close();
  },

  async 'new: tools are called with header fields that repeat the body'({ modern }) {
    const client = await modern('alice');
    for (const name of ['echo', 'grüße', 'shell.run']) {
      const result = await client.callTool({ name, arguments: { message: 'hi' } });
      assert.match(JSON.stringify(result), new RegExp(`${name}: hi`));
    }
    await client.close();
  },

  async 'new: a forbidden tool is neither listed nor called'({ modern }) {
    const client = await modern('ina');
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    assert.deepEqual(names.sort(), ['echo', 'grüße']);
    await assert.rejects(
      client.callTool({ name: 'shell.run', arguments: { message: 'x' } }),
      /tool_forbidden/,
    );
    const echo = await client.callTool({ name: 'echo', arguments: { message: 'on' } });
    assert.match(JSON.stringify(echo), /echo: on/);
    await client.close();
  },

  async 'new: a field that contradicts the body is refused with -32020'({ modernUrl }) {
    const version = '2026-07-28';
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name: 'shell.run', arguments: { message: 'x' }, _meta };
    const response = await fetch(modernUrl, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${callers.alice}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': version,
        'mcp-method': 'tools/call',
        'mcp-name': 'echo',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params }),
    });
    const error = await response.json();
    assert.equal(response.status, 400);
    assert.equal(error.error.code, -32020);
    assert.equal(error.id, 5);
  },
};

const { CreateMessageRequestSchema: samplingSchema } = await import('@modelcontextprotocol/sdk/types.js');

const binary = process.env.FABRIC_GATE_BIN;
assert.ok(binary, 'FABRIC_GATE_BIN names the binary');
const [everythingPort, modernPort] = [await freePort(), await freePort()];
const entry = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json');
const everything = spawn(process.execPath, [entry.replace('package.json', 'dist/index.js'), 'streamableHttp'], {
  env: { ...process.env, PORT: String(everythingPort) },
  stdio: 'ignore',
});
const stopModern = await startModernServer(modernPort);
await answers(`http://127.0.0.1:${everythingPort}/mcp`, 'the everything server');
const gate = await startGate(
  binary,
  {
    mcp: `http://127.0.0.1:${everythingPort}`,
    modern: `http://127.0.0.1:${modernPort}`,
  },
  RULES,
);

const world = {
  url: gate.url('mcp'),
  modernUrl: gate.url('modern'),
  async old(who, capabilities = {}, prepare = () => {}) {
    const client = new Client({ name: 'interop', version: '1' }, { capabilities });
    prepare(client);
    const transport = new StreamableHTTPClientTransport(gate.url('mcp'), as(who));
    await client.connect(transport);
    return { client, transport, session: transport.sessionId };
  },
  async modern(who) {
    const options = { versionNegotiation: { mode: { pin: '2026-07-28' } } };
    const client = new ModernClient({ name: 'interop', version: '2' }, options);
    await client.connect(new ModernTransport(gate.url('modern'), as(who)));
    return client;
  },
};

let failed = 0;
for (const [claim, check] of Object.entries(checks)) {
  try {
    await check(world);
    console.log(`ok   ${claim}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${claim}\n${error.stack}`);
  }
}
await gate.stop();
everything.kill();
stopModern();
console.log(`${Object.keys(checks).length - failed} of ${Object.keys(checks).length} ok`);
process.exit(failed === 0 ? 0 : 1);
