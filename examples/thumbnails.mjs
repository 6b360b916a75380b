// Frames to sharp: a WebP, 320 pixels wide, of what is on screen at each second.
//
//   node examples/thumbnails.mjs FILE FOLDER
//
// `thumbnail`, `thumbnails` and `contactSheet` of rushes do this and more; here is how.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openVideo } from 'rushes';
import sharp from 'sharp';

const [file, folder] = process.argv.slice(2);
await mkdir(folder, { recursive: true });

// Scaled while decoding: sharp gets small frames, of which it only makes files.
const video = await openVideo(file, { width: 320, pixelFormat: 'rgb24' });
try {
  for await (const { data, width, height, time } of video.frames({ every: 1 })) {
    const path = join(folder, `${time.toFixed(3)}.webp`);
    await sharp(data, { raw: { width, height, channels: 3 } })
      .webp()
      .toFile(path);
    console.log(path);
  }
} finally {
  await video.close();
}
