// Single shots of real footage, for films whose cuts are known because they are made here.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DRAWN } from './drawn.mjs';
import { run } from './tools.mjs';

/**
 * Spans without a cut or a gradual change inside, in seconds, read by eye; `group` names what was filmed together, which is
 * left out together when weights are judged on what they were not fitted to.
 */
const SPANS = {
  'sintel_trailer-720p.mp4': {
    group: 'sintel',
    // Frames between the cuts and ignored ranges of oracle/cut_labels.json, at 24 a second.
    spans: [
      [5.95, 8.5],
      [12.6, 13.9],
      [14.0, 15.1],
      [19.7, 21.1],
      [22.9, 23.75],
      [23.85, 25.85],
      [25.95, 27.4],
      [29.3, 29.75],
      [30.3, 31.7],
      [32.7, 34.6],
      [36.5, 40.2],
      [42.3, 46.2],
    ],
  },
  'bikes.mp4': {
    group: 'bikes',
    spans: [
      [0, 1.16],
      [1.24, 3.0],
      [3.08, 5.44],
      [5.52, 7.44],
      [7.52, 9.64],
    ],
  },
  'big_buck_bunny_0_30.webm': {
    group: 'bunny',
    spans: [
      [2.4, 11.7],
      [11.85, 15.6],
      [15.75, 20.6],
      [21.2, 22.9],
      [23.0, 24.7],
      [26.1, 28.6],
    ],
  },
  'bigbuckbunny.mp4': { group: 'bunny' },
  'nasa_13013.mp4': {
    group: 'nasa',
    // A dissolve lies between the first two.
    spans: [
      [0, 4.9],
      [6.1, 7.9],
      [8.1, 12.9],
    ],
  },
  'movie_300.mp4': {
    group: 'counter',
    spans: [
      [1, 59],
      [61, 119],
    ],
  },
  'sample_with_increasing_timestamps_360p.mp4': { group: 'phone' },
  'carphone_pristine.mp4': { group: 'carphone' },
  'car-detection.mp4': { group: 'cars' },
  'bottle-detection.mp4': { group: 'bottles' },
  'asl_walk.mkv': { group: 'signing' },
  'fire2.mp4': { group: 'fire' },
  'VID_1280x720_cabac_temporal_direct.264': { group: 'flower' },
  'exo_sample.avi': { group: 'bird', spans: [[1.5, 4.0]] },
  'exo_sample.mp4': { group: 'man' },
  'ff_street.mp4': { group: 'street', spans: [[0, 3.4]] },
  'gizmo.mp4': { group: 'gizmo' },
  'test_cif_P_CABAC_slice.264': { group: 'foreman' },
  'sample_with_colr_mdcv_and_clli.mp4': { group: 'valley' },
  'hdr10-video-with-sdr-container.mp4': { group: 'roofs' },
  'bipbop.mp4': { group: 'bipbop' },
  'bt601_full_range.mp4': { group: 'testsrc' },
};

/** What a labelled film was filmed together with; itself, if with nothing here. */
export function groupOf(name) {
  return SPANS[name]?.group ?? (/bunny/.test(name) ? 'bunny' : name);
}

/** The spans of the shared media, or of all files of `folder`, each of which then counts as a single shot. */
export function findSources(media, folder) {
  const files = folder
    ? readdirSync(folder)
        .sort()
        .map((name) => ({ file: join(folder, name), group: name }))
    : Object.entries(SPANS).map(([name, { group, spans }]) => ({
        ...{ file: join(media, name), group, spans },
      }));
  const filmed = files.map(({ file, group, spans }) => {
    const length = duration(file);
    return { name: basename(file), file, group, spans: spans ?? [[0, length - 0.3]] };
  });
  return [...filmed, ...DRAWN];
}

/** Seconds. Raw streams know no duration: their packets are counted, at 30 a second. */
function duration(file) {
  const probe = ['-v', 'error', '-select_streams', 'V:0', '-of', 'csv=p=0'];
  const told = Number(
    run('ffprobe', [...probe, '-show_entries', 'format=duration', file]),
  );
  if (told > 0 && told < 86_400) return told;
  const count = ['-count_packets', '-show_entries', 'stream=nb_read_packets'];
  return Number.parseInt(run('ffprobe', [...probe, ...count, file]), 10) / 30;
}
