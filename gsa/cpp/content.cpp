// The content branch of global self-attention on a CPU, forward and backward.
//
// It is (1) and (2) of gsa/formulas.py; gsa/native_content.py and module.cpp call it. For one head, with the
// weights p[j] = exp(k[j] - max k) / sum exp(k - max k) of every key channel over all pixels j,
//
//   out[j] = q[j] C,  C = sum_j p[j]^T v[j]  (d x d, the context).
//
// The weights are made block of pixels by block of pixels and never written to memory. Sums are in
// single precision, whatever the type of the data.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "calls.h"
#include "registers.h"

namespace {

constexpr int BLOCK = 64;  // pixels

struct Call : ContentCall {
  explicit Call(const ContentCall& call) : ContentCall(call) {}

  Layout layout() const { return {heads, d, 1, bool(half)}; }
};

// exp(x) for x up to 0, to the last bit or two down to -87, where it stays at 1.6e-38: 2^n times a
// polynomial (Cephes library, expf)
template <class Floats, class Integers> inline Floats exponential(Floats x) {
  const Floats least = Floats{} - 87.0f, magic = Floats{} + 12582912.0f;
  x = x < least ? least : x;
  const Floats n = (x * 1.44269504088896341f + magic) - magic;
  const Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &power, sizeof scale);
  return y * scale;
}

template <int D> constexpr int lanes() { return D < W ? D : W; }

// top = max(top, k[j])
template <int D> void raise(const float* k, int64_t n, float* top) {
  constexpr int L = lanes<D>();
  for (int c = 0; c < D; c += L) {
    auto most = load<L>(top + c);
    for (int64_t j = 0; j < n; ++j) {
      const auto row = load<L>(k + j * D + c);
      most = row > most ? row : most;
    }
    store(top + c, most);
  }
}

// to[j] = exp(k[j] - top), and sums += to[j]
template <int D> void weigh(const float* k, const float* top, int64_t n, float* to, float* sums) {
  constexpr int L = lanes<D>();
  typedef typename Register<L>::Floats Floats;
  typedef typename Register<L>::Integers Integers;
  for (int c = 0; c < D; c += L) {
    const Floats most = load<L>(top + c);
    Floats sum = load<L>(sums + c);
    for (int64_t j = 0; j < n; ++j) {
      const Floats weight = exponential<Floats, Integers>(load<L>(k + j * D + c) - most);
      store(to + j * D + c, weight);
      sum += weight;
    }
    store(sums + c, sum);
  }
}

// sums[x, y] += sum_j a[j, x] b[j, y]
template <int D> void gather(const float* a, const float* b, int64_t n, float* sums) {
  constexpr int L = lanes<D>(), C = chunk<D>();
  for (int y = 0; y < D; y += L)
    for (int x = 0; x < D; x += C) {
      typename Register<L>::Floats sum[C];
      for (int r = 0; r < C; ++r) sum[r] = load<L>(sums + (x + r) * D + y);
      for (int64_t j = 0; j < n; ++j) {
        const auto row = load<L>(b + j * D + y);
        for (int r = 0; r < C; ++r) sum[r] += a[j * D + x + r] * row;
      }
      for (int r = 0; r < C; ++r) store(sums + (x + r) * D + y, sum[r]);
    }
}

// out[j, y] = sum_x a[j, x] matrix[x, y], for whole groups of rows
template <int D> void spread(const float* a, const float* matrix, int64_t n, float* out) {
  constexpr int L = lanes<D>(), R = 8;
  for (int64_t j = 0; j < n; j += R)
    for (int y = 0; y < D; y += L) {
      typename Register<L>::Floats sum[R] = {};
      for (int x = 0; x < D; ++x) {
        const auto row = load<L>(matrix + x * D + y);
        for (int r = 0; r < R; ++r) sum[r] += a[(j + r) * D + x] * row;
      }
      for (int r = 0; r < R; ++r) store(out + (j + r) * D + y, sum[r]);
    }
}

template <int D> void transposed(const float* from, float* to) {
  for (int x = 0; x < D; x += 8)
    for (int y = 0; y < D; y += 8) transpose(from + x * D + y, D, to + y * D + x, D);
}

