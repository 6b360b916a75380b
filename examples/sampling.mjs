// Samples a video once a second: when, and how bright.
//
//   node examples/sampling.mjs FILE
import { openVideo } from 'rushes';

const [file] = process.argv.slice(2);
const video = await openVideo(file, { width: 160, pixelFormat: 'gray8' });
try {
  // The frame on screen at each second. Its time comes from the file, so that it is right where
  // the frame rate varies; a picture that stays for seconds comes once.
  for await (const { data, time, keyFrame } of video.frames({ every: 1 })) {
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    console.log(time.toFixed(3), mean.toFixed(1), keyFrame ? 'key frame' : '');
  }
} finally {
  await video.close();
}
