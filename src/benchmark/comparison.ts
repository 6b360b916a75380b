/** Whether a decode path brings the frames that software brings. */
import type { Candidate } from './decode-paths.ts';
import type { BenchmarkAnswer } from './job.ts';
import type { DecodePathResult } from './result.ts';

/**
 * Lowest ratio, in dB, at which frames count as the same. Devices decode most codecs exactly, and those with an inverse transform that their
 * standard leaves open (MPEG-2, MPEG-4) within a level or two, which is 40 dB and up. swscale and the filters of devices average less exactly than the addon,
 * but a wrong matrix or range, or a frame too late, is below 28. Of software with more threads nothing less than the same bytes will do.
 */
function leastOf(kind: DecodePathResult['kind']): number {
  return kind === 'hardware' ? 38 : 28;
}

/** How a run ended, and some of its frames, spread over all of them. */
export interface Brought {
  readonly answer: BenchmarkAnswer;
  readonly sample: readonly Uint8Array[];
}

/** What a comparison came to. */
export type Check = Pick<DecodePathResult, 'unusable' | 'identical' | 'psnr'>;

/** @param reference what software with one thread has brought */
export function compare(
  { kind, choice }: Candidate,
  { answer, sample }: Brought,
  reference: Brought,
): Check {
  const refused = (unusable: string): Check => ({
    unusable,
    identical: null,
    psnr: null,
  });
  if ('failure' in answer) return refused(answer.failure);
  if ('failure' in reference.answer) return refused(reference.answer.failure);
  const { hardware, scaleFilter, frames, digest } = answer.run;
  const { fallbackReason, scaleFallbackReason } = answer.run;
  const wanted = reference.answer.run;
  const asked = choice.kind === 'library' && choice.hardware !== 'none';
  if (asked && hardware !== choice.hardware) {
    return refused(fallbackReason ?? 'it decodes in software');
  }
  if (kind === 'hardware-scaled' && scaleFilter === null) {
    return refused(scaleFallbackReason ?? 'frames are made smaller in memory');
  }
  if (frames !== wanted.frames) {
    return refused(`${frames} frames came where software gives ${wanted.frames}`);
  }
  if (digest === wanted.digest) return { unusable: null, identical: true, psnr: null };
  const ratios = sample.map((frame, i) => psnr(frame, reference.sample[i] as Uint8Array));
  const lowest = Math.min(...ratios);
  const equal = lowest === Number.POSITIVE_INFINITY;
  const same = kind !== 'software' && lowest >= leastOf(kind);
  const words = equal ? 'some differ' : `${lowest.toFixed(1)} dB`;
  return {
    unusable: same ? null : `its frames are not software's: ${words}`,
    identical: false,
    psnr: equal ? null : lowest,
  };
}

/** Of bytes, in dB; infinite if they are equal. */
function psnr(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return 10 * Math.log10((255 * 255 * a.length) / sum);
}