// What one thread works with. Channels beyond d are zero in data that was read, so that whatever
// finite number stands there elsewhere is multiplied by zero.
template <int D> struct Workspace {
  float *a, *b, *c, *weights;  // blocks (BLOCK, D)
  float *matrix, *mean;        // (D, D), and (D)
  float* sums;                 // (heads, D)

  Workspace(const Call& call, Scratch& scratch) {
    for (float** block : {&a, &b, &c, &weights}) *block = scratch.take(BLOCK * D);
    matrix = scratch.take(D * D);
    mean = scratch.take(D);
    sums = scratch.take(call.heads * D);
  }

  static int64_t size(const Call& call) {
    Scratch counted{nullptr};
    Workspace(call, counted);
    return counted.used;
  }
};

// Where the context of one head is kept, and max k and 1 / sum exp(k - max k) behind it.
template <int D> float* context_of(const Call& call, int64_t image, int64_t head) {
  return call.kept + (image * call.heads + head) * (D + 2) * D;
}

// `work` on every block of pixels of an image and every head of a range, heads innermost: they lie
// side by side.
template <class Work>
void for_blocks(const Call& call, int64_t image, int64_t from, int64_t to, Work work) {
  for (int64_t p = 0; p < call.pixels; p += BLOCK)
    for (int64_t h = from; h < to; ++h)
      work(image * call.pixels + p, h, std::min<int64_t>(BLOCK, call.pixels - p));
}

// What is kept of some heads of an image.
template <int D>
void make_contexts(const Call& call, Workspace<D>& w, int64_t image, int64_t from, int64_t to) {
  const auto kept = [&](int64_t h) { return context_of<D>(call, image, h); };
  for (int64_t h = from; h < to; ++h) {
    std::fill_n(kept(h), D * D, 0.0f);
    std::fill_n(kept(h) + D * D, D, -std::numeric_limits<float>::infinity());
    std::fill_n(w.sums + h * D, D, 0.0f);
  }
  for_blocks(call, image, from, to, [&](int64_t pixel, int64_t h, int64_t n) {
    read<D>(call.k, call.layout(), pixel, h, n, w.a);
    raise<D>(w.a, n, kept(h) + D * D);
  });
  for_blocks(call, image, from, to, [&](int64_t pixel, int64_t h, int64_t n) {
    read<D>(call.k, call.layout(), pixel, h, n, w.a);
    read<D>(call.v, call.layout(), pixel, h, n, w.b);
    weigh<D>(w.a, kept(h) + D * D, n, w.weights, w.sums + h * D);
    gather<D>(w.weights, w.b, n, kept(h));
  });
  for (int64_t h = from; h < to; ++h)
    for (int x = 0; x < D; ++x) {
      const float share = 1 / w.sums[h * D + x];
      for (int y = 0; y < D; ++y) kept(h)[x * D + y] *= share;
      kept(h)[(D + 1) * D + x] = share;
    }
}

// The gradient of the context of some heads of an image, sum_j q[j]^T grad[j].
template <int D>
void make_slopes(const Call& call, Workspace<D>& w, float* slopes, int64_t image, int64_t from,
                 int64_t to) {
  const auto of_head = [&](int64_t h) { return slopes + (image * call.heads + h) * D * D; };
  std::fill(of_head(from), of_head(to), 0.0f);
  for_blocks(call, image, from, to, [&](int64_t pixel, int64_t h, int64_t n) {
    read<D>(call.q, call.layout(), pixel, h, n, w.a);
    read<D>(call.grad, call.layout(), pixel, h, n, w.b);
    gather<D>(w.a, w.b, n, of_head(h));
  });
}

