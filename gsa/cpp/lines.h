// Lines of a picture in scratch memory, laid out for vector registers.
//
// A line is a row or a column of a picture in one head: n cells of d channels.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

#ifdef __AVX512F__
constexpr int W = 16, MOST = 16;  // lanes of a register, registers for one factor of a sum
#else
constexpr int W = 8, MOST = 8;
#endif

typedef float Vector __attribute__((vector_size(W * sizeof(float))));
typedef Vector Anywhere __attribute__((aligned(sizeof(float)), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const Anywhere*>(from); }
inline void store(float* to, Vector x) { *reinterpret_cast<Anywhere*>(to) = x; }

struct BFloat16 {
  uint16_t bits;
};

inline void convert(float x, float& to) { to = x; }
inline void convert(BFloat16 x, float& to) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  std::memcpy(&to, &bits, sizeof to);
}
inline void convert(float x, BFloat16& to) {  // to the nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  to.bits = x != x ? 0x7fc0 : uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// d of at most D channels; the usual d, all of them, is a constant to the compiler
template <int D, class From, class To> inline void copy(const From* from, To* to, int64_t d) {
  if (d == D)
    for (int c = 0; c < D; ++c) convert(from[c], to[c]);
  else
    for (int64_t c = 0; c < d; ++c) convert(from[c], to[c]);
}

typedef float Eight __attribute__((vector_size(8 * sizeof(float))));
typedef Eight EightAnywhere __attribute__((aligned(sizeof(float)), may_alias));
typedef int32_t EightLanes __attribute__((vector_size(8 * sizeof(int32_t))));

template <int HALF> inline void swap_blocks(Eight (&x)[8]) {
  EightLanes first, second;
  for (int l = 0; l < 8; ++l) {
    first[l] = l & HALF ? 8 + l - HALF : l;
    second[l] = l & HALF ? 8 + l : l + HALF;
  }
  for (int i = 0; i < 8; ++i)
    if (!(i & HALF)) {
      const Eight a = x[i], b = x[i + HALF];
      x[i] = __builtin_shuffle(a, b, first);
      x[i + HALF] = __builtin_shuffle(a, b, second);
    }
}

// 8 x 8 numbers
inline void transpose(const float* from, int64_t stride, float* to, int64_t to_stride) {
  Eight x[8];
  for (int i = 0; i < 8; ++i) x[i] = *reinterpret_cast<const EightAnywhere*>(from + i * stride);
  swap_blocks<1>(x);
  swap_blocks<2>(x);
  swap_blocks<4>(x);
  for (int i = 0; i < 8; ++i) *reinterpret_cast<EightAnywhere*>(to + i * to_stride) = x[i];
}

// As gsa/native_steps.py fills it in. Data is (image, cell, line, head, channel), or with the
// cells inside the lines: `along` pixels from a cell to the next, `across` from a line to the next.
struct Sizes {
  int64_t images, lines, n, heads, d, along, across;

  int64_t padded() const { return (n + W - 1) / W * W; }
  int64_t wide() const { return W + padded() + W; }    // of a row with margins
  int64_t shifts() const { return n + padded() + W; }  // of a row of a table, with a margin
};

// Memory that the caller lends; without a base it is only counted.
struct Scratch {
  float* base;
  int64_t used = 0;

  static int64_t rounded(int64_t floats) { return (floats + W - 1) / W * W; }
  float* take(int64_t floats) {
    float* taken = base ? base + used : nullptr;
    used += rounded(floats);
    return taken;
  }
};

// One line, by cells as `rows` (n, D) and by channels as `columns` (D, wide). Cells beyond n and
// channels beyond d are zero, as scratch memory is at the start.
template <int D> struct Line {
  const Sizes& s;
  float *rows, *columns;

  Line(const Sizes& s, Scratch& scratch)
      : s(s), rows(scratch.take(s.padded() * D)), columns(scratch.take(D * s.wide())) {}

  float* channel(int64_t c, int64_t a) const { return columns + c * s.wide() + W + a; }

  // from data whose cells are `stride` numbers apart; `half` is for bfloat16
  void read(const void* data, bool half, int64_t first, int64_t stride) {
    if (half)
      read_as(static_cast<const BFloat16*>(data) + first, stride);
    else
      read_as(static_cast<const float*>(data) + first, stride);
  }
  void by_channels() {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8) transpose(rows + a * D + c, D, channel(c, a), s.wide());
  }
  // the columns, as `read` takes them
  void write(void* data, bool half, int64_t first, int64_t stride) {
    for (int64_t a = 0; a < s.n; a += 8)
      for (int c = 0; c < D; c += 8) transpose(channel(c, a), s.wide(), rows + a * D + c, D);
    if (half)
      write_as(static_cast<BFloat16*>(data) + first, stride);
    else
      write_as(static_cast<float*>(data) + first, stride);
  }

 private:
  template <class T> void read_as(const T* from, int64_t stride) {
    for (int64_t a = 0; a < s.n; ++a) copy<D>(from + a * stride, rows + a * D, s.d);
  }
  template <class T> void write_as(T* to, int64_t stride) const {
    for (int64_t a = 0; a < s.n; ++a) copy<D>(rows + a * D, to + a * stride, s.d);
  }
};

}  // namespace
