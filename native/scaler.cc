#include "scaler.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cstring>

namespace rushes {

namespace {

AVPixelFormat pixelFormatOf(OutputFormat format) {
  switch (format) {
    case OutputFormat::kRgb24:
      return AV_PIX_FMT_RGB24;
    case OutputFormat::kRgba:
      return AV_PIX_FMT_RGBA;
    case OutputFormat::kBgr24:
      return AV_PIX_FMT_BGR24;
    case OutputFormat::kGray8:
      return AV_PIX_FMT_GRAY8;
    case OutputFormat::kYuv420p:
      return AV_PIX_FMT_YUV420P;
    case OutputFormat::kRgb48le:
      return AV_PIX_FMT_RGB48LE;
    case OutputFormat::kNative:
      break;
  }
  return AV_PIX_FMT_NONE;
}

/// Planes of a picture without padding that starts at `out`.
PlaneSet tightPlanes(
    AVPixelFormat format, int width, int height, uint8_t* out) {
  PlaneSet planes;
  check(
      av_image_fill_arrays(
          planes.data.data(), planes.stride.data(), out, format, width, height,
          1),
      "av_image_fill_arrays");
  return planes;
}

bool isYuv(const AVPixFmtDescriptor& layout) {
  return (layout.flags & AV_PIX_FMT_FLAG_RGB) == 0 && layout.nb_components >= 3;
}

/// The 8-bit planar layout with the chroma of `layout`: what planes are scaled
/// in before colour is converted.
AVPixelFormat planarFormat(const AVPixFmtDescriptor& layout, bool keepAlpha) {
  const bool alpha = keepAlpha && (layout.flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
  if (layout.log2_chroma_w == 0 && layout.log2_chroma_h == 0) {
    return alpha ? AV_PIX_FMT_YUVA444P : AV_PIX_FMT_YUV444P;
  }
  if (layout.log2_chroma_w == 1 && layout.log2_chroma_h == 0) {
    return alpha ? AV_PIX_FMT_YUVA422P : AV_PIX_FMT_YUV422P;
  }
  return alpha ? AV_PIX_FMT_YUVA420P : AV_PIX_FMT_YUV420P;
}

/// The same with 16 bits, in this machine's byte order; alpha is dropped.
AVPixelFormat planarFormat16(const AVPixFmtDescriptor& layout) {
  if (layout.log2_chroma_w == 0 && layout.log2_chroma_h == 0) {
    return AV_PIX_FMT_YUV444P16;
  }
  return layout.log2_chroma_h == 0 ? AV_PIX_FMT_YUV422P16
                                   : AV_PIX_FMT_YUV420P16;
}

/// How a pixel of the first plane lies in memory.
PixelLayout layoutOf(OutputFormat format) {
  switch (format) {
    case OutputFormat::kRgb24:
      return {3, 0, 1, 2};
    case OutputFormat::kBgr24:
      return {3, 2, 1, 0};
    case OutputFormat::kRgba:
      return {4, 0, 1, 2};
    case OutputFormat::kRgb48le:
      return {6, 0, 2, 4};
    default:
      return {1, 0, 0, 0};
  }
}

/// Whether the fast conversion to 8 bits, which repeats chroma samples, is the
/// one that people know: of 8-bit 4:2:0, from whatever tool they use.
bool isCommon(AVPixelFormat format) {
  return format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_NV12 ||
         format == AV_PIX_FMT_NV21;
}

/// swscale's flags. Conversions without scaling use those of the ffmpeg tool,
/// so as to equal it: its default for 8-bit 4:2:0 and for 16-bit output, and
/// for everything else what makes it accurate.
int flagsFor(const PictureFormat& from, const PictureFormat& to) {
  const bool shrinks = to.width <= from.width && to.height <= from.height;
  const bool scales = to.width != from.width || to.height != from.height;
  if (shrinks && scales) return SWS_AREA;
  const bool deep = av_pix_fmt_desc_get(to.format)->comp[0].depth > 8;
  if (isCommon(from.format) || deep) return SWS_BICUBIC;
  return SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT |
         SWS_FULL_CHR_H_INP;
}

/// The smallest half of a coordinate that covers it.
int halfUp(int value) { return -((-value) >> 1); }

}  // namespace

void Converter::run(
    const PictureFormat& from, const PlaneSet& source, const PictureFormat& to,
    const PlaneSet& target) {
  if (!context_ || from != from_ || to != to_) {
    context_.reset(sws_alloc_context());
    checkAlloc(context_.get(), "sws_alloc_context");
    const auto set = [&](const char* option, int value) {
      check(av_opt_set_int(context_.get(), option, value, 0), option);
    };
    set("srcw", from.width);
    set("srch", from.height);
    set("src_format", from.format);
    set("src_range", from.fullRange ? 1 : 0);
    set("dstw", to.width);
    set("dsth", to.height);
    set("dst_format", to.format);
    set("dst_range", to.fullRange ? 1 : 0);
    set("sws_flags", flagsFor(from, to));
    // 4:2:0 chroma lies between two rows, as FFmpeg's scale filter has it.
    const auto halvesRows = [](AVPixelFormat format) {
      return av_pix_fmt_desc_get(format)->log2_chroma_h == 1;
    };
    if (halvesRows(from.format)) set("src_v_chr_pos", 128);
    if (halvesRows(to.format)) set("dst_v_chr_pos", 128);
    check(
        sws_init_context(context_.get(), nullptr, nullptr), "sws_init_context");
    sws_setColorspaceDetails(
        context_.get(), sws_getCoefficients(from.matrix),
        from.fullRange ? 1 : 0, sws_getCoefficients(to.matrix),
        to.fullRange ? 1 : 0, 0, 1 << 16, 1 << 16);
    from_ = from;
    to_ = to;
  }
  check(
      sws_scale(
          context_.get(), source.data.data(), source.stride.data(), 0,
          from.height, target.data.data(), target.stride.data()),
      "sws_scale");
}

/// Whether frames like this one are scaled by our own code, not by swscale.
bool Scaler::scalesByArea(const AVFrame& frame) const {
  return !mapsTones(frame) && AreaScaler::supports(
                                  frame, pixelFormatOf(output_.format),
                                  output_.scaleWidth, output_.scaleHeight);
}

/// Whether high dynamic range is to be brought down.
bool Scaler::mapsTones(const AVFrame& frame) const {
  const bool eightBitRgb = output_.format != OutputFormat::kYuv420p &&
                           output_.format != OutputFormat::kRgb48le;
  return output_.toneMap && eightBitRgb && ToneMap::applies(frame.color_trc);
}

/// Whether the picture may be made in the caller's memory: if it stays as it
/// is made, and the maker keeps within it. swscale's vector code writes
/// whole vectors, up to 60 bytes past rows whose width is no multiple of 16,
/// and some of it crashes on unaligned planes (NV12 to yuv420p): tried for all
/// widths to 260 and twelve source formats with FFmpeg 5.1.
bool Scaler::writesInPlace(bool byArea) const noexcept {
  return (byArea || (output_.width % 64 == 0 &&
                     output_.format != OutputFormat::kYuv420p)) &&
         output_.orientation.quarterTurns == 0 && !output_.orientation.flip &&
         output_.left == 0 && output_.top == 0 &&
         output_.width == output_.scaleWidth &&
         output_.height == output_.scaleHeight;
}

int Scaler::bytes(const AVFrame& frame) const {
  const bool native = keepsFormat();
  return check(
      av_image_get_buffer_size(
          native ? static_cast<AVPixelFormat>(frame.format)
                 : pixelFormatOf(output_.format),
          native ? frame.width : output_.width,
          native ? frame.height : output_.height, 1),
      "av_image_get_buffer_size");
}

void Scaler::write(const AVFrame& frame, uint8_t* out) {
  if (keepsFormat()) {
    check(
        av_image_copy_to_buffer(
            out, bytes(frame), frame.data, frame.linesize,
            static_cast<AVPixelFormat>(frame.format), frame.width, frame.height,
            1),
        "av_image_copy_to_buffer");
    return;
  }
  const AVPixelFormat format = pixelFormatOf(output_.format);
  const PlaneSet target =
      tightPlanes(format, output_.width, output_.height, out);
  const bool byArea = scalesByArea(frame);
  const bool inPlace = writesInPlace(byArea);
  if (!inPlace) {
    // swscale's vector code leaves the last pixels of a row out where the row
    // has no room for eight of them.
    const int roomy = (output_.scaleWidth + 15) & ~15;
    upright_.allocate(format, roomy, output_.scaleHeight);
  }
  const PlaneSet& made = inPlace ? target : upright_.planes();
  if (byArea) {
    area_.prepare(frame, format, output_.scaleWidth, output_.scaleHeight);
    area_.write(frame, made);
  } else if (mapsTones(frame)) {
    convertToneMapped(frame, made);
  } else {
    convertTo(format, frame, made);
  }
  if (inPlace) return;
  if (output_.left > 0 || output_.top > 0) paintBlack(frame, out);
  place(upright_.planes(), target);
}

void Scaler::paintBlack(const AVFrame& frame, uint8_t* out) const {
  const int total = bytes(frame);
  const int pixels = output_.width * output_.height;
  const bool yuv = output_.format == OutputFormat::kYuv420p;
  const bool limited = yuv && !formatOf(frame).fullRange;
  std::memset(out, limited ? 16 : 0, total);
  if (yuv) std::memset(out + pixels, 128, total - pixels);
  if (output_.format == OutputFormat::kRgba) {
    for (int i = 0; i < pixels; ++i) out[4 * i + 3] = 255;
  }
}

void Scaler::convertToneMapped(const AVFrame& frame, const PlaneSet& target) {
  // Note [Tone mapping]
  if (!toneMap_) toneMap_.emplace(frame.color_trc, frame.color_primaries);
  wide_.allocate(AV_PIX_FMT_RGB48, output_.scaleWidth, output_.scaleHeight);
  const PlaneSet& wide = wide_.planes();
  convertTo(AV_PIX_FMT_RGB48, frame, wide);
  const PixelLayout layout = layoutOf(output_.format);
  for (ptrdiff_t y = 0; y < output_.scaleHeight; ++y) {
    toneMap_->row(
        reinterpret_cast<const uint16_t*>(wide.data[0] + y * wide.stride[0]),
        output_.scaleWidth, target.data[0] + y * target.stride[0], layout);
  }
}

void Scaler::convertTo(
    AVPixelFormat format, const AVFrame& frame, const PlaneSet& target) {
  PictureFormat from = formatOf(frame);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(from.format);
  // Between RGB layouts swscale may go through YUV: by its own matrix.
  if (!isYuv(*layout)) from.matrix = AVCOL_SPC_UNSPECIFIED;
  PictureFormat to{
      format, output_.scaleWidth, output_.scaleHeight, from.matrix,
      from.fullRange};
  const bool toRgb =
      (av_pix_fmt_desc_get(format)->flags & AV_PIX_FMT_FLAG_RGB) != 0;
  if (!isYuv(*layout) && !toRgb) {
    to.fullRange = false;
  }
  // Grey output is full range whatever the stream's: FFmpeg's rule.
  if (format == AV_PIX_FMT_GRAY8) to.fullRange = true;
  const bool scales = to.width != from.width || to.height != from.height;
  if (!scales || !toRgb || !isYuv(*layout)) {
    scale_.run(from, planesOf(frame), to, target);
    return;
  }
  PictureFormat small = from;
  small.format = format == AV_PIX_FMT_RGB48
                     ? planarFormat16(*layout)
                     : planarFormat(*layout, format == AV_PIX_FMT_RGBA);
  small.width = to.width;
  small.height = to.height;
  scaled_.allocate(small.format, small.width, small.height);
  scale_.run(from, planesOf(frame), small, scaled_.planes());
  color_.run(small, scaled_.planes(), to, target);
}

void Scaler::place(const PlaneSet& source, const PlaneSet& target) const {
  const Orientation orientation = output_.orientation;
  const int bytes = layoutOf(output_.format).bytes;
  placePlane(
      {source.data[0], source.stride[0], output_.scaleWidth,
       output_.scaleHeight},
      orientation,
      {target.data[0], target.stride[0], output_.width, output_.height},
      {output_.left, output_.top}, bytes);
  if (output_.format != OutputFormat::kYuv420p) return;
  for (int plane = 1; plane <= 2; ++plane) {
    placePlane(
        {source.data[plane], source.stride[plane], halfUp(output_.scaleWidth),
         halfUp(output_.scaleHeight)},
        orientation,
        {target.data[plane], target.stride[plane], halfUp(output_.width),
         halfUp(output_.height)},
        {halfUp(output_.left), halfUp(output_.top)}, 1);
  }
}

}  // namespace rushes
