// Imports folders of footage; what is known from the last time is not decoded again.
//
//   node examples/import.mjs FOLDER…
import { AnalysisCache, importVideos } from 'rushes';

// In the user's cache folder, shared by all processes. Files are known by their content.
const cache = new AnalysisCache();
try {
  for await (const result of importVideos(process.argv.slice(2), { cache })) {
    const { source, analysis, error, cached } = result; // one for each file, in any order
    if (error) {
      console.error(`${source}: ${error.code}`);
      continue;
    }
    const best = analysis.segments[0];
    const where = best ? `best from ${best.start} to ${best.end} s` : 'nothing to keep';
    const how = cached ? 'from the cache' : 'decoded';
    console.log(`${source}: ${analysis.shots.length} shots, ${where} (${how})`);
  }
} finally {
  await cache.close();
}
