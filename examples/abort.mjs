// Stops an analysis: with Ctrl-C, or when it takes longer than it may.
//
//   node examples/abort.mjs FILE [MILLISECONDS]
import { analyze } from 'rushes';

const [file, limit = '60000'] = process.argv.slice(2);
const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')));
const signal = AbortSignal.any([interrupt.signal, AbortSignal.timeout(Number(limit))]);

try {
  const { shots } = await analyze(file, { signal });
  console.log(`${shots.length} shots`);
} catch (error) {
  if (error !== signal.reason) throw error; // the video's fault, not ours
  // The decoder has stopped, and file, codec and threads are freed.
  console.error(`stopped: ${error.message}`);
  process.exitCode = 1;
}
