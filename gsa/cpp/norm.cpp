// The query norm of global self-attention on a CPU, forward and backward.
//
// gsa/native_norm.py calls it. For the d channels x of one head in one pixel,
//
//   out = gain u + bias,  u = r x,  r = 1 / sqrt(mean x^2 + eps),
//
// with a gain and a bias for each channel of each head. Sums are in single precision, whatever the
// type of the data.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "calls.h"
#include "registers.h"

namespace {

constexpr int BLOCK = 32;  // pixels

struct Call : NormCall {
  explicit Call(const NormCall& call) : NormCall(call) {}

  Layout layout() const { return {heads, d, 1, bool(half)}; }
};

// What one thread works with; channels beyond d are zeros.
template <int D> struct Workspace {
  float *x, *grad;           // a block (BLOCK, D), and what is made of it
  float *gain, *bias;        // (heads, D)
  float *to_gain, *to_bias;  // likewise: their gradients

  Workspace(const Call& call, Scratch& scratch) {
    for (float** block : {&x, &grad}) *block = scratch.take(BLOCK * D);
    for (float** small : {&gain, &bias, &to_gain, &to_bias}) *small = scratch.take(call.heads * D);
  }

  static int64_t size(const Call& call) {
    Scratch counted{nullptr};
    Workspace(call, counted);
    return counted.used;
  }
};

template <class Floats, int L> inline float total(Floats x) {
  float sum = 0;
  for (int l = 0; l < L; ++l) sum += x[l];
  return sum;
}

// sum_c a[c] b[c]
template <int D> inline float product(const float* a, const float* b) {
  constexpr int L = D < W ? D : W;
  typename Register<L>::Floats sum{};
  for (int c = 0; c < D; c += L) sum += load<L>(a + c) * load<L>(b + c);
  return total<decltype(sum), L>(sum);
}

template <int D> inline float root(const Call& call, const float* x) {
  return 1 / std::sqrt(product<D>(x, x) / call.d + *call.eps);
}

template <int D> void normalise(const Call& call, Workspace<D>& w, int64_t h, int64_t n) {
  const float *gain = w.gain + h * D, *bias = w.bias + h * D;
  for (int64_t j = 0; j < n; ++j) {
    float* x = w.x + j * D;
    const float r = root<D>(call, x);
    for (int c = 0; c < D; ++c) x[c] = x[c] * r * gain[c] + bias[c];
  }
}

template <int D> void go_back(const Call& call, Workspace<D>& w, int64_t h, int64_t n) {
  const float* gain = w.gain + h * D;
  float *to_gain = w.to_gain + h * D, *to_bias = w.to_bias + h * D;
  for (int64_t j = 0; j < n; ++j) {
    float *x = w.x + j * D, *grad = w.grad + j * D;
    const float r = root<D>(call, x);
    for (int c = 0; c < D; ++c) {
      x[c] *= r;
      to_gain[c] += grad[c] * x[c];
      to_bias[c] += grad[c];
      grad[c] *= gain[c];
    }
    const float mean = product<D>(grad, x) / call.d;
    for (int c = 0; c < D; ++c) x[c] = r * (grad[c] - x[c] * mean);
  }
}

template <int D> void run(const Call& call) {
  const int64_t size = Workspace<D>::size(call);
  int team = 1;
#pragma omp parallel num_threads(int(call.threads))
  {
#pragma omp single nowait
    team = omp_get_num_threads();
    Scratch scratch{call.scratch + omp_get_thread_num() * size};
    std::fill_n(scratch.base, size, 0.0f);
    Workspace<D> w(call, scratch);
    for (int64_t h = 0; h < call.heads; ++h) {
      std::copy_n(call.gain + h * call.d, call.d, w.gain + h * D);
      std::copy_n(call.bias + h * call.d, call.d, w.bias + h * D);
    }
#pragma omp for schedule(static)
    for (int64_t first = 0; first < call.pixels; first += BLOCK) {
      const int64_t n = std::min<int64_t>(BLOCK, call.pixels - first);
      for (int64_t h = 0; h < call.heads; ++h) {
        read<D>(call.x, call.layout(), first, h, n, w.x);
        if (call.grad) {
          read<D>(call.grad, call.layout(), first, h, n, w.grad);
          go_back<D>(call, w, h, n);
          write<D>(w.x, call.to_x, call.layout(), first, h, n);
        } else {
          normalise<D>(call, w, h, n);
          write<D>(w.x, call.out, call.layout(), first, h, n);
        }
      }
    }
  }
  if (!call.grad) return;
  // threads after one another, so that a run repeats to the bit
  std::fill_n(call.to_gain, call.heads * call.d, 0.0f);
  std::fill_n(call.to_bias, call.heads * call.d, 0.0f);
  for (int thread = 0; thread < team; ++thread) {
    Scratch scratch{call.scratch + thread * size};
    const Workspace<D> w(call, scratch);
    for (int64_t h = 0; h < call.heads; ++h)
      for (int64_t c = 0; c < call.d; ++c) {
        call.to_gain[h * call.d + c] += w.to_gain[h * D + c];
        call.to_bias[h * call.d + c] += w.to_bias[h * D + c];
      }
  }
}

}  // namespace

extern "C" {

int64_t gsa_norm_scratch(const NormCall* call) {
  return for_channels(call->d,
                      [=](auto d) { return call->threads * Workspace<d>::size(Call(*call)); });
}

int64_t gsa_norm_struct() { return sizeof(NormCall); }

void gsa_norm(const NormCall* call) {
  for_channels(call->d, [=](auto d) { run<d>(Call(*call)); });
}

}  // extern "C"
