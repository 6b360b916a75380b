// The Node face: JavaScript's objects in, `rushes::Decoder` behind its own
// thread, JavaScript's objects out. The border is declared in src/native.ts.

#include <napi.h>

#ifndef _WIN32
#include <sys/file.h>
#endif

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "change_meter.h"
#include "decoder.h"
#include "input.h"
#include "interrupt.h"
#include "measure.h"
#include "memory_account.h"
#include "promise_worker.h"
#include "simulated_device.h"
#include "work_thread.h"

namespace rushes {

namespace {

// ------------------------------------------------------- from JavaScript

std::optional<double> optionalNumber(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.As<Napi::Number>().DoubleValue();
}

int integer(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Number>().Int32Value();
}

bool boolean(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Boolean>().Value();
}

Source sourceFrom(const Napi::Value& source);

ReaderOptions readerOptions(const Napi::Object& object) {
  return {
      sourceFrom(object.Get("source")),
      {integer(object, "streamIndex"),
       object.Get("language").As<Napi::String>().Utf8Value()},
      integer(object, "threads"),
      boolean(object, "skipErrors")};
}

Selection selectionFrom(const Napi::Object& object) {
  Selection selection;
  selection.start = optionalNumber(object.Get("start"));
  selection.end = optionalNumber(object.Get("end"));
  selection.step = object.Get("step").As<Napi::Number>().Int64Value();
  selection.every = object.Get("every").As<Napi::Number>().DoubleValue();
  selection.keyFrames = boolean(object, "keyFrames");
  selection.all = boolean(object, "all");
  selection.previous = boolean(object, "previous");
  return selection;
}

OutputFormat outputFormat(Napi::Env env, const std::string& name) {
  if (name == "rgb24") return OutputFormat::kRgb24;
  if (name == "rgba") return OutputFormat::kRgba;
  if (name == "bgr24") return OutputFormat::kBgr24;
  if (name == "gray8") return OutputFormat::kGray8;
  if (name == "yuv420p") return OutputFormat::kYuv420p;
  if (name == "rgb48le") return OutputFormat::kRgb48le;
  if (name == "native") return OutputFormat::kNative;
  throw Napi::TypeError::New(env, "unknown pixel format " + name);
}

Output outputFrom(const Napi::Object& object) {
  Output output;
  output.format = outputFormat(
      object.Env(), object.Get("pixelFormat").As<Napi::String>().Utf8Value());
  output.scaleWidth = integer(object, "scaleWidth");
  output.scaleHeight = integer(object, "scaleHeight");
  output.orientation = {
      integer(object, "quarterTurns"), boolean(object, "flip")};
  output.width = integer(object, "width");
  output.height = integer(object, "height");
  output.left = integer(object, "left");
  output.top = integer(object, "top");
  output.toneMap = boolean(object, "toneMap");
  output.scalesOnDevice = boolean(object, "scalesOnDevice");
  return output;
}

// --------------------------------------------------------- to JavaScript

Napi::Value toJs(Napi::Env env, double value) {
  return Napi::Number::New(env, value);
}
Napi::Value toJs(Napi::Env env, int value) {
  return Napi::Number::New(env, value);
}
Napi::Value toJs(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}
Napi::Value toJs(Napi::Env env, bool value) {
  return Napi::Boolean::New(env, value);
}
Napi::Value toJs(Napi::Env env, const std::string& value) {
  return Napi::String::New(env, value);
}
Napi::Value toJs(Napi::Env env, AVRational value) {
  Napi::Object object = Napi::Object::New(env);
  object["num"] = Napi::Number::New(env, value.num);
  object["den"] = Napi::Number::New(env, value.den);
  return object;
}
Napi::Value toJs(Napi::Env env, const DecodePath& path);
template <typename T>
Napi::Value toJs(Napi::Env env, const std::optional<T>& value) {
  if (!value) return env.Null();
  return toJs(env, *value);
}
Napi::Value toJs(Napi::Env env, const StreamEntry& stream) {
  Napi::Object object = Napi::Object::New(env);
  object["index"] = toJs(env, stream.index);
  object["type"] = toJs(env, stream.type);
  object["codec"] = toJs(env, stream.codec);
  object["language"] = toJs(env, stream.language);
  object["attachedPicture"] = toJs(env, stream.attachedPicture);
  object["default"] = toJs(env, stream.isDefault);
  return object;
}
Napi::Value toJs(Napi::Env env, const Chapter& chapter) {
  Napi::Object object = Napi::Object::New(env);
  object["start"] = toJs(env, chapter.start);
  object["end"] = toJs(env, chapter.end);
  object["title"] = toJs(env, chapter.title);
  return object;
}
template <typename T>
Napi::Value toJs(Napi::Env env, const std::vector<T>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array[i] = toJs(env, values[i]);
  return array;
}

Napi::Object toJs(Napi::Env env, const VideoInfo& info) {
  Napi::Object color = Napi::Object::New(env);
  color["primaries"] = toJs(env, info.primaries);
  color["transfer"] = toJs(env, info.transfer);
  color["matrix"] = toJs(env, info.matrix);
  color["range"] = toJs(env, info.range);
  color["chromaLocation"] = toJs(env, info.chromaLocation);
  Napi::Object metadata = Napi::Object::New(env);
  for (const auto& [key, value] : info.metadata) {
    metadata.Set(key, toJs(env, value));
  }
  Napi::Object object = Napi::Object::New(env);
  object["container"] = toJs(env, info.container);
  object["duration"] = toJs(env, info.duration);
  object["startTime"] = toJs(env, info.startTime);
  object["size"] = toJs(env, info.size);
  object["bitRate"] = toJs(env, info.bitRate);
  object["streams"] = toJs(env, info.streams);
  object["streamIndex"] = toJs(env, info.streamIndex);
  object["codec"] = toJs(env, info.codec);
  object["profile"] = toJs(env, info.profile);
  object["width"] = toJs(env, info.width);
  object["height"] = toJs(env, info.height);
  object["codedWidth"] = toJs(env, info.codedWidth);
  object["codedHeight"] = toJs(env, info.codedHeight);
  object["rotation"] = toJs(env, info.orientation.quarterTurns * 90);
  object["flipped"] = toJs(env, info.orientation.flip);
  object["sampleAspectRatio"] = toJs(env, info.sampleAspectRatio);
  object["pixelFormat"] = toJs(env, info.pixelFormat);
  object["bitDepth"] = toJs(env, info.bitDepth);
  object["color"] = color;
  object["timeBase"] = toJs(env, info.timeBase);
  object["averageFrameRate"] = toJs(env, info.averageFrameRate);
  object["variableFrameRate"] = toJs(env, info.variableFrameRate);
  object["frameCount"] = toJs(env, info.frameCount);
  object["frameCountSource"] = toJs(env, info.frameCountSource);
  object["chapters"] = toJs(env, info.chapters);
  object["timecode"] = toJs(env, info.timecode);
  object["metadata"] = metadata;
  return object;
}

Napi::Value toJs(Napi::Env env, const DecodePath& path) {
  Napi::Object object = Napi::Object::New(env);
  object["decoder"] = toJs(env, path.decoder);
  object["threads"] = toJs(env, path.threads);
  object["threadType"] = toJs(env, path.threadType);
  object["hardware"] = toJs(env, path.hardware);
  object["fallbackReason"] = toJs(env, path.fallbackReason);
  object["scaleFilter"] = toJs(env, path.scaleFilter);
  object["scaleFallbackReason"] = toJs(env, path.scaleFallbackReason);
  return object;
}

/// Mostly there is nothing to tell but how many rows were filled, and making an
/// object is a fifth of a read's way to JavaScript.
Napi::Value toJs(Napi::Env env, const ReadResult& read) {
  const auto count = Napi::Number::New(env, static_cast<double>(read.count));
  if (!read.done && read.needed == 0 && read.formats.empty() &&
      read.errors.empty() && !read.path) {
    return count;
  }
  Napi::Object object = Napi::Object::New(env);
  object["count"] = count;
  object["done"] = toJs(env, read.done);
  object["needed"] = toJs(env, read.needed);
  if (!read.formats.empty()) object["formats"] = toJs(env, read.formats);
  if (!read.errors.empty()) object["errors"] = toJs(env, read.errors);
  if (read.path) object["path"] = toJs(env, *read.path);
  return object;
}

// --------------------------------------------------------------- objects

/// A decoder, and what reaches it from outside its thread. Shared by the
/// JavaScript object and the jobs under way.
struct Session {
  explicit Session(ReaderOptions options)
      : decoder(std::make_unique<Decoder>(std::move(options), interrupt)) {}

