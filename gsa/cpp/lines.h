// Lines of a picture in scratch memory, laid out for vector registers.
//
// A line is a row or a column of a picture in one head: n cells of d channels. Several are worked
// on together: they have the embeddings in common, so that each register of embeddings is loaded
// once for all of them.

#pragma once

#include <algorithm>
#include <cstdint>

#include "registers.h"

namespace {

// Data is (image, cell, line, head, channel), or with the cells inside the lines: `along` pixels
// from a cell to the next, `across` from a line to the next.
struct Sizes {
  int64_t images, lines, n, heads, d, along, across;

  int64_t all_lines() const { return images * lines * heads; }
  int64_t padded() const { return (n + W - 1) / W * W; }
  int64_t wide() const { return W + padded() + W; }    // of a row with margins
  int64_t shifts() const { return n + padded() + W; }  // of a row of a table, with a margin
};

constexpr int LINES = 2;  // that are worked on together

// Where they are: the first pixel and the head of each. Beside the last line there may be none;
// what is made in its place is not written, and its rows are zeros where lines are summed up.
//
// An image's lines go by pairs of heads, which are neighbours in memory: a thread that takes a part
// of all lines has the same heads in every step, and so in its cache.
struct Places {
  int count = 0;
  int64_t pixel[LINES], head[LINES];

  Places(const Sizes& s, int64_t first) {
    for (int64_t at = first; at < std::min(first + LINES, s.all_lines()); ++at, ++count) {
      const int64_t image = at / (s.lines * s.heads), rest = at % (s.lines * s.heads);
      const Paired place(rest, s.lines, s.heads);
      pixel[count] = image * s.n * s.lines + place.at * s.across;
      head[count] = place.head;
    }
  }
};

// Lines by cells, as `rows` (n, D), and by channels, as `columns` (D, wide). In lines that were
// read, cells beyond n and channels beyond d are what was there before: zeros in cleared memory.
template <int D> struct Lines {
  const Sizes& s;
  float *all_rows, *all_columns;

  Lines(const Sizes& sizes, Scratch& scratch, bool wanted = true)
      : s(sizes), all_rows(scratch.take(wanted ? LINES * s.padded() * D : 0)),
        all_columns(scratch.take(wanted ? LINES * D * s.wide() : 0)) {}

  float* rows(int l) const { return all_rows + l * s.padded() * D; }
  float* channel(int l, int64_t c, int64_t a) const {
    return all_columns + (l * D + c) * s.wide() + W + a;
  }

  void read_rows(const void* data, const Layout& layout, const Places& from) {
    for (int l = 0; l < from.count; ++l)
      read<D>(data, layout, from.pixel[l], from.head[l], s.n, rows(l));
    for (int l = from.count; l < LINES; ++l) std::fill_n(rows(l), s.n * D, 0.0f);
  }

  void read_columns(const void* data, const Layout& layout, const Places& from) {
    if (layout.d < D) {
      read_rows(data, layout, from);
      return rows_to_columns();
    }
    for (int l = 0; l < from.count; ++l) {
      const int64_t at = layout.first(from.pixel[l], from.head[l]);
      if (layout.half)
        turn(l, static_cast<const BFloat16*>(data) + at, layout.step());
      else
        turn(l, static_cast<const float*>(data) + at, layout.step());
    }
  }

  void rows_to_columns() {
    for (int l = 0; l < LINES; ++l) turn(l, rows(l), D);
  }

  void write_columns(void* data, const Layout& layout, const Places& to) {
    for (int l = 0; l < to.count; ++l) {
      const int64_t at = layout.first(to.pixel[l], to.head[l]);
      if (layout.d < D) {
        turn_back(l, rows(l), D);
        write<D>(rows(l), data, layout, to.pixel[l], to.head[l], s.n);
      } else if (layout.half)
        turn_back(l, static_cast<BFloat16*>(data) + at, layout.step());
      else
        turn_back(l, static_cast<float*>(data) + at, layout.step());
    }
  }

  // cells that are `step` numbers apart, to columns
  template <class From> void turn(int l, const From* from, int64_t step) {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8)
        transpose(from + a * step + c, step, channel(l, c, a), s.wide(), s.n - a);
  }

  // and back
  template <class To> void turn_back(int l, To* to, int64_t step) {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8)
        transpose(channel(l, c, a), s.wide(), to + a * step + c, step, 8, s.n - a);
  }
};

}  // namespace
