// `node peers/import.mjs SPECIFIER`: imports a module in a fresh process and prints milliseconds and bytes of resident
// memory that it took.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const [, , specifier] = process.argv;
const { rss } = process.memoryUsage();
const began = performance.now();
await (specifier.endsWith('.node') ? require(specifier) : import(specifier));
const ms = performance.now() - began;
console.log(JSON.stringify({ ms, rss: process.memoryUsage().rss - rss }));
