// An elementwise program that another kernel takes in: vectors of channels of one pixel, where that kernel asks for them.
// In: the program, a generic of maps of one shape, of what belongs to channels, and of scalars.  Out: its plan; what it makes of channels alone.
#pragma once

#include "compiler/kernels/NestBody.h"

namespace cnnc {

/// Whether it is one, of so few channels that what belongs to them fits on the stack.
bool isOfPixels(linalg::GenericOp program);
/// The program's loops: a row a pixel, or a sample of a dense layer.
NestPlan planOfPixels(linalg::GenericOp program);

class ProgramOfPixels : protected NestBody {
public:
  /// Made at the beginning of the kernel: what it makes of channels alone waits in scratch memory.
  ProgramOfPixels(KernelBuilder &k, const NestPlan &plan, ArrayRef<int> arguments) : NestBody(k, plan, arguments) {
    // What is kept from one pixel to the next has the type of the memory for it.
    for (Operation &o : body().without_terminator())
      if (unsigned &level = varies[o.getResult(0)]; level == Channel && computedIn(o.getResult(0).getType()) != floatType())
        level = Element;
      else if (llvm::any_of(o.getOperands(), [&](Value v) { return varies.lookup(v) == Element; }))
        level = Element;
    row = (p.C + lanes - 1) / lanes * lanes;
    emit(Uniform, top, {}, lanes, 1);
    for (Value value : keptOfChannels())
      (isa<BlockArgument>(value) ? given : kept).push_back(value);
    if (kept.empty())
      return;
    ofChannels = k.scratch(floatType(), int64_t(kept.size()) * row);
    auto keep = [&](Value c, int64_t width) {
      Scope scope = top;
      emit(Channel, scope, {{}, {}, c}, width, 1);
      for (auto [i, value] : llvm::enumerate(kept))
        k.store(scope.vectors[value][0], ofChannels, k.add(c, int64_t(i) * row), lanes);
    };
    if (int64_t whole = p.C / lanes * lanes; whole)
      k.loop(k.constant(0), k.constant(whole), lanes, [&](Value c) { keep(c, lanes); });
    if (p.C % lanes)
      keep(k.constant(p.C / lanes * lanes), p.C % lanes);
  }

protected:
  Scope top; ///< what belongs to neither pixels nor channels

  /// What belongs to `width` channels from c on.
  Scope of(Value c, int64_t width) {
    Scope scope = top;
    for (Value value : given)
      scope.vectors[value] = loaded(cast<BlockArgument>(value).getArgNumber(), {{}, {}, c}, width, 1);
    for (auto [i, value] : llvm::enumerate(kept))
      scope.vectors[value] = {k.load(ofChannels, k.add(c, int64_t(i) * row), lanes)};
    return scope;
  }

private:
  SmallVector<Value> given, kept; ///< of channels: operands, and what is made of them
  int64_t row = 0;
  Value ofChannels;
};

} // namespace cnnc
