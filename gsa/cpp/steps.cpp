// The positional steps of global self-attention on a CPU, forward and backward.
//
// They are (3) and (5) of gsa/formulas.py; gsa/native_steps.py and module.cpp call them. In a line of n cells,
// with the table t of relative embeddings,
//
//   out[a] = sum_i s[a, i] v[i],  s[a, i] = q[a] . t[i - a].
//
// The lanes of a vector register hold W neighbouring queries a. Their scores, n x W numbers for
// each of a few lines l, stay in the first-level cache and are never written to memory. Sums are in
// single precision, whatever the type of the data.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "calls.h"
#include "lines.h"

namespace {

// What one thread works with. Embeddings are its own too: to fetch what another thread has just
// written takes longer than to make a small table.
template <int D> struct Workspace {
  Lines<D> q;
  float* backwards;  // the embeddings, (D, shifts)
  int64_t cleared;   // numbers up to here are zeros at the start; for gradients all of them
  Lines<D> v, out;
  float* scores;  // (LINES, n, W)

  // for gradients alone
  Lines<D> grad;
  float* straight;  // (D, shifts)
  float* slopes;    // (LINES, n, wide): the gradient of all scores
  float* table;     // (D, shifts): the gradient of the embeddings, backwards

  Workspace(const Sizes& s, bool back, Scratch&& scratch)
      : q(s, scratch), backwards(scratch.take(D * s.shifts())), cleared(scratch.used),
        v(s, scratch), out(s, scratch), scores(scratch.take(LINES * s.n * W)),
        grad(s, scratch, back), straight(scratch.take(back ? D * s.shifts() : 0)),
        slopes(scratch.take(back ? LINES * s.n * s.wide() : 0)),
        table(scratch.take(back ? D * s.shifts() : 0)) {
    if (back) cleared = scratch.used;
  }

  static int64_t size(const Sizes& s, bool back) {
    Scratch counted{nullptr};
    Workspace(s, back, std::move(counted));
    return counted.used;
  }
};

// The embeddings (2n - 1, d) by channels, among zeros; backwards for queries in lanes, where lane
// a + 1 stands one offset before lane a.
inline void turn_table(const float* table, const Sizes& s, bool backwards, float* to) {
  const int64_t last = 2 * s.n - 2;
  for (int64_t m = 0; m <= last; ++m)
    for (int64_t c = 0; c < s.d; ++c)
      to[c * s.shifts() + m] = table[(backwards ? last - m : m) * s.d + c];
}

// registers for the channels of each line, where all lines are in registers
template <int D> constexpr int shared_chunk() { return D < MOST / LINES ? D : MOST / LINES; }

// scores[l, i] = s[a.., i] of line l, from the table backwards
template <int D>
void query_scores(const Lines<D>& q, const float* table, int64_t a, float* scores) {
  constexpr int C = shared_chunk<D>();
  const int64_t n = q.s.n, shifts = q.s.shifts();
  for (int c = 0; c < D; c += C) {
    Vector x[LINES][C];
    for (int l = 0; l < LINES; ++l)
      for (int k = 0; k < C; ++k) x[l][k] = load(q.channel(l, c + k, a));
    const float* t = table + c * shifts + n - 1 + a;
    for (int64_t i = 0; i < n; ++i) {
      Vector sum[LINES];
      for (int l = 0; l < LINES; ++l) sum[l] = c ? load(scores + (l * n + i) * W) : Vector{};
      for (int k = 0; k < C; ++k) {
        const Vector embedding = held(load(t - i + k * shifts));
        for (int l = 0; l < LINES; ++l) sum[l] += x[l][k] * embedding;
      }
      for (int l = 0; l < LINES; ++l) store(scores + (l * n + i) * W, sum[l]);
    }
  }
}

// scores[l, a] = s[a, i..] of line l, from the table straight
template <int D>
void reader_scores(const Lines<D>& q, const float* table, int64_t i, float* scores) {
  const int64_t n = q.s.n, shifts = q.s.shifts();
  for (int64_t a = 0; a < n; ++a) {
    const float* t = table + n - 1 - a + i;
    Vector sum[LINES] = {};
    for (int c = 0; c < D; ++c) {
      const Vector embedding = held(load(t + c * shifts));
      for (int l = 0; l < LINES; ++l) sum[l] += q.rows(l)[a * D + c] * embedding;
    }
    for (int l = 0; l < LINES; ++l) store(scores + (l * n + a) * W, sum[l]);
  }
}

// out[l, c, a..] = sum_i scores[l, i] x[l, i, c]
template <int D>
void read_values(const float* scores, const Lines<D>& x, int64_t a, Lines<D>& out) {
  constexpr int C = chunk<D>();
  for (int l = 0; l < LINES; ++l)
    for (int c = 0; c < D; c += C) {
      Vector sum[C] = {};
      for (int64_t i = 0; i < x.s.n; ++i) {
        const Vector weight = load(scores + (l * x.s.n + i) * W);
        const float* row = x.rows(l) + i * D + c;
        for (int k = 0; k < C; ++k) sum[k] += weight * row[k];
      }
      for (int k = 0; k < C; ++k) store(out.channel(l, c + k, a), sum[k]);
    }
}

// slopes[l, i, a..] = grad[l, a..] . v[l, i]
template <int D>
void score_slopes(const Lines<D>& grad, const Lines<D>& v, int64_t a, float* slopes) {
  constexpr int C = chunk<D>();
  const int64_t n = v.s.n, wide = v.s.wide();
  for (int l = 0; l < LINES; ++l)
    for (int c = 0; c < D; c += C) {
      Vector x[C];
      for (int k = 0; k < C; ++k) x[k] = load(grad.channel(l, c + k, a));
      for (int64_t i = 0; i < n; ++i) {
        float* to = slopes + (l * n + i) * wide + W + a;
        Vector sum = c ? load(to) : Vector{};
        const float* row = v.rows(l) + i * D + c;
        for (int k = 0; k < C; ++k) sum += x[k] * row[k];
        store(to, sum);
      }
    }
}

// out[l, c, a..] = sum_i slopes[l, i, a..] t[i - a.., c], from the table backwards
template <int D>
void query_slopes(const float* slopes, const float* table, int64_t a, Lines<D>& out) {
  constexpr int C = shared_chunk<D>();
  const int64_t n = out.s.n, shifts = out.s.shifts(), wide = out.s.wide();
  for (int c = 0; c < D; c += C) {
    Vector sum[LINES][C] = {};
    const float* t = table + c * shifts + n - 1 + a;
    for (int64_t i = 0; i < n; ++i) {
      Vector slope[LINES];
      for (int l = 0; l < LINES; ++l) slope[l] = load(slopes + (l * n + i) * wide + W + a);
      for (int k = 0; k < C; ++k) {
        const Vector embedding = held(load(t - i + k * shifts));
        for (int l = 0; l < LINES; ++l) sum[l][k] += slope[l] * embedding;
      }
    }
    for (int l = 0; l < LINES; ++l)
      for (int k = 0; k < C; ++k) store(out.channel(l, c + k, a), sum[l][k]);
  }
}

// to[c, m..] += sum_l sum_i slopes[l, i, i + m..] q[l, i + m.., c], for a table backwards, where
// m = a - i
template <int D> void add_table_slopes(const float* slopes, const Lines<D>& q, float* to) {
  constexpr int C = chunk<D>();
  const int64_t n = q.s.n, shifts = q.s.shifts(), wide = q.s.wide();
  for (int c = 0; c < D; c += C)
    for (int64_t m = 1 - n; m < n; m += W) {
      float* sums = to + c * shifts + n - 1 + m;
      Vector sum[C];
      for (int k = 0; k < C; ++k) sum[k] = load(sums + k * shifts);
      const int64_t end = std::min(n, n - m);
      for (int l = 0; l < LINES; ++l)
        for (int64_t i = std::max<int64_t>(0, 1 - m - W); i < end; ++i) {
          const Vector slope = load(slopes + (l * n + i) * wide + W + i + m);
          for (int k = 0; k < C; ++k) sum[k] += slope * load(q.channel(l, c + k, i + m));
        }
      for (int k = 0; k < C; ++k) store(sums + k * shifts, sum[k]);
    }
}

// A call, and what follows from it.
struct Step : StepCall {
  Sizes sizes;