// The gradients of one block of pixels, from that of the context.
template <int D>
void go_back(const Call& call, Workspace<D>& w, const float* context, const float* slopes,
             int64_t pixel, int64_t h, int64_t n) {
  read<D>(call.grad, call.layout(), pixel, h, n, w.a);
  transposed<D>(context, w.matrix);
  spread<D>(w.a, w.matrix, n, w.c);
  write<D>(w.c, call.to_q, call.layout(), pixel, h, n);

  const float *top = context + D * D, *share = top + D;
  for (int x = 0; x < D; ++x) {
    w.mean[x] = 0;
    for (int y = 0; y < D; ++y) {
      w.matrix[x * D + y] = share[x] * slopes[x * D + y];
      w.mean[x] += slopes[x * D + y] * context[x * D + y];
    }
  }
  read<D>(call.k, call.layout(), pixel, h, n, w.a);
  weigh<D>(w.a, top, n, w.weights, w.sums);  // the sums are known by now
  spread<D>(w.weights, w.matrix, n, w.c);
  write<D>(w.c, call.to_v, call.layout(), pixel, h, n);

  read<D>(call.v, call.layout(), pixel, h, n, w.b);
  transposed<D>(slopes, w.matrix);
  spread<D>(w.b, w.matrix, n, w.c);
  for (int64_t j = 0; j < n; ++j)  // through the softmax of a channel: less the mean slope
    for (int c = 0; c < D; ++c)
      w.c[j * D + c] = w.weights[j * D + c] * share[c] * (w.c[j * D + c] - w.mean[c]);
  write<D>(w.c, call.to_k, call.layout(), pixel, h, n);
}

template <int D> void run(const Call& call) {
  const int64_t size = Workspace<D>::size(call);
  float* const slopes = call.scratch + call.threads * size;
  // heads of an image are made by several threads where there are fewer images than threads
  const int64_t groups = std::min(call.heads, (call.threads + call.images - 1) / call.images);
  const int64_t blocks = (call.pixels + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(int(call.threads))
  {
    Scratch scratch{call.scratch + omp_get_thread_num() * size};
    std::fill_n(scratch.base, size, 0.0f);
    Workspace<D> w(call, scratch);
#pragma omp for schedule(static)
    for (int64_t at = 0; at < call.images * groups; ++at) {
      const int64_t image = at / groups, group = at % groups;
      const int64_t from = call.heads * group / groups, to = call.heads * (group + 1) / groups;
      if (call.grad)
        make_slopes<D>(call, w, slopes, image, from, to);
      else
        make_contexts<D>(call, w, image, from, to);
    }
#pragma omp for schedule(static)
    for (int64_t at = 0; at < call.images * blocks * call.heads; ++at) {
      const int64_t image = at / (call.heads * blocks);
      const Paired place(at % (call.heads * blocks), blocks, call.heads);
      const int64_t h = place.head, p = place.at * BLOCK;
      const int64_t pixel = image * call.pixels + p;
      const int64_t n = std::min<int64_t>(BLOCK, call.pixels - p);
      const float* context = context_of<D>(call, image, h);
      if (call.grad) {
        go_back<D>(call, w, context, slopes + (image * call.heads + h) * D * D, pixel, h, n);
      } else {
        read<D>(call.q, call.layout(), pixel, h, n, w.a);
        spread<D>(w.a, context, n, w.c);
        if (call.alone) write<D>(w.c, call.alone, call.layout(), pixel, h, n);
        if (call.add) {
          read<D>(call.add, call.layout(), pixel, h, n, w.b);
          for (int64_t c = 0; c < n * D; c += 8) store(w.c + c, load<8>(w.c + c) + load<8>(w.b + c));
        }
        write<D>(w.c, call.out, call.layout(), pixel, h, n);
      }
    }
  }
}

}  // namespace

extern "C" {

int64_t gsa_content_scratch(const ContentCall* call) {
  return for_channels(call->d, [=](auto d) {
    const int64_t slopes = call->grad ? call->images * call->heads * d * d : 0;
    return call->threads * Workspace<d>::size(Call(*call)) + slopes;
  });
}

int64_t gsa_content_kept(const ContentCall* call) {
  return for_channels(call->d, [=](auto d) { return call->images * call->heads * (d + 2) * d; });
}

int64_t gsa_content_struct() { return sizeof(ContentCall); }

void gsa_content(const ContentCall* call) {
  for_channels(call->d, [=](auto d) { run<d>(Call(*call)); });
}

}  // extern "C"
