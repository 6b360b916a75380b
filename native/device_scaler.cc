#include "device_scaler.h"

#include <array>

#include "compat.h"

#if RUSHES_AVFILTER
extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/opt.h>
}

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#endif

namespace rushes {

#if RUSHES_AVFILTER

namespace {

struct ScaleFilter {
  AVHWDeviceType device;
  const char* name;
  /// Beside the size. Options that this FFmpeg's filter lacks are left out.
  std::array<std::array<const char*, 2>, 2> options;
  /// It looks at a few samples around a place, wherever the next place is:
  /// pictures are halved until that is enough.
  bool halves;
};

constexpr std::array kFilters = {
    ScaleFilter{AV_HWDEVICE_TYPE_VIDEOTOOLBOX, "scale_vt", {}, false},
    ScaleFilter{
        AV_HWDEVICE_TYPE_CUDA,
        "scale_cuda",
        {{{"interp_algo", "bilinear"}}},
        true},
    ScaleFilter{
        AV_HWDEVICE_TYPE_VAAPI, "scale_vaapi", {{{"mode", "hq"}}}, false},
    ScaleFilter{
        AV_HWDEVICE_TYPE_QSV,
        "vpp_qsv",
        // A frame comes out for each that goes in.
        {{{"scale_mode", "hq"}, {"async_depth", "0"}}},
        false},
    ScaleFilter{
        AV_HWDEVICE_TYPE_VULKAN,
        "scale_vulkan",
        {{{"scaler", "bilinear"}}},
        true},
};

const ScaleFilter& filterFor(AVHWDeviceType device) {
  const auto* found = std::ranges::find(kFilters, device, &ScaleFilter::device);
  if (found != kFilters.end()) return *found;
  throw Error(
      ErrorCode::kUnsupported,
      std::string("FFmpeg has no filter that scales on ") +
          av_hwdevice_get_type_name(device));
}

/// FFmpeg's shared library of that name, beside libavcodec.
std::string pathOfLibrary() {
#ifdef __APPLE__
  std::string name =
      "libavfilter." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR) ".dylib";
#else
  std::string name = "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR);
#endif
  Dl_info codec;
  if (dladdr(reinterpret_cast<const void*>(avcodec_version), &codec) == 0) {
    return name;
  }
  return std::filesystem::path(codec.dli_fname).parent_path() / name;
}

/// The functions of libavfilter that are used here.
class FilterLibrary {
 public:
  FilterLibrary() {
    const std::string path = pathOfLibrary();
    // It stays: some of the libraries that it brings cannot be unloaded.
    void* library =
        dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
      throw Error(ErrorCode::kUnsupported, std::string("dlopen: ") + dlerror());
    }
    const auto load = [library](auto& function, const char* name) {
      void* found = dlsym(library, name);
      if (found == nullptr) {
        throw Error(
            ErrorCode::kUnsupported, std::string("dlsym: ") + dlerror());
      }
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
    };
#define RUSHES_LOAD(name) load(name, #name)
    RUSHES_LOAD(avfilter_get_by_name);
    RUSHES_LOAD(avfilter_graph_alloc);
    RUSHES_LOAD(avfilter_graph_free);
    RUSHES_LOAD(avfilter_graph_alloc_filter);
    RUSHES_LOAD(avfilter_init_str);
    RUSHES_LOAD(avfilter_link);
    RUSHES_LOAD(avfilter_graph_config);
    RUSHES_LOAD(av_buffersrc_parameters_alloc);
    RUSHES_LOAD(av_buffersrc_parameters_set);
    RUSHES_LOAD(av_buffersrc_add_frame_flags);
    RUSHES_LOAD(av_buffersink_get_frame);
#undef RUSHES_LOAD
  }

  decltype(&::avfilter_get_by_name) avfilter_get_by_name;
  decltype(&::avfilter_graph_alloc) avfilter_graph_alloc;
  decltype(&::avfilter_graph_free) avfilter_graph_free;
  decltype(&::avfilter_graph_alloc_filter) avfilter_graph_alloc_filter;
  decltype(&::avfilter_init_str) avfilter_init_str;
  decltype(&::avfilter_link) avfilter_link;
  decltype(&::avfilter_graph_config) avfilter_graph_config;
  decltype(&::av_buffersrc_parameters_alloc) av_buffersrc_parameters_alloc;
  decltype(&::av_buffersrc_parameters_set) av_buffersrc_parameters_set;
  decltype(&::av_buffersrc_add_frame_flags) av_buffersrc_add_frame_flags;
  decltype(&::av_buffersink_get_frame) av_buffersink_get_frame;
};

/// What a graph is made for. Its frames are kept by the graph, so that their
/// address is nobody else's meanwhile. Decoders make new ones for each change
/// of size, so that a graph of which the size has changed is of no more use.
struct GraphInput {
  const void* frames = nullptr;
  PictureSize size;
  PictureSize target;
  AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
  AVColorRange range = AVCOL_RANGE_UNSPECIFIED;
  bool operator==(const GraphInput&) const = default;
};

}  // namespace

