/** What decodes: the addon, or the beamcoder package where the addon cannot be loaded. */
import { MediaError } from '../errors.ts';
import { loadAddon, type NativeClasses } from '../native.ts';
import { findBeamcoder } from './beamcoder/package.ts';
import { beamcoderBackend } from './beamcoder/remote-decoder.ts';

/** Which backend a caller wants: the best that loads, or one and no other. */
export type BackendChoice = 'auto' | 'native' | 'beamcoder';
export const BACKEND_CHOICES: readonly BackendChoice[] = ['auto', 'native', 'beamcoder'];

/**
 * A set of classes that decode. Both backends keep to the border of `src/native.ts`: pixels in ArrayBuffers that the caller
 * allocates, rows of numbers beside them, failures as {@link NativeFailure}.
 */
export interface Backend extends NativeClasses {
  readonly name: 'native' | 'beamcoder';
  /** Why it is not the one before it in order; `null` for the first, and for one that was asked for. */
  readonly fallbackReason: string | null;
}

/**
 * Loads the addon, or else looks for beamcoder, which is loaded when the first file is opened. Nothing is loaded before this is called,
 * and beamcoder is not touched where the addon does. `RUSHES_BACKEND` decides in place of `'auto'`.
 *
 * @throws {MediaError} `ERR_ADDON`, naming each cause and the command that mends it
 * @throws {TypeError} for a `RUSHES_BACKEND` that is no backend
 */
export function loadBackend(choice: BackendChoice): Backend {
  const wanted = choice === 'auto' ? choiceFromEnvironment() : choice;
  if (wanted === 'beamcoder') return beamcoder(null);
  try {
    const { Decoder, Memory, Stream } = loadAddon();
    return { name: 'native', fallbackReason: null, Decoder, Memory, Stream };
  } catch (error) {
    if (wanted === 'native') throw error;
    return beamcoder(error as MediaError);
  }
}

function choiceFromEnvironment(): BackendChoice {
  const { RUSHES_BACKEND: value } = process.env;
  if (value === undefined || value === '') return 'auto';
  if (BACKEND_CHOICES.includes(value as BackendChoice)) return value as BackendChoice;
  const words = BACKEND_CHOICES.map((name) => `'${name}'`).join(', ');
  throw new TypeError(`RUSHES_BACKEND must be one of ${words}, got '${value}'`);
}

/** @param addonError why the addon could not be loaded, unless beamcoder was asked for */
function beamcoder(addonError: MediaError | null): Backend {
  const unusable = (why: string): MediaError => nothingLoads(addonError, why);
  const found = findBeamcoder();
  if ('why' in found) throw unusable(found.why);
  const fallbackReason = addonError?.message ?? null;
  return { name: 'beamcoder', fallbackReason, ...beamcoderBackend(found.file, unusable) };
}

function nothingLoads(addonError: MediaError | null, why: string): MediaError {
  const mend =
    '`npm install beamcoder` installs it (GPL-3.0-or-later; needs FFmpeg 5 with all its development files)';
  const words = `beamcoder could not be loaded: ${why}; ${mend}`;
  if (addonError === null) return new MediaError('ERR_ADDON', words);
  return new MediaError('ERR_ADDON', `${addonError.message} And ${words}.`, {
    cause: addonError,
  });
}