  explicit Step(const StepCall& call)
      : StepCall(call), sizes{images, lines, n, heads, d, along, across} {}

  Layout layout() const { return {heads, d, along, bool(half)}; }
};

// gain * out + offset, each for a channel of a head
template <int D> void scale(const Step& call, Lines<D>& out, const Places& places) {
  for (int l = 0; l < places.count; ++l)
    for (int64_t c = 0; c < call.d; ++c) {
      const float gain = call.gain[places.head[l] * call.d + c];
      const float offset = call.offset[places.head[l] * call.d + c];
      for (int64_t a = 0; a < call.n; a += W) {
        float* at = out.channel(l, c, a);
        store(at, load(at) * gain + offset);
      }
    }
}

template <int D>
void attend(const Step& call, Workspace<D>& w, const Places& places) {
  w.q.read_columns(call.q, call.layout(), places);
  w.v.read_rows(call.v, call.layout(), places);
  for (int64_t a = 0; a < call.sizes.n; a += W) {
    query_scores<D>(w.q, w.backwards, a, w.scores);
    read_values<D>(w.scores, w.v, a, w.out);
  }
  if (call.gain) scale<D>(call, w.out, places);
  w.out.write_columns(call.out, call.layout(), places);
}

template <int D>
void go_back(const Step& call, Workspace<D>& w, const Places& places) {
  const Sizes& s = call.sizes;
  const Layout layout = call.layout();
  w.q.read_rows(call.q, layout, places);
  w.grad.read_rows(call.grad, layout, places);
  if (call.to_v) {
    for (int64_t i = 0; i < s.n; i += W) {
      reader_scores<D>(w.q, w.straight, i, w.scores);
      read_values<D>(w.scores, w.grad, i, w.out);
    }
    w.out.write_columns(call.to_v, layout, places);
  }
  if (!call.to_q && !call.to_table) return;
  w.v.read_rows(call.v, layout, places);
  w.grad.rows_to_columns();
  for (int64_t a = 0; a < s.n; a += W) {
    score_slopes<D>(w.grad, w.v, a, w.slopes);
    if (call.to_q) query_slopes<D>(w.slopes, w.backwards, a, w.out);
  }
  if (call.to_q) w.out.write_columns(call.to_q, layout, places);
  if (call.to_table) {
    w.q.rows_to_columns();
    add_table_slopes<D>(w.slopes, w.q, w.table);
  }
}

template <int D> void run(const Step& call) {
  const Sizes& s = call.sizes;
  const int64_t size = Workspace<D>::size(s, call.grad);
  int team = 1;
#pragma omp parallel num_threads(int(call.threads))
  {
#pragma omp single nowait
    team = omp_get_num_threads();
    float* const own = call.scratch + omp_get_thread_num() * size;
    Workspace<D> w(s, call.grad, Scratch{own});
    std::fill_n(own, w.cleared, 0.0f);
    turn_table(call.table, s, true, w.backwards);
    if (call.grad) turn_table(call.table, s, false, w.straight);
#pragma omp for schedule(static)
    for (int64_t at = 0; at < s.all_lines(); at += LINES) {
      const Places places(s, at);
      if (call.grad)
        go_back<D>(call, w, places);
      else
        attend<D>(call, w, places);
    }
  }
  if (!call.to_table) return;
  // threads after one another, so that a run repeats to the bit
  std::fill_n(call.to_table, (2 * s.n - 1) * s.d, 0.0f);
  for (int thread = 0; thread < team; ++thread) {
    const float* sums = Workspace<D>(s, true, Scratch{call.scratch + thread * size}).table;
    for (int64_t m = 0; m < 2 * s.n - 1; ++m)
      for (int64_t c = 0; c < s.d; ++c)
        call.to_table[(2 * s.n - 2 - m) * s.d + c] += sums[c * s.shifts() + m];
  }
}

}  // namespace

extern "C" {

int64_t gsa_step_scratch(const StepCall* given) {
  const Step call(*given);
  return for_channels(call.d, [&](auto d) {
    return call.threads * Workspace<d>::size(call.sizes, call.grad);
  });
}

int64_t gsa_step_struct() { return sizeof(StepCall); }

void gsa_step(const StepCall* call) {
  for_channels(call->d, [=](auto d) { run<d>(Step(*call)); });
}

}  // extern "C"