struct DeviceScaler::Graph {
  explicit Graph(const ScaleFilter& filter) : filter(filter) {}
  ~Graph() { library.avfilter_graph_free(&graph); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void build(const AVFrame& surface, const GraphInput& wanted);
  AVFilterContext& add(const char* name);
  void addSource(const AVFrame& surface);
  void addScaler(PictureSize size);
  void append(AVFilterContext& next);

  const ScaleFilter& filter;
  FilterLibrary library;
  AVFilterGraph* graph = nullptr;
  AVFilterContext* source = nullptr;
  /// The last of the chain; when that is complete, the sink.
  AVFilterContext* last = nullptr;
  GraphInput input;
};

/// Makes `buffer ! scale_x ! … ! buffersink`.
void DeviceScaler::Graph::build(
    const AVFrame& surface, const GraphInput& wanted) {
  library.avfilter_graph_free(&graph);
  input = {};
  graph = library.avfilter_graph_alloc();
  checkAlloc(graph, "avfilter_graph_alloc");
  addSource(surface);
  const PictureSize target = wanted.target;
  PictureSize size = wanted.size;
  while (filter.halves &&
         (size.width > 2 * target.width || size.height > 2 * target.height)) {
    size.width = std::max(target.width, (size.width + 1) / 2);
    size.height = std::max(target.height, (size.height + 1) / 2);
    addScaler(size);
  }
  if (size != target) addScaler(target);
  AVFilterContext& sink = add("buffersink");
  check(library.avfilter_init_str(&sink, nullptr), "avfilter_init_str");
  append(sink);
  check(library.avfilter_graph_config(graph, nullptr), "avfilter_graph_config");
  input = wanted;
}

/// One that is not initialised yet.
AVFilterContext& DeviceScaler::Graph::add(const char* name) {
  const AVFilter* found = library.avfilter_get_by_name(name);
  if (found == nullptr) {
    throw Error(
        ErrorCode::kUnsupported, "this FFmpeg was built without the filter");
  }
  AVFilterContext* context =
      library.avfilter_graph_alloc_filter(graph, found, nullptr);
  checkAlloc(context, "avfilter_graph_alloc_filter");
  return *context;
}

void DeviceScaler::Graph::append(AVFilterContext& next) {
  check(library.avfilter_link(last, 0, &next, 0), "avfilter_link");
  last = &next;
}

void DeviceScaler::Graph::addSource(const AVFrame& surface) {
  source = last = &add("buffer");
  const std::unique_ptr<AVBufferSrcParameters, FreeWith<av_freep>> parameters(
      library.av_buffersrc_parameters_alloc());
  checkAlloc(parameters.get(), "av_buffersrc_parameters_alloc");
  parameters->format = surface.format;
  parameters->width = surface.width;
  parameters->height = surface.height;
  // Times are put back afterwards.
  parameters->time_base = {1, 1};
  parameters->hw_frames_ctx = surface.hw_frames_ctx;
#if RUSHES_FILTERS_NEGOTIATE_COLOR
  parameters->color_space = surface.colorspace;
  parameters->color_range = surface.color_range;
#endif
  check(
      library.av_buffersrc_parameters_set(source, parameters.get()),
      "av_buffersrc_parameters_set");
  check(library.avfilter_init_str(source, nullptr), "avfilter_init_str");
}

void DeviceScaler::Graph::addScaler(PictureSize size) {
  AVFilterContext& scaler = add(filter.name);
  const auto set = [&scaler](const char* name, const char* value) {
    check(av_opt_set(scaler.priv, name, value, 0), name);
  };
  set("w", std::to_string(size.width).c_str());
  set("h", std::to_string(size.height).c_str());
  for (const auto& [name, value] : filter.options) {
    if (name != nullptr &&
        av_opt_find(scaler.priv, name, nullptr, 0, 0) != nullptr) {
      set(name, value);
    }
  }
  check(library.avfilter_init_str(&scaler, nullptr), "avfilter_init_str");
  append(scaler);
}

DeviceScaler::DeviceScaler(AVHWDeviceType type)
    : filter_(filterFor(type).name),
      graph_(std::make_unique<Graph>(filterFor(type))) {}

DeviceScaler::~DeviceScaler() = default;

void DeviceScaler::scale(Frame& surface, PictureSize size) {
  const GraphInput wanted{
      surface->hw_frames_ctx->data,
      {surface->width, surface->height},
      size,
      surface->colorspace,
      surface->color_range};
  if (graph_->input != wanted) graph_->build(*surface, wanted);
  const FilterLibrary& library = graph_->library;
  check(
      library.av_buffersrc_add_frame_flags(
          graph_->source, surface.get(), AV_BUFFERSRC_FLAG_KEEP_REF),
      "av_buffersrc_add_frame_flags");
  Frame small;
  check(
      library.av_buffersink_get_frame(graph_->last, small.get()),
      "av_buffersink_get_frame");
  if (small->width != size.width || small->height != size.height ||
      small->hw_frames_ctx == nullptr) {
    throw Error(ErrorCode::kFfmpeg, "the picture has another size");
  }
  check(av_frame_copy_props(small.get(), surface.get()), "av_frame_copy_props");
  std::swap(surface, small);
}

std::string filterLibraryVersion() { return AV_STRINGIFY(LIBAVFILTER_VERSION); }

#else

struct DeviceScaler::Graph {};

DeviceScaler::DeviceScaler(AVHWDeviceType /*type*/) {
  throw Error(ErrorCode::kUnsupported, "rushes was built without libavfilter");
}

DeviceScaler::~DeviceScaler() = default;

void DeviceScaler::scale(Frame& /*surface*/, PictureSize /*size*/) {}

std::string filterLibraryVersion() { return ""; }

#endif

}  // namespace rushes
