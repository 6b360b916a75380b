import { join, resolve } from 'node:path';

export const benchDirectory = import.meta.dirname;
export const root = resolve(benchDirectory, '..');

/** What the suite makes for itself: clips, and small programs in C. Not under version control; may be deleted. */
export const cacheDirectory = join(benchDirectory, '.cache');
