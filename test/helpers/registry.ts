/** A package registry on loopback with the packages of one folder; for all others it sends on to the machine's own. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Registry extends AsyncDisposable {
  readonly url: string;
}

/** Serves the tarballs of `folder` as a registry does, so that they are installed by their names. */
export async function startRegistry(folder: string): Promise<Registry> {
  const packages = new Map<string, (base: string) => object>();
  const tarballs = new Map<string, Buffer>();
  const files = await readdir(folder);
  for (const file of files.filter((name) => name.endsWith('.tgz'))) {
    const bytes = await readFile(join(folder, file));
    const { stdout } = await run('tar', [
      '-xOzf',
      join(folder, file),
      'package/package.json',
    ]);
    const manifest = JSON.parse(stdout);
    const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
    tarballs.set(`/${file}`, bytes);
    packages.set(manifest.name, (base) => ({
      name: manifest.name,
      'dist-tags': { latest: manifest.version },
      versions: {
        [manifest.version]: {
          ...manifest,
          dist: { tarball: `${base}/${file}`, integrity },
        },
      },
    }));
  }
  const { stdout: elsewhere } = await run('npm', ['config', 'get', 'registry']);
  const server = createServer(({ url = '/' }, response) => {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tarball = tarballs.get(url);
    const found = packages.get(decodeURIComponent(url.slice(1)));
    if (tarball) response.end(tarball);
    else if (found) response.end(JSON.stringify(found(base)));
    else if (/^\/@rushes\W/.test(decodeURIComponent(url))) response.writeHead(404).end();
    else response.writeHead(302, { location: new URL(url, elsewhere.trim()).href }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
