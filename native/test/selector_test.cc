#include "selector.h"

#include <doctest/doctest.h>

using rushes::Selection;
using rushes::Selector;

TEST_CASE("a range is half-open") {
  Selection selection;
  selection.start = 1;
  selection.end = 2;
  const Selector selector(selection);
  CHECK(selector.isBeforeStart(0.999));
  CHECK_FALSE(selector.isBeforeStart(1));
  CHECK_FALSE(selector.isPastEnd(1.999));
  CHECK(selector.isPastEnd(2));
}

TEST_CASE("a step counts from the first frame of the range") {
  Selection selection;
  selection.start = 10;
  selection.step = 3;
  Selector selector(selection);
  CHECK_FALSE(selector.takes(9));
  CHECK(selector.takes(10));
  CHECK_FALSE(selector.takes(11));
  CHECK_FALSE(selector.takes(12));
  CHECK(selector.takes(13));
}

TEST_CASE("targets are answered by the frame on screen") {
  Selection selection;
  selection.every = 0.5;
  Selector selector(selection);
  CHECK(selector.answers(0.1, 0.3) == 1);  // 0.1: the first frame's own time
  CHECK(selector.answers(0.3, 0.6) == 0);
  CHECK(selector.answers(0.6, 0.61) == 1);
  // Shown for long: several targets, one answer each.
  CHECK(selector.answers(0.61, 2.2) == 3);
}

TEST_CASE("products of targets that round up still meet their frame") {
  // 7 * 0.04 and the like differ from 7 / 25 in the last bit.
  Selection selection;
  selection.start = 0;
  selection.every = 0.04;
  Selector selector(selection);
  for (int i = 0; i < 10000; ++i) {
    REQUIRE(selector.answers(i / 25.0, (i + 1) / 25.0) == 1);
  }
}

TEST_CASE("targets before the first frame have no answer") {
  Selection selection;
  selection.start = 0;
  selection.every = 1;
  Selector selector(selection);
  CHECK(selector.answers(8.333, 8.9) == 0);
  CHECK(selector.answers(8.9, 9.1) == 1);
}

TEST_CASE("targets end with the range") {
  Selection selection;
  selection.end = 1;
  selection.every = 0.5;
  Selector selector(selection);
  CHECK(selector.answers(0, 0.9) == 2);
  CHECK(selector.answers(0.9, 5) == 0);
}

TEST_CASE("a leap in time does not loop over its targets") {
  Selection selection;
  selection.every = 1e-6;
  Selector selector(selection);
  CHECK(selector.answers(0, 1e12) == 1'000'000'000);
}

TEST_CASE("time that runs backwards answers nothing twice") {
  Selection selection;
  selection.every = 1;
  Selector selector(selection);
  CHECK(selector.answers(0, 2.5) == 3);
  CHECK(selector.answers(1, 0.5) == 0);
  CHECK(selector.answers(0.5, 3.5) == 1);
}

TEST_CASE("a frame can be skipped if another comes before the next target") {
  Selection selection;
  selection.every = 1;
  Selector selector(selection);
  CHECK_FALSE(selector.canSkip(0, 0.1));  // may be the first
  CHECK_FALSE(selector.nextTarget().has_value());
  CHECK(selector.answers(0, 0.1) == 1);
  CHECK(selector.nextTarget() == 1);
  CHECK(selector.canSkip(0.1, 0.2));
  CHECK(selector.canSkip(0.1, 1));  // on screen at 1 is the other one
  CHECK_FALSE(selector.canSkip(0.1, 1.1));
  CHECK_FALSE(selector.canSkip(1, 1.1));
  CHECK(selector.canSkip(1.04, 1.08));
  CHECK_FALSE(selector.canSkip(0.2, 0.1));
  CHECK_FALSE(selector.canSkip(0.1, 0.1));
}

TEST_CASE("with the frame before each sample the range keeps its ends") {
  Selection selection;
  selection.start = 10;
  selection.end = 20;
  selection.every = 4;
  selection.previous = true;
  Selector selector(selection);
  CHECK(selector.framesBetween() == 2);
  CHECK(selector.canSkip(9.8, 9.9));
  CHECK_FALSE(selector.canSkip(10.1, 10.2));  // may be the first
  CHECK(selector.answers(10, 10.2) == 1);
  CHECK(selector.canSkip(10.1, 10.2));
  CHECK_FALSE(selector.nextTarget().has_value());  // no jumps
  CHECK_FALSE(selector.canSkip(19, 20));           // may be the last
}

TEST_CASE("what is skipped keeps to the range") {
  Selection selection;
  selection.start = 10;
  selection.end = 20;
  CHECK(Selector(selection).canSkip(9.9, 9.8));
  CHECK_FALSE(Selector(selection).canSkip(10, 10.1));
  selection.every = 4;
  Selector selector(selection);
  CHECK_FALSE(selector.canSkip(9.9, 10.1));  // on screen at 10
  CHECK(selector.canSkip(3, 10));
  CHECK_FALSE(selector.canSkip(17.9, 18.1));
  CHECK(selector.answers(9.9, 18.1) == 3);
  CHECK_FALSE(selector.nextTarget().has_value());  // 22 lies behind the range
  CHECK(selector.canSkip(19, 23));
  selection.all = true;
  CHECK_FALSE(Selector(selection).canSkip(3, 10));
}
