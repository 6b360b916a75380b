// Installing the packages that `npm pack` makes into empty folders, on machines that have little.
import { beforeAll, describe, expect, test } from 'vitest';
import { emptyProject, type Project, packRepository } from './helpers/project.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const folder = temporaryDirectory();
let tarball: string;

beforeAll(async () => {
  tarball = await packRepository(folder);
});

describe('where there is neither a prebuilt addon nor a compiler', () => {
  let project: Project;
  let installed: string;

  beforeAll(async () => {
    project = await emptyProject(folder);
    installed = await project.run('npm', 'install', tarball, '--foreground-scripts');
  }, 120_000);

  test('the installation succeeds and says what is missing', () => {
    expect(installed).toContain('the native addon is not built');
  });

  test('what needs no addon works', async () => {
    await project.write({
      'app.mjs': `import { toCsv, MediaError } from 'rushes';
        console.log(typeof toCsv, MediaError.name);`,
    });
    expect(await project.run('node', 'app.mjs')).toBe('function MediaError');
  });

  test('the first use fails with a code, and names the way out', async () => {
    await project.write({
      'app.mjs': `import { probe } from 'rushes';
        const { name, code, message } = await probe('app.mjs').catch((error) => error);
        console.log(JSON.stringify({ name, code, message }));`,
    });
    const error = JSON.parse(await project.run('node', 'app.mjs'));
    expect(error).toMatchObject({ name: 'MediaError', code: 'ERR_ADDON' });
    expect(error.message).toContain(`@rushes/${process.platform}-${process.arch}`);
    expect(error.message).toContain('npm rebuild rushes');
  });

  /** The install script once more, asked to build or not. */
  function installAgain(asked: string): Promise<string> {
    const script = 'node_modules/rushes/scripts/install.mjs';
    return project.run('env', `npm_config_build_from_source=${asked}`, 'node', script);
  }

  test('npm_config_build_from_source fails it, and says what is missing', async () => {
    for (const asked of ['true', 'rushes', 'another-package,rushes']) {
      const error = await installAgain(asked).catch((error) => error);
      expect(error, asked).toBeInstanceOf(Error);
      expect(error.message).toContain('the native addon is not built');
    }
  });

  test('npm_config_build_from_source for others asks for nothing', async () => {
    for (const asked of ['', 'false', 'another-package']) {
      expect(await installAgain(asked), asked).toContain('the native addon is not built');
    }
  });
});
