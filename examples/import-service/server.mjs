// A service that takes videos and gives back what is in them: see README.md.
import { parseArgs } from 'node:util';
import { createService } from './service.mjs';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '3000' },
    'max-upload': { type: 'string', default: '2e9' },
    'max-jobs': { type: 'string', default: '100' },
    timeout: { type: 'string', default: '600' },
    keep: { type: 'string', default: '900' },
    grace: { type: 'string', default: '10' },
    budget: { type: 'string', default: '100%' },
    'cache-dir': { type: 'string' },
  },
});

/** @param {'port' | 'max-upload' | 'max-jobs' | 'timeout' | 'keep' | 'grace'} name */
function number(name) {
  const value = Number(values[name]);
  if (value >= 0) return value;
  throw new RangeError(`--${name} must be a number from 0 on, got ${values[name]}`);
}

const { app, close, abort } = await createService({
  maxUpload: number('max-upload'),
  maxJobs: number('max-jobs'),
  timeout: number('timeout'),
  keep: number('keep'),
  budget: values.budget.endsWith('%')
    ? /** @type {`${number}%`} */ (values.budget)
    : Number(values.budget),
  cacheDirectory: values['cache-dir'],
});

let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    if (isStopping) {
      abort(); // the second time: at once
      return;
    }
    isStopping = true;
    await close(number('grace'));
  });
}

try {
  await app.listen({ host: values.host, port: number('port') });
} catch (error) {
  await close(0);
  throw error;
}