  /// What every job does first.
  Decoder& enter(uint64_t pass) {
    interrupt.enter(pass);
    interrupt.check();
    return *decoder;
  }

  Interrupt interrupt;
  /// Used on the decode thread only; gone after `close`.
  std::unique_ptr<Decoder> decoder;
  /// Used on JavaScript's thread only.
  std::shared_ptr<const FrameIndex> index;
};

class JsDecoder;
class JsMemory;
class JsStream;

/// What one environment (main thread or worker) holds.
struct Addon {
  explicit Addon(Napi::Env env) : completions(env) {}

  void close();

  Completions completions;
  std::set<JsDecoder*> decoders;
  // To tell what an object is; references that die with the environment.
  Napi::FunctionReference memory;
  Napi::FunctionReference stream;
  /// In tests, in place of devices.
  std::optional<SimulationPlan> simulation;
};

/// `NativeMemory` in src/native.ts: a copy of JavaScript's bytes, because an
/// ArrayBuffer can be detached at any time (transferred to a worker, grown by
/// WebAssembly), which frees its memory whoever holds a reference to it.
class JsMemory : public Napi::ObjectWrap<JsMemory> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Memory", {InstanceMethod<&JsMemory::close>("close")});
  }

  explicit JsMemory(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const auto array = info[0].As<Napi::Uint8Array>();
    const std::span bytes(array.Data(), array.ByteLength());
    try {
      bytes_ = std::make_shared<const Bytes>(bytes.begin(), bytes.end());
    } catch (const std::bad_alloc&) {
      const Error error(ErrorCode::kOutOfMemory, "Cannot allocate memory");
      throw Napi::Error(info.Env(), toJs(info.Env(), error));
    }
    count(static_cast<int64_t>(bytes_->size()));
  }
  ~JsMemory() override { release(); }

