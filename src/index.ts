/** `rushes`: footage for Node. See README.md. */
export type {
  Analysis,
  AnalysisError,
  AnalysisEvent,
  AnalysisOptionsUsed,
  Crop,
  CutEvent,
  Sample,
  Segment,
  Shot,
  SpanEvent,
} from './analysis.ts';
export {
  AnalysisCache,
  type AnalysisCacheOptions,
  type CacheStats,
  type CacheVerification,
} from './analysis-cache.ts';
export { type AnalyzeOptions, type AnalyzeProgress, analyze } from './analyze.ts';
export type { AnalysisRequest } from './analyze-options.ts';
export type { BackendChoice } from './backend/backend.ts';
export { benchmarkDecodePaths } from './benchmark/decode-benchmark.ts';
export type {
  BenchmarkOptions,
  BenchmarkProgress,
  DecodeBenchmark,
  DecodePathResult,
} from './benchmark/result.ts';
export {
  type Clip,
  type ClipOptions,
  clipsFrom,
  clipThumbnail,
  type LoadClipOptions,
  loadClip,
  representativeTimes,
} from './clips.ts';
export {
  type ContactSheet,
  type ContactSheetOptions,
  type ContactSheetProgress,
  contactSheet,
  type SheetCell,
} from './contact-sheet.ts';
export { type Diagnosis, diagnose, type Problem } from './diagnosis.ts';
export { MediaError, type MediaErrorCode } from './errors.ts';
export { toCsv } from './exports/csv.ts';
export { type EdlOptions, toEdl } from './exports/edl.ts';
export { type FfmetadataOptions, toFfmetadata } from './exports/ffmetadata.ts';
export { type OtioOptions, toOtio } from './exports/otio.ts';
export type { SpanOptions } from './exports/spans.ts';
export type { TimebaseOptions } from './exports/timecode.ts';
export {
  type FindOptions,
  type Found,
  findVideos,
  VIDEO_EXTENSIONS,
} from './find-videos.ts';
export type { Frame, PixelFormat } from './frame.ts';
export type { FrameAddress, FrameIndex } from './frame-index.ts';
export type { Fit } from './geometry.ts';
export {
  type DetectOptions,
  detectHardware,
  type HardwareDevice,
  type HardwareEncoder,
  type HardwareReport,
} from './hardware.ts';
export type { HardwareDecode } from './hardware-probe.ts';
export type { HardwareVerdict } from './hardware-verdicts.ts';
export type {
  ImportActivity,
  ImportFailure,
  ImportOptions,
  ImportProgress,
  ImportResult,
  ImportSources,
  ImportSuccess,
} from './import-options.ts';
export { importVideos } from './importer.ts';
export type {
  Chapter,
  ColorInfo,
  DecodePath,
  Rational,
  StreamInfo,
  VideoInfo,
} from './info.ts';
export type { MachineInfo } from './machine.ts';
export { hashDistance } from './measures.ts';
export {
  type MemoryLevel,
  type MemoryLevelChange,
  MemoryMonitor,
  type MemoryMonitorEvents,
  type MemoryMonitorOptions,
  type MemorySample,
  type MemorySource,
  type MemoryThresholds,
  type ReliefOptions,
} from './memory-monitor.ts';
export type {
  ContainerMemory,
  HeapMemory,
  HostMemory,
  MemoryFigures,
  MemoryReader,
  MemoryStall,
  ProcessMemory,
} from './memory-sources.ts';
export type {
  FrameIndexCache,
  FrameIndexSlot,
  FrameSelection,
  HardwareChoice,
  HardwareDeviceType,
  OpenOptions,
  OutOfRange,
  VideoSource,
} from './options.ts';
export { HARDWARE_DEVICES } from './options.ts';
export {
  type ParameterCodec,
  type ParameterRequest,
  type RecommendedParameters,
  recommendedParameters,
} from './parameters.ts';
export {
  type EncodeOptions,
  encodePicture,
  type Picture,
  type PictureFormat,
  type PictureSourceOptions,
  type Thumbnail,
  type ThumbnailOptions,
  type ThumbnailsOptions,
  thumbnail,
  thumbnails,
} from './pictures.ts';
export { probe } from './probe.ts';
export {
  type AddressOptions,
  type BatchOptions,
  openVideo,
  type Video,
} from './video.ts';
