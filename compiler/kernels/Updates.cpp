// Where parameters and states are updated: in place, and where it can be by the kernel that makes the gradient, which then need not reach memory.
// In: operations of the update phase, results of role "update" and "gradient".  Out: destinations of values; launches that end with an update.
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/NestBody.h"

#include "compiler/dialect/Phase.h"

using namespace mlir;

namespace cnnc {
namespace {

/// An elementwise program that another kernel runs on lanes that it has just made: the plan's operand `given`. All is one row.
class Tail : NestBody {
public:
  Tail(KernelBuilder &k, const NestPlan &p, ArrayRef<int> arguments, unsigned given) : NestBody(k, p, arguments), given(body().getArgument(given)) {
    emit(Uniform, top, {}, lanes, 1);
  }
  void run(Value vector, Value index, int64_t width) {
    Scope scope = top;
    scope.vectors[given] = {vector};
    emit(Element, scope, {{}, {}, index}, width, 1);
    for (unsigned i = 0; i < outputs(); ++i)
      store(i, yielded(scope, i, 0), index, width);
  }

  /// Asks the caches for what run() will read, and mostly write: other cores, which have read it, are to give it up.
  void prefetch(Value index) {
    for (auto [i, arg] : llvm::enumerate(body().getArguments()))
      if (!isOutput(i) && arg != given && varies[arg] == Element)
        k.prefetch(k.buffer(arguments[i]), index, KernelBuilder::Second, /*isWrite=*/true);
  }

private:
  Value given;
  Scope top;
};

/// The one operation behind reshapes that reads `v`, apart from the function's end. Null: several do, or none.
linalg::GenericOp onlyReader(Value v) {
  linalg::GenericOp found;
  SmallVector<Value> pending{v};
  while (!pending.empty())
    for (OpOperand &use : pending.pop_back_val().getUses()) {
      Operation *user = use.getOwner();
      if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(user)) {
        pending.push_back(user->getResult(0));
        continue;
      }
      if (isa<func::ReturnOp>(user))
        continue;
      auto generic = dyn_cast<linalg::GenericOp>(user);
      if (!generic || (found && found != generic))
        return {};
      found = generic;
    }
  return found;
}

} // namespace

void Lowering::postponeUpdates() {
  Block &body = function.getBody().front();
  Operation *ret = body.getTerminator();
  llvm::SmallPtrSet<Operation *, 16> late;
  Operation *behind = ret;
  for (Operation *op = ret->getPrevNode(); op;) {
    Operation *previous = op->getPrevNode();
    bool onlyLate = llvm::all_of(op->getUsers(), [&](Operation *user) { return user == ret || late.contains(user); });
    if (onlyLate && phaseOf(op->getLoc()) == updatePhase) {
      op->moveBefore(behind);
      behind = op;
      late.insert(op);
    }
    op = previous;
  }
}

void Lowering::bindUpdates() {
  Operation *ret = function.getBody().front().getTerminator();
  for (auto [i, v] : llvm::enumerate(ret->getOperands())) {
    if (role(i) == "loss")
      loss = rootOf(v).getDefiningOp();
    if (role(i) != "update")
      continue;
    Value root = rootOf(v);
    auto generic = root.getDefiningOp<linalg::GenericOp>();
    if (!generic || generic->hasAttr("cnn.kernel") || generic.getNumReductionLoops())
      continue;
    BlockArgument old = argumentOf(tensorByName.lookup(resultName(i)));
    if (readersBefore(old, generic, generic))
      destination[root] = where[old].buffer, replaced[root] = old;
  }
}

bool Lowering::readersBefore(Value v, Operation *point, Operation *writer) {
  return llvm::all_of(v.getUsers(), [&](Operation *user) {
    if (user == writer)
      return true;
    if (isa<func::ReturnOp>(user))
      return false;
    if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ExtractSliceOp, tensor::PadOp>(user))
      return readersBefore(user->getResult(0), point, writer);
    return user->isBeforeInBlock(point);
  });
}