  const SharedBytes& bytes() const noexcept { return bytes_; }

 private:
  void close(const Napi::CallbackInfo&) { release(); }

  /// The decoders that read them hold them yet.
  void release() {
    if (bytes_ == nullptr) return;
    count(-static_cast<int64_t>(bytes_->size()));
    bytes_.reset();
  }

  /// So that V8 knows what it does not see.
  void count(int64_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(Env(), bytes);
  }

  SharedBytes bytes_;
};

/// `NativeStream` in src/native.ts.
class JsStream : public Napi::ObjectWrap<JsStream> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Stream",
        {InstanceMethod<&JsStream::push>("push"),
         InstanceMethod<&JsStream::end>("end"),
         InstanceAccessor<&JsStream::closed>("closed"),
         InstanceMethod<&JsStream::close>("close")});
  }

  explicit JsStream(const Napi::CallbackInfo& info)
      : ObjectWrap(info), addon_(*info.Env().GetInstanceData<Addon>()) {}
  ~JsStream() override { buffer_->close(); }

  const std::shared_ptr<StreamBuffer>& buffer() const noexcept {
    return buffer_;
  }

 private:
  /// A promise that the reader's thread settles.
  class Room final : public Job {
   public:
    using Job::Job;

   protected:
    void work() override {}
    Napi::Value result(Napi::Env env) override { return env.Undefined(); }
  };

  Napi::Value push(const Napi::CallbackInfo& info) {
    const auto piece = info[0].As<Napi::Uint8Array>();
    if (piece.ByteLength() > StreamBuffer::kPieceBytes) {
      throw Napi::RangeError::New(info.Env(), "the piece is too large");
    }
    if (buffer_->push({piece.Data(), piece.ByteLength()})) {
      return info.Env().Null();
    }
    auto job = std::make_shared<Room>(info.Env());
    Napi::Promise promise = job->promise();
    buffer_->whenRoom([&completions = addon_.completions, job] {
      completions.finished(job);
    });
    return promise;
  }

  void end(const Napi::CallbackInfo& info) {
    buffer_->end(info[0].As<Napi::Boolean>().Value());
  }

  Napi::Value closed(const Napi::CallbackInfo& info) {
    return toJs(info.Env(), buffer_->closed());
  }

  void close(const Napi::CallbackInfo&) { buffer_->close(); }

  Addon& addon_;
  std::shared_ptr<StreamBuffer> buffer_ = std::make_shared<StreamBuffer>();
};

