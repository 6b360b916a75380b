// Makes src/hardware-samples.ts: tiny streams on which detectHardware() tries what devices decode.
// Run by hand with an ffmpeg tool that has all four encoders, when the streams should change.
//
//   node scripts/make-hardware-samples.mjs
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run.mjs';

// Large enough for every device (NVDEC wants 144 lines of HEVC), whole blocks, 8-bit 4:2:0;
// a key frame, and one that refers to it.
const source = ['-f', 'lavfi', '-i', 'smptebars=s=256x160:r=25', '-frames:v', '2'];
const plain = ['-pix_fmt', 'yuv420p', '-fflags', '+bitexact', '-flags', '+bitexact'];
const encoders = {
  h264: ['h264', 'libx264', '-crf', '30', '-bf', '0', '-x264-params', 'info=0'],
  hevc: ['hevc', 'libx265', '-crf', '30', '-x265-params', 'log-level=none:info=0'],
  vp9: ['ivf', 'libvpx-vp9', '-crf', '40', '-b:v', '0'],
  av1: ['ivf', 'libaom-av1', '-crf', '40', '-b:v', '0', '-cpu-used', '8'],
};

const folder = mkdtempSync(join(tmpdir(), 'rushes-samples-'));
const entries = Object.entries(encoders).map(([codec, [format, encoder, ...options]]) => {
  const file = join(folder, codec);
  const output = ['-c:v', encoder, ...options, ...plain, '-f', format, file];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, ...output], {
    stdio: 'inherit',
  });
  const text = readFileSync(file).toString('base64');
  const lines = text.match(/.{1,76}/g).map((line) => `    '${line}',`);
  return `  ${codec}: decode([\n${lines.join('\n')}\n  ]),`;
});
rmSync(folder, { recursive: true });
writeFileSync(
  join(root, 'src', 'hardware-samples.ts'),
  `/** Tiny streams, two frames each, made by scripts/make-hardware-samples.mjs; do not edit. */
const decode = (lines: readonly string[]) => Buffer.from(lines.join(''), 'base64');

/** By FFmpeg's name of the codec. */
export const HARDWARE_SAMPLES: Readonly<Record<'h264' | 'hevc' | 'vp9' | 'av1', Uint8Array>> = {
${entries.join('\n')}
};
`,
);