std::optional<Lowering::Update> Lowering::updateAt(linalg::GenericOp made) {
  linalg::GenericOp op = onlyReader(made->getResult(0));
  // What stops at a loss that is not finite must not have changed anything.
  if (!op || !loss || !loss->isBeforeInBlock(made) || phaseOf(op.getLoc()) != updatePhase || op->hasAttr("cnn.kernel"))
    return {};
  Type element = cast<ShapedType>(made->getResult(0).getType()).getElementType();
  const unsigned inputs = op.getNumDpsInputs();
  unsigned given = inputs;
  for (auto [i, v] : llvm::enumerate(op.getInputs())) {
    Value root = rootOf(v);
    if (root == made->getResult(0)) {
      if (given != inputs)
        return {};
      given = i;
    } else if (Operation *maker = root.getDefiningOp(); maker && !where.contains(root)) {
      return {};
    }
  }
  for (Value result : op->getResults()) {
    auto it = replaced.find(result);
    if (it == replaced.end() || !readersBefore(it->second, made, op) || cast<ShapedType>(result.getType()).getElementType() != element)
      return {};
  }
  auto plan = planNest(op, target.vectorBytes / elementBytes(element), program.batch);
  if (failed(plan) || plan->mode != NestPlan::Mode::Map || plan->N != 1 || plan->R != 1 || plan->operands[given].c != 1)
    return {};
  return Update{op, *plan, given};
}

Lowering::Gradient Lowering::gradient(linalg::GenericOp made, int64_t elements, bool mayUpdate) {
  Value v = made->getResult(0);
  Type element = cast<ShapedType>(v.getType()).getElementType();
  // A small tensor stays in the caches between the two, and its update is then shared out better.
  const bool pays = elements * elementBytes(element) >= target.l2Bytes / 2;
  auto update = mayUpdate && pays && element == computedIn(element) ? updateAt(made) : std::nullopt;
  if (!update)
    return {{newBuffer(v, elements), elements, element}, {}};
  Ref r;
  r.buffer = addBuffer(Buffer::Space::Gradient, elements * elementBytes(element));
  where[v] = r;
  fused.insert(update->op);
  return {{r, elements, element}, update};
}

void Lowering::launchGradient(Location loc, StringRef family, StringRef key, ArrayRef<Argument> inputs, const Gradient &to, uint64_t flops, BuildGradient build) {
  SmallVector<Argument> arguments(inputs);
  const size_t own = arguments.size();
  arguments.push_back(write(to.memory));
  if (!to.update) {
    launch(loc, family, key, arguments, flops, [&](KernelBuilder &k, ArrayRef<int> numbers) {
      auto store = [&](Value vector, Value index, int64_t width) { k.store(vector, k.buffer(numbers[own]), index, width); };
      return build(k, {store});
    });
    return;
  }
  auto [op, plan, given] = *to.update;
  arguments.back().touched = 0;
  for (auto [i, v] : llvm::enumerate(op.getInputs()))
    if (i != given) {
      auto type = cast<ShapedType>(v.getType());
      arguments.push_back({*ref(v), type.getNumElements(), type.getElementType(), false});
    }
  for (Value v : op->getResults())
    arguments.push_back({newBuffer(v), plan.C, to.memory.element, true});
  launch(loc, (family + "_update").str(), (key + "|" + Twine(given) + " " + plan.text()).str(), arguments, flops, [&](KernelBuilder &k, ArrayRef<int> numbers) {
    SmallVector<int> operands(numbers.begin() + own + 1, numbers.end());
    operands.insert(operands.begin() + given, -1);
    Value memory = k.buffer(numbers[own]), isWanted = k.isPresent(memory);
    Tail tail(k, plan, operands, given);
    auto store = [&](Value vector, Value index, int64_t width) {
      k.when(isWanted, [&] { k.store(vector, memory, index, width); });
      tail.run(vector, index, width);
    };
    auto announce = [&](Value index) { tail.prefetch(index); };
    return build(k, {store, announce});
  });
}

} // namespace cnnc
