// A gate of its own, with its folder, key and policies; and tokens for its callers.

import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');

/** A port that is free at this moment. */
export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A token of this caller. */
export function token(tenant, user, roles = []) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = encode({ alg: 'EdDSA', typ: 'JWT', kid: 'interop' });
  const claims = { iss: 'https://issuer.test', aud: 'fabric', sub: user, tid: tenant, roles };
  const body = encode({ ...claims, iat: now, exp: now + 600 });
  const signature = sign(null, Buffer.from(`${head}.${body}`), privateKey).toString('base64url');
  return `${head}.${body}.${signature}`;
}

/** Waits until a URL answers, whatever the status. */
export async function answers(url, what) {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      return await fetch(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${what} does not answer at ${url}`);
}

/** Starts the binary before these upstreams: `{ name: url }`, each at the path `/name`. */
export async function startGate(binary, upstreams, rules) {
  const folder = mkdtempSync(join(tmpdir(), 'fabric-gate-interop-'));
  mkdirSync(join(folder, 'policies'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'interop', alg: 'EdDSA', use: 'sig' };
  writeFileSync(join(folder, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
  writeFileSync(join(folder, 'admin-token'), 'interop-admin-token-of-32-characters');
  writeFileSync(
    join(folder, 'gate.toml'),
    `[listen]\naddress = "127.0.0.1:${port}"\n[admin]\naddress = "127.0.0.1:${adminPort}"\n` +
      `token = "file:admin-token"\n[policies]\ndirectory = "policies"\n` +
      `[state]\nurl = "sqlite:gate.db"\n[audit]\ndirectory = "audit"\n`,
  );
  const routes = Object.entries(upstreams).map(
    ([name, url]) =>
      `[[upstreams]]\nname = "${name}"\nurl = "${url}"\n` +
      ['POST', 'GET', 'DELETE']
        .map(
          (method) =>
            `[[routes]]\nname = "${name}.${method.toLowerCase()}"\nupstream = "${name}"\n` +
            `methods = ["${method}"]\npath = "/${name}"\nmcp = true\n`,
        )
        .join(''),
  );
  writeFileSync(
    join(folder, 'policies/all.toml'),
    `[[issuers]]\nname = "interop"\nissuer = "https://issuer.test"\naudiences = ["fabric"]\n` +
      `jwks_file = "../jwks.json"\nalgorithms = ["EdDSA"]\n` +
      `claims = { user = "sub", tenant = "tid", roles = "roles", scopes = "scope" }\n` +
      `[[tenants]]\nid = "acme"\n[[tenants]]\nid = "globex"\n${routes.join('')}${rules}`,
  );
  const child = spawn(binary, ['serve', '--config', 'gate.toml'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, RUST_LOG: process.env.RUST_LOG ?? 'warn' },
  });
  await answers(`http://127.0.0.1:${adminPort}/livez`, 'the gate');
  return {
    url: (name) => new URL(`http://127.0.0.1:${port}/${name}`),
    async stop() {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
      rmSync(folder, { recursive: true });
    },
  };
}