/// A path, a JsMemory or a JsStream.
Source sourceFrom(const Napi::Value& source) {
  if (source.IsString()) return source.As<Napi::String>().Utf8Value();
  const auto object = source.As<Napi::Object>();
  const Addon& addon = *source.Env().GetInstanceData<Addon>();
  if (object.InstanceOf(addon.memory.Value())) {
    return JsMemory::Unwrap(object)->bytes();
  }
  if (object.InstanceOf(addon.stream.Value())) {
    return JsStream::Unwrap(object)->buffer();
  }
  throw Napi::TypeError::New(source.Env(), "unknown source");
}

/// `NativeDecoder` in src/native.ts.
class JsDecoder : public Napi::ObjectWrap<JsDecoder> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Decoder",
        {InstanceMethod<&JsDecoder::open>("open"),
         InstanceMethod<&JsDecoder::useHardware>("useHardware"),
         InstanceMethod<&JsDecoder::start>("start"),
         InstanceMethod<&JsDecoder::startAt>("startAt"),
         InstanceMethod<&JsDecoder::index>("index"),
         InstanceMethod<&JsDecoder::indexRows>("indexRows"),
         InstanceMethod<&JsDecoder::setIndex>("setIndex"),
         InstanceMethod<&JsDecoder::read>("read"),
         InstanceMethod<&JsDecoder::measure>("measure"),
         InstanceMethod<&JsDecoder::cancel>("cancel"),
         InstanceMethod<&JsDecoder::close>("close")});
  }

  explicit JsDecoder(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        addon_(*info.Env().GetInstanceData<Addon>()),
        session_(std::make_shared<Session>(
            readerOptions(info[0].As<Napi::Object>()))) {
    addon_.decoders.insert(this);
  }

  ~JsDecoder() override {
    addon_.decoders.erase(this);
    shutDown();
  }

  /// Ends the thread, waiting for the call under way to notice.
  void shutDown() {
    session_->interrupt.close();
    thread_.stop();
  }

 private:
  Napi::Value open(const Napi::CallbackInfo& info) {
    struct Opened {
      VideoInfo info;
      int frameBytes;
      DecodePath path;
    };
    return run(
        info.Env(),
        [](Decoder& decoder) {
          decoder.open();
          return Opened{
              decoder.info(), decoder.nativeFrameBytes(), decoder.path()};
        },
        [](Napi::Env env, const Opened& opened) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object["info"] = toJs(env, opened.info);
          object["frameBytes"] = toJs(env, opened.frameBytes);
          object["path"] = toJs(env, opened.path);
          return object;
        });
  }

  Napi::Value useHardware(const Napi::CallbackInfo& info) {
    const std::string type = info[0].As<Napi::String>().Utf8Value();
    const std::optional<SimulationPlan> plan = addon_.simulation;
    return run(
        info.Env(),
        [type, plan](Decoder& decoder) {
          std::unique_ptr<DeviceCalls> calls;
          if (plan) {
            calls = std::make_unique<SimulatedDevice>(*plan);
          } else {
            calls = std::make_unique<DeviceCalls>();
          }
          decoder.useHardware(type, std::move(calls));
          return decoder.path();
        },
        [](Napi::Env env, const DecodePath& path) { return toJs(env, path); });
  }

  Napi::Value start(const Napi::CallbackInfo& info) {
    const Selection selection = selectionFrom(info[0].As<Napi::Object>());
    const Output output = outputFrom(info[1].As<Napi::Object>());
    session_->interrupt.newPass();
    return run(
        info.Env(),
        [selection, output](Decoder& decoder) {
          decoder.start(selection, output);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  }

  Napi::Value startAt(const Napi::CallbackInfo& info) {
    const auto numbers = info[0].As<Napi::Float64Array>();
    std::vector<int64_t> frames(
        numbers.Data(), numbers.Data() + numbers.ElementLength());
    const Output output = outputFrom(info[1].As<Napi::Object>());
    session_->interrupt.newPass();
    return run(
        info.Env(),
        [frames = std::move(frames), output](Decoder& decoder) {
          decoder.startAt(frames, output);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  }

  Napi::Value index(const Napi::CallbackInfo& info) {
    session_->interrupt.newPass();
    return run(
        info.Env(), [](Decoder& decoder) { return decoder.index(); },
        [session = session_](
            Napi::Env env,
            const std::shared_ptr<const FrameIndex>& index) -> Napi::Value {
          session->index = index;
          Napi::Object object = Napi::Object::New(env);
          object["frames"] =
              Napi::Number::New(env, static_cast<double>(index->size()));
          object["fromPackets"] = toJs(env, index->fromPackets());
          return object;
        });
  }

  /// Fills the caller's memory with the index that `index` made.
  void indexRows(const Napi::CallbackInfo& info) {
    auto rows = info[0].As<Napi::ArrayBuffer>();
    const std::shared_ptr<const FrameIndex> index = session_->index;
    const size_t needed =
        index ? index->size() * kIndexColumns * sizeof(double) : SIZE_MAX;
    if (rows.ByteLength() < needed) {
      throw Napi::RangeError::New(info.Env(), "rows is too short");
    }
    auto* row = static_cast<double*>(rows.Data());
    for (size_t i = 0; i < index->size(); ++i, row += kIndexColumns) {
      const IndexEntry& entry = (*index)[i];
      row[kIndexPts] = static_cast<double>(entry.pts);
      row[kIndexDuration] = static_cast<double>(entry.duration);
      row[kIndexPosition] = static_cast<double>(entry.position);
      row[kIndexOrder] = static_cast<double>(entry.order);
      row[kIndexFlags] = entry.key ? kKeyFrame : 0;
    }
  }

  Napi::Value setIndex(const Napi::CallbackInfo& info) {
    auto rows = info[0].As<Napi::ArrayBuffer>();
    const bool fromPackets = info[1].As<Napi::Boolean>().Value();
    const auto* row = static_cast<const double*>(rows.Data());
    std::vector<IndexEntry> frames(
        rows.ByteLength() / (kIndexColumns * sizeof(double)));
    for (IndexEntry& entry : frames) {
      entry.pts = static_cast<int64_t>(row[kIndexPts]);
      entry.duration = static_cast<int64_t>(row[kIndexDuration]);
      entry.position = static_cast<int64_t>(row[kIndexPosition]);
      entry.order = static_cast<int64_t>(row[kIndexOrder]);
      entry.key = row[kIndexFlags] != 0;
      row += kIndexColumns;
    }
    auto index =
        std::make_shared<const FrameIndex>(std::move(frames), fromPackets);
    session_->interrupt.newPass();
    return run(
        info.Env(),
        [index](Decoder& decoder) {
          decoder.setIndex(index);
          return true;
        },
        [](Napi::Env env, bool) { return env.Undefined(); });
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    const auto array = info[0].As<Napi::Array>();
    auto rows = info[1].As<Napi::ArrayBuffer>();
    std::vector<FrameBuffer> buffers;
    const uint32_t count = array.Length();
    buffers.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      auto buffer = array.Get(i).As<Napi::ArrayBuffer>();
      buffers.push_back(
          {static_cast<uint8_t*>(buffer.Data()), buffer.ByteLength()});
    }
    const size_t rowBytes = kFrameColumns * sizeof(double);
    if (rows.ByteLength() < buffers.size() * rowBytes) {
      throw Napi::RangeError::New(info.Env(), "rows is too short");
    }
    auto* target = static_cast<double*>(rows.Data());
    return run(
        info.Env(),
        [buffers = std::move(buffers), target](Decoder& decoder) {
          return decoder.read(buffers, target);
        },
        [](Napi::Env env, const ReadResult& result) -> Napi::Value {
          return toJs(env, result);
        },
        {array, rows});
  }

  Napi::Value measure(const Napi::CallbackInfo& info) {
    auto rows = info[0].As<Napi::ArrayBuffer>();
    auto* target = static_cast<double*>(rows.Data());
    const size_t capacity =
        rows.ByteLength() / (kMeasureColumns * sizeof(double));
    return run(
        info.Env(),
        [target, capacity](Decoder& decoder) {
          return decoder.measure(target, capacity);
        },
        [](Napi::Env env, const ReadResult& result) -> Napi::Value {
          return toJs(env, result);
        },
        {rows});
  }

  void cancel(const Napi::CallbackInfo&) { session_->interrupt.cancel(); }

  /// Stops what is under way; file, codec and thread go as soon as it has,
  /// and the promise is settled then.
  Napi::Value close(const Napi::CallbackInfo& info) {
    session_->interrupt.close();
    auto free = [session = closed_ ? nullptr : session_] {
      if (session) session->decoder.reset();
      return true;
    };
    closed_ = true;
    const Napi::Value freed = post(
        info.Env(), std::move(free),
        [](Napi::Env env, bool) { return env.Undefined(); });
    thread_.finish();
    return freed;
  }

  /// Runs `work` on the session's decoder, on its thread.
  template <typename Work, typename Convert>
  Napi::Value run(
      Napi::Env env, Work work, Convert convert,
      const std::vector<Napi::Object>& kept = {}) {
    const uint64_t pass = session_->interrupt.currentPass();
    return post(
        env,
        [session = session_, pass, work = std::move(work)] {
          return work(session->enter(pass));
        },
        std::move(convert), kept);
  }

  template <typename Work, typename Convert>
  Napi::Value post(
      Napi::Env env, Work work, Convert convert,
      const std::vector<Napi::Object>& kept = {}) {
    auto job = std::make_shared<FunctionJob<Work, Convert>>(
        env, std::move(work), std::move(convert));
    // While it runs, the thread it runs on must not be collected.
    job->keep(Value());
    for (const Napi::Object& object : kept) job->keep(object);
    return addon_.completions.start(env, thread_, std::move(job));
  }

  Addon& addon_;
  std::shared_ptr<Session> session_;
  WorkThread thread_;
  bool closed_ = false;
};

void Addon::close() {
  for (JsDecoder* decoder : decoders) decoder->shutDown();
  completions.close();
}

// ------------------------------------------------------------- functions

Napi::Value versions(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto dotted = [&](unsigned version) {
    return Napi::String::New(
        env, std::to_string(AV_VERSION_MAJOR(version)) + "." +
                 std::to_string(AV_VERSION_MINOR(version)) + "." +
                 std::to_string(AV_VERSION_MICRO(version)));
  };
  Napi::Object object = Napi::Object::New(env);
  object["ffmpeg"] = Napi::String::New(env, av_version_info());
  object["libavformat"] = dotted(avformat_version());
  object["libavcodec"] = dotted(avcodec_version());
  object["libavutil"] = dotted(avutil_version());
  object["libswscale"] = dotted(swscale_version());
  if (!filterLibraryVersion().empty()) {
    object["libavfilter"] = toJs(env, filterLibraryVersion());
  }
  object["license"] = Napi::String::New(env, avcodec_license());
  object["configuration"] = Napi::String::New(env, avcodec_configuration());
  return object;
}

Plane toPlane(const Napi::Value& value) {
  const auto plane = value.As<Napi::Object>();
  const auto number = [&](const char* name) {
    return plane.Get(name).As<Napi::Number>().Int32Value();
  };
  return {
      plane.Get("data").As<Napi::Uint8Array>().Data(), number("width"),
      number("height"), number("stride")};
}

/// For tests against the TypeScript reference.
void measureFrames(const Napi::CallbackInfo& info) {
  auto rows = info[0].As<Napi::ArrayBuffer>();
  const auto frames = info[1].As<Napi::Array>();
  auto* row = static_cast<double*>(rows.Data());
  ChangeMeter changes;
  for (uint32_t i = 0; i < frames.Length(); ++i, row += kMeasureColumns) {
    const auto frame = frames.Get(i).As<Napi::Object>();
    const Plane luma = toPlane(frame.Get("luma"));
    const Plane u = toPlane(frame.Get("u"));
    const Plane v = toPlane(frame.Get("v"));
    const double time = frame.Get("time").As<Napi::Number>().DoubleValue();
    const bool fullRange = frame.Get("fullRange").As<Napi::Boolean>().Value();
    writeChange(changes.next({luma, u, v, fullRange}, time), row);
    writeMeasures(measureLuma(luma), row);
    row[kMeasureSaturation] = meanSaturation(u, v);
  }
}

Napi::Value hardwareDevices(const Napi::CallbackInfo& info) {
  return toJs(info.Env(), builtInDevices());
}

Napi::Value whyDeviceFails(const Napi::CallbackInfo& info) {
  return toJs(info.Env(), whyNotOpen(info[0].As<Napi::String>().Utf8Value()));
}

/// For tests, on machines without a device that decodes.
void simulateHardware(const Napi::CallbackInfo& info) {
  auto& addon = *info.Env().GetInstanceData<Addon>();
  addon.simulation.reset();
  if (!info[0].IsObject()) return;
  const auto object = info[0].As<Napi::Object>();
  SimulationPlan plan;
  plan.failsToOpen = boolean(object, "failsToOpen");
  plan.failsAtFrame = integer(object, "failsAtFrame");
  plan.failsAtTransfer = integer(object, "failsAtTransfer");
  plan.failsAtScaling = integer(object, "failsAtScaling");
  plan.surfaces = integer(object, "surfaces");
  addon.simulation = plan;
}

#ifndef _WIN32

/// Blocks. Whether the lock is held then: not every file system has any.
Napi::Value lockFile(const Napi::CallbackInfo& info) {
  const int descriptor = info[0].As<Napi::Number>().Int32Value();
  int result = 0;
  do {
    result = flock(descriptor, LOCK_EX);
  } while (result != 0 && errno == EINTR);
  return toJs(info.Env(), result == 0);
}

void unlockFile(const Napi::CallbackInfo& info) {
  flock(info[0].As<Napi::Number>().Int32Value(), LOCK_UN);
}

#endif

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  LogCapture::install();
  auto* addon = new Addon(env);  // owned by the environment
  env.SetInstanceData(addon);
  // Hooks run last in, first out: threads end before anything they use goes.
  env.AddCleanupHook([addon] { addon->close(); });
  exports["Decoder"] = JsDecoder::define(env);
  const Napi::Function memory = JsMemory::define(env);
  const Napi::Function stream = JsStream::define(env);
  addon->memory = Napi::Persistent(memory);
  addon->stream = Napi::Persistent(stream);
  exports["Memory"] = memory;
  exports["Stream"] = stream;
  exports["versions"] = Napi::Function::New(env, versions);
  exports["nativeBytes"] =
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
        return toJs(info.Env(), nativeBytes());
      });
  exports["hardwareDevices"] = Napi::Function::New(env, hardwareDevices);
  exports["whyDeviceFails"] = Napi::Function::New(env, whyDeviceFails);
  exports["simulateHardware"] = Napi::Function::New(env, simulateHardware);
  exports["measureFrames"] = Napi::Function::New(env, measureFrames);
#ifndef _WIN32
  exports["lockFile"] = Napi::Function::New(env, lockFile);
  exports["unlockFile"] = Napi::Function::New(env, unlockFile);
#endif
  return exports;
}

}  // namespace

}  // namespace rushes

using rushes::initialize;
NODE_API_MODULE(rushes, initialize)
