/** An empty folder of somebody who installs rushes, and a machine with little on it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..', '..');
const onPath = (name: string) =>
  promisify(execFile)('sh', ['-c', `command -v ${name}`]).then(({ stdout }) =>
    stdout.trim(),
  );

export interface Project {
  readonly folder: string;
  /** Runs a command there; gives what it printed on standard output, trimmed. */
  run(command: string, ...args: string[]): Promise<string>;
  write(files: Record<string, string>): Promise<void>;
}

export interface ProjectOptions {
  /** All that the project's environment holds, but for what npm needs. */
  readonly env?: Record<string, string>;
  /** Programs besides Node, npm and a few of every system; no compiler and no cmake. */
  readonly tools?: readonly string[];
}

/** A project inside `parent`. Its environment is that of `env -i`: none of this machine's settings, and on its PATH only what is named. */
export async function emptyProject(
  parent: string,
  options: ProjectOptions = {},
): Promise<Project> {
  const { env = {}, tools = [] } = options;
  const home = await mkdtemp(join(await realpath(parent), 'home-'));
  const [folder, bin] = [join(home, 'project'), join(home, 'bin')];
  for (const made of [folder, bin]) await mkdir(made);
  for (const tool of ['sh', 'env', 'uname', ...tools]) {
    await symlink(await onPath(tool), join(bin, tool));
  }
  await symlink(process.execPath, join(bin, 'node'));
  const npm = await realpath(await onPath('npm'));
  for (const tool of ['npm', 'npx']) {
    await symlink(join(dirname(npm), `${tool}-cli.js`), join(bin, tool));
  }
  const { stdout: cache } = await promisify(execFile)('npm', ['config', 'get', 'cache']);
  const { NODE_EXTRA_CA_CERTS: authorities } = process.env; // of the machine's registry
  const environment = {
    ...(authorities && { NODE_EXTRA_CA_CERTS: authorities }),
    PATH: bin,
    HOME: home,
    npm_config_cache: cache.trim(),
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
    ...env,
  };
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  return {
    folder,
    async run(command, ...args) {
      const options = { cwd: folder, env: environment };
      const running = promisify(execFile)(command, args, options);
      const { stdout } = await running.catch((error) => {
        error.message += `\n${error.stdout}`; // Yarn complains there
        throw error;
      });
      return stdout.trim();
    },
    async write(files) {
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(folder, name), text);
      }
    },
  };
}

/** Packs the repository as `npm pack` does, into a folder; gives the file's path. */
export async function packRepository(folder: string): Promise<string> {
  const args = ['pack', root, '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: folder });
  return join(folder, JSON.parse(stdout)[0].filename);
}
