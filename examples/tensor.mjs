// Frames as tensors, as most image models want them: planar float32, [1, 3, 224, 224].
//
//   node examples/tensor.mjs FILE [MODEL.onnx]
//
// With a model and onnxruntime-node, each tensor goes through it.
import { openVideo } from 'rushes';

const [file, model] = process.argv.slice(2);
const SIDE = 224;
// What torchvision's models were trained with, for values from 0 to 1.
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** Interleaved pixels, 0–255, to three planes. */
function toPlanes(rgb) {
  const planes = new Float32Array(rgb.length);
  const size = rgb.length / 3;
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < size; i++) {
      const value = rgb[i * 3 + channel] / 255;
      planes[channel * size + i] = (value - MEAN[channel]) / DEVIATION[channel];
    }
  }
  return planes;
}

const ort = model && (await import('onnxruntime-node'));
const session = await ort?.InferenceSession.create(model);
const size = { width: SIDE, height: SIDE, fit: 'cover', withoutEnlargement: false };
const video = await openVideo(file, { ...size, pixelFormat: 'rgb24' });
for await (const { data, time } of video.frames({ every: 1 })) {
  let output = { data: toPlanes(data), dims: [1, 3, SIDE, SIDE] };
  if (session) {
    const tensor = new ort.Tensor('float32', output.data, output.dims);
    const results = await session.run({ [session.inputNames[0]]: tensor });
    output = results[session.outputNames[0]];
  }
  console.log(time, output.dims.join('x'), output.data[0].toFixed(4));
}
await video.close();
