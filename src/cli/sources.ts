import { type Context, EXIT } from './command.ts';
import { type Failure, failureLine, toFailure } from './failure.ts';
import { writeJson } from './output.ts';

/** What became of one source. */
export interface Outcome {
  /** What `--json` prints of it. */
  readonly value: unknown;
  /** Set if there is a result, but it falls short. */
  readonly failure?: Failure;
}

/**
 * Works through the sources one after another; one that fails does not keep the others from
 * being processed. A failed one is `{ source, error: { code, message } }` among the values.
 *
 * @throws the signal's reason if it was aborted
 */
export async function eachSource(
  context: Context,
  sources: readonly string[],
  work: (source: string, index: number) => Promise<Outcome>,
): Promise<{ values: unknown[]; exitCode: number }> {
  const values: unknown[] = [];
  let exitCode: number = EXIT.ok;
  for (const [index, source] of sources.entries()) {
    let failure: Failure | undefined;
    try {
      const outcome = await work(source, index);
      values.push(outcome.value);
      failure = outcome.failure;
    } catch (error) {
      context.signal.throwIfAborted();
      failure = toFailure(source, error);
      values.push(failure);
    }
    context.signal.throwIfAborted();
    if (!failure) continue;
    exitCode = EXIT.failed;
    context.warn(failureLine(failure));
  }
  return { values, exitCode };
}

/** One file gives an object, several give an array. */
export function oneOrAll(values: readonly unknown[]): unknown {
  return values.length === 1 ? values[0] : values;
}

/** Prints what `--json` asks for. */
export async function printValues(
  context: Context,
  values: readonly unknown[],
): Promise<void> {
  await writeJson(context.output, oneOrAll(values));
}
