// What becomes of a convolution's or a dense layer's results on their way to memory: an elementwise program of them (bias, activation, a residual map that is added).
// In: linalg on tensors, then vectors of results.  Out: which program a convolution ends with; stores.
#pragma once

#include "compiler/kernels/ProgramOfPixels.h"

#include <optional>

namespace cnnc {

/// The program that the kernel of `convolution`, which may be a dense layer, ends with; null if its results are stored as they are. Of two convolutions whose results one program adds, it
/// is the later one's. `isTraining`: launches form chains.
linalg::GenericOp epilogueOf(linalg::GenericOp convolution, const TargetInfo &target, bool isTraining);
/// The convolution whose kernel ends with `program`; null if none does.
linalg::GenericOp convolutionOf(linalg::GenericOp program, const TargetInfo &target, bool isTraining);

struct EpiloguePlan {
  NestPlan nest;
  unsigned result = 0; ///< the operand that is the convolution's result
  static EpiloguePlan of(linalg::GenericOp program, linalg::GenericOp convolution);
  std::string text() const { return "ends" + std::to_string(result) + nest.text(); }
};

/// An epilogue, and the kernel's buffers of the program's operands, that of the result left out.
struct Ending {
  const EpiloguePlan *plan = nullptr; ///< null: results are stored as they are
  ArrayRef<int> buffers;
};

/// A vector of channels, and what belongs to it.
struct ChannelScope {
  Value first;
  int64_t width;
  DenseMap<Value, SmallVector<Value>> vectors{};
};

class EpilogueProgram : ProgramOfPixels {
public:
  EpilogueProgram(KernelBuilder &k, const Ending &ending) : ProgramOfPixels(k, ending.plan->nest, ending.buffers), result(ending.plan->result) {}
  ChannelScope channels(Value first, int64_t width) { return {first, width, of(first, width).vectors}; }
  /// What takes the place of y[index] and those behind it.
  Value ended(const ChannelScope &c, Value results, Value index) {
    Scope scope{top.scalars, c.vectors};
    for (unsigned i = 0; i < op.getNumDpsInputs(); ++i) {
      BlockArgument argument = body().getArgument(i);
      if (p.operands[i].r && !argument.use_empty())
        scope.vectors[argument] = {i == result ? results : k.load(k.buffer(arguments[i]), index, lanes, c.width)};
    }
    emit(Element, scope, {{}, {}, c.first}, c.width, 1);
    return yielded(scope, 0, 0);
  }

private:
  unsigned result;
};

/// Where a convolution's results go. Made at the beginning of its kernel.
class Results {
public:
  Results(KernelBuilder &k, Value y, const Ending &ending) : k(k), y(y) {
    if (ending.plan)
      program.emplace(k, ending);
  }
  /// For stores of vectors of channels from `first` on, of which `width` lanes count.
  ChannelScope of(Value first, int64_t width) { return program ? program->channels(first, width) : ChannelScope{first, width}; }
  void store(const ChannelScope &c, Value results, Value index) { k.store(program ? program->ended(c, results, index) : results, y, index, c.width); }

private:
  KernelBuilder &k;
  Value y;
  std::optional<EpilogueProgram> program;
};

} // namespace cnnc
