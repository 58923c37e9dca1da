// Both branches of global self-attention and their sum, forward, for inference.
//
// The functions of steps.cpp and content.cpp after one another: in one call the batch norm between
// the steps and the sum of the branches need no pass over the data of their own.

#include <algorithm>
#include <cstdint>

#include "calls.h"
#include "registers.h"

namespace {

// The three parts of a module, and what they work with.
struct Parts {
  StepCall column{}, row{};
  ContentCall content{};
  int64_t size;  // of the scratch memory

  explicit Parts(const ModuleCall& call) {
    Scratch scratch{call.scratch};
    const int64_t numbers = call.images * call.rows * call.columns * call.heads * call.d;
    void* between = scratch.take(call.half ? (numbers + 1) / 2 : numbers);
    void* positional = call.positional ? call.positional : call.out;

    for (StepCall* step : {&column, &row}) {
      const bool down = step == &column;
      step->images = call.images;
      step->lines = down ? call.columns : call.rows;
      step->n = down ? call.rows : call.columns;
      step->heads = call.heads;
      step->d = call.d;
      step->along = down ? call.columns : 1;
      step->across = down ? 1 : call.columns;
      step->threads = call.threads;
      step->half = call.half;
      step->q = call.q;
      step->v = down ? call.v : between;
      step->table = down ? call.r_c : call.r_r;
      step->out = down ? between : positional;
    }
    column.gain = call.gain;
    column.offset = call.offset;

    content.images = call.images;
    content.pixels = call.rows * call.columns;
    content.heads = call.heads;
    content.d = call.d;
    content.threads = call.threads;
    content.half = call.half;
    content.q = call.q;
    content.k = call.k;
    content.v = call.v;
    content.add = positional;
    content.out = call.out;
    content.alone = call.content;
    content.kept = scratch.take(gsa_content_kept(&content));

    const int64_t most = std::max({gsa_step_scratch(&column), gsa_step_scratch(&row),
                                   gsa_content_scratch(&content)});
    column.scratch = row.scratch = content.scratch = scratch.take(most);
    size = scratch.used;
  }
};

}  // namespace

extern "C" {

int64_t gsa_module_scratch(const ModuleCall* call) { return Parts(*call).size; }

int64_t gsa_module_struct() { return sizeof(ModuleCall); }

void gsa_module(const ModuleCall* call) {
  const Parts parts(*call);
  gsa_step(&parts.column);
  gsa_step(&parts.row);
  gsa_content(&parts.content);
}

}  // extern "C"
