// What the exported functions are called with, as the Python that is named fills it in.
//
// Data is (image, pixel, head, channel), bfloat16 where `half` says so, else in single precision.
// Each function has a second one, `_scratch`, that says how many numbers in single precision it
// needs to work with, and a third one, `_struct`, for the size of its call.

#pragma once

#include <cstdint>

// gsa/native_steps.py: a positional step, or its gradients where `grad` is given. Cells of a line
// are `along` pixels apart, and lines `across`.
struct StepCall {
  int64_t images, lines, n, heads, d, along, across;
  int64_t threads, half;
  const void *q, *v, *grad;
  const float* table;          // (2n - 1, d)
  const float *gain, *offset;  // (heads, d), for what is put out: gain * out + offset; or missing
  void *out, *to_q, *to_v;     // one that is missing is not wanted
  float *to_table, *scratch;   // (2n - 1, d), or missing
};

// gsa/native_content.py: the content branch, or its gradients where `grad` is given.
struct ContentCall {
  int64_t images, pixels, heads, d;
  int64_t threads, half;
  const void *q, *k, *v, *grad;
  const void* add;  // what the branch is added to in `out`, which may be the same; or missing
  void *out, *to_q, *to_k, *to_v;
  void* alone;     // the branch by itself, where it is wanted beside a sum
  float* kept;     // (image, head, D + 2, D): context, max k and 1 / sum exp(k - max k)
  float* scratch;
};

// gsa/native_norm.py: the query norm, or its gradients where `grad` is given.
struct NormCall {
  int64_t pixels, heads, d;  // of all images
  int64_t threads, half;
  const void *x, *grad;
  const float *gain, *bias, *eps;  // (heads, d), (heads, d), one number
  void *out, *to_x;
  float *to_gain, *to_bias, *scratch;  // (heads, d)
};

// gsa/native_module.py: both branches and their sum.
struct ModuleCall {
  int64_t images, rows, columns, heads, d;
  int64_t threads, half;
  const void *q, *k, *v;
  const float *r_c, *gain, *offset, *r_r;  // the norm between the steps is gain * u + offset
  void *out, *content, *positional;        // a branch by itself, where it is wanted
  float* scratch;
};

extern "C" {
int64_t gsa_step_scratch(const StepCall*);
int64_t gsa_step_struct();
void gsa_step(const StepCall*);
int64_t gsa_content_scratch(const ContentCall*);
int64_t gsa_content_kept(const ContentCall*);  // numbers that the branch keeps for its gradients
int64_t gsa_content_struct();
void gsa_content(const ContentCall*);
int64_t gsa_norm_scratch(const NormCall*);
int64_t gsa_norm_struct();
void gsa_norm(const NormCall*);
int64_t gsa_module_scratch(const ModuleCall*);
int64_t gsa_module_struct();
void gsa_module(const ModuleCall*);
}
