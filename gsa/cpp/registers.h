// Vector registers, and data on its way into them: what the kernels have in common.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

#ifdef __AVX512F__
constexpr int W = 16, MOST = 16;  // lanes of a register, registers for one factor of a sum
#else
constexpr int W = 8, MOST = 8;
#endif

template <int LANES> struct Register {
  typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
  typedef int32_t Integers __attribute__((vector_size(LANES * sizeof(int32_t))));
};
typedef Register<W>::Floats Vector;

// anywhere in memory
template <int LANES = W> inline typename Register<LANES>::Floats load(const float* from) {
  typename Register<LANES>::Floats x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class Floats> inline void store(float* to, Floats x) { std::memcpy(to, &x, sizeof x); }

// A load that stays in a register: GCC makes one that has several readers an operand of each of
// them, so that it is done as often.
inline Vector held(Vector x) {
#ifdef __AVX__
  asm("" : "+v"(x));
#endif
  return x;
}

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

// n rows of d channels, of at most D; the usual d, all of them, is a constant to the compiler
template <int D, class From, class To>
void copy(const From* from, int64_t step, To* to, int64_t to_step, int64_t n, int64_t d) {
  if (d == D)
    for (; n > 0; --n, from += step, to += to_step)
      for (int c = 0; c < D; ++c) convert(from[c], to[c]);
  else
    for (; n > 0; --n, from += step, to += to_step)
      for (int64_t c = 0; c < d; ++c) convert(from[c], to[c]);
}

// Where data is: pixel after pixel, the d channels of all heads side by side in each; bfloat16 if
// `half`, else in single precision. Cells are taken `along` pixels apart.
struct Layout {
  int64_t heads, d, along;
  bool half;

  int64_t first(int64_t pixel, int64_t head) const { return (pixel * heads + head) * d; }
  int64_t step() const { return along * heads * d; }
};

// n cells of a head, from a pixel on, to rows of D channels in scratch memory
template <int D>
void read(const void* data, const Layout& from, int64_t pixel, int64_t head, int64_t n, float* to) {
  const int64_t at = from.first(pixel, head);
  if (from.half)
    copy<D>(static_cast<const BFloat16*>(data) + at, from.step(), to, D, n, from.d);
  else
    copy<D>(static_cast<const float*>(data) + at, from.step(), to, D, n, from.d);
}

// and back
template <int D>
void write(const float* from, void* data, const Layout& to, int64_t pixel, int64_t head,
           int64_t n) {
  const int64_t at = to.first(pixel, head);
  if (to.half)
    copy<D>(from, D, static_cast<BFloat16*>(data) + at, to.step(), n, to.d);
  else
    copy<D>(from, D, static_cast<float*>(data) + at, to.step(), n, to.d);
}

typedef Register<8>::Floats Eight;

template <int HALF> inline void swap_blocks(Eight (&x)[8]) {
  Register<8>::Integers first, second;
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

typedef uint32_t Bits __attribute__((vector_size(8 * sizeof(uint32_t))));
typedef uint16_t Halves __attribute__((vector_size(8 * sizeof(uint16_t))));

inline Eight load_eight(const float* from) { return load<8>(from); }
inline Eight load_eight(const BFloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Bits bits = __builtin_convertvector(halves, Bits) << 16;
  Eight x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline void store_eight(float* to, Eight x) { store(to, x); }
inline void store_eight(BFloat16* to, Eight x) {  // as `convert`
  Bits bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = x != x ? Bits{} + 0x7fc0 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Halves halves = __builtin_convertvector(bits, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

// 8 x 8 numbers, or the rows that are `given`, with zeros for the others, and the rows `wanted`
template <class From, class To>
inline void transpose(const From* from, int64_t stride, To* to, int64_t to_stride,
                      int64_t given = 8, int64_t wanted = 8) {
  Eight x[8];
  for (int i = 0; i < 8; ++i) x[i] = i < given ? load_eight(from + i * stride) : Eight{};
  swap_blocks<1>(x);
  swap_blocks<2>(x);
  swap_blocks<4>(x);
  for (int i = 0; i < 8; ++i)
    if (i < wanted) store_eight(to + i * to_stride, x[i]);
}

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

// The number `index` of the (head, at) with `at` below `count`, by pairs of heads, in which `at`
// comes before the head; the last head may be alone.
struct Paired {
  int64_t at, head;

  Paired(int64_t index, int64_t count, int64_t heads) {
    const int64_t first = index / (2 * count) * 2, rest = index - first * count;
    const int64_t width = std::min<int64_t>(2, heads - first);
    at = rest / width;
    head = first + rest % width;
  }
};

template <int D> constexpr int chunk() { return D < MOST ? D : MOST; }

// Channels are filled up to one of these numbers.
template <class Work> auto for_channels(int64_t d, Work work) {
  if (d <= 8) return work(std::integral_constant<int, 8>());
  if (d <= 16) return work(std::integral_constant<int, 16>());
  if (d <= 32) return work(std::integral_constant<int, 32>());
  return work(std::integral_constant<int, 64>());
}

}  // namespace
