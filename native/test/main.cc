#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "error.h"

int main(int argc, char** argv) {
  rushes::LogCapture::install();  // as the addon does: FFmpeg prints nothing
  return doctest::Context(argc, argv).run();
}
