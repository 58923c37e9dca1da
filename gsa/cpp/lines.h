// Lines of a picture in scratch memory, laid out for vector registers.
//
// A line is a row or a column of a picture in one head: n cells of d channels.

#pragma once

#include <cstdint>

#include "registers.h"

namespace {

// As gsa/native_steps.py fills it in. Data is (image, cell, line, head, channel), or with the
// cells inside the lines: `along` pixels from a cell to the next, `across` from a line to the next.
struct Sizes {
  int64_t images, lines, n, heads, d, along, across;

  int64_t padded() const { return (n + W - 1) / W * W; }
  int64_t wide() const { return W + padded() + W; }    // of a row with margins
  int64_t shifts() const { return n + padded() + W; }  // of a row of a table, with a margin
};

// One line, by cells as `rows` (n, D) and by channels as `columns` (D, wide). In a line that was
// read, cells beyond n and channels beyond d are zero, as scratch memory is at the start.
template <int D> struct Line {
  const Sizes& s;
  float *rows, *columns;

  Line(const Sizes& sizes, Scratch& scratch)
      : s(sizes), rows(scratch.take(s.padded() * D)), columns(scratch.take(D * s.wide())) {}

  float* channel(int64_t c, int64_t a) const { return columns + c * s.wide() + W + a; }

  void by_channels() {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8) transpose(rows + a * D + c, D, channel(c, a), s.wide());
  }
  void by_cells() {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8) transpose(channel(c, a), s.wide(), rows + a * D + c, D);
  }
};

}  // namespace
