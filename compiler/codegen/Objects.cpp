// Kernels -> objects, side by side.
// In: a module of modules, one a kernel, in the LLVM dialect.  Out: an object a kernel. Each is made in an LLVM context of its own, so the
// bytes do not depend on the number of threads.
#include "compiler/codegen/Codegen.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Threading.h"

#include <atomic>

using namespace llvm;

namespace cnnc {

void separate(mlir::ModuleOp kernels) {
  mlir::OpBuilder b(kernels.getContext());
  for (auto f : make_early_inc_range(kernels.getOps<mlir::func::FuncOp>())) {
    b.setInsertionPoint(f);
    auto alone = mlir::ModuleOp::create(b, f.getLoc());
    f->moveBefore(alone.getBody(), alone.getBody()->end());
  }
}

Expected<std::map<std::string, std::string>> emitObjects(mlir::ModuleOp kernels, const std::string &mcpu, OptimisationLevel level) {
  std::vector<mlir::ModuleOp> modules(kernels.getOps<mlir::ModuleOp>().begin(), kernels.getOps<mlir::ModuleOp>().end());
  std::vector<std::string> objects(modules.size()), errors(modules.size());
  auto make = [&](size_t i, const Processor &processor) -> Expected<std::string> {
    LLVMContext context;
    auto module = translate(modules[i], processor, context);
    if (!module)
      return module.takeError();
    if (level == OptimisationLevel::Full)
      optimise(**module, processor);
    return emitCode(**module, processor, /*assembly=*/false);
  };
  // A thread has a target machine, which takes longer to make than the code of a small kernel, and asks for one kernel after the other.
  const size_t threads = std::min<size_t>(modules.size(), kernels.getContext()->getNumThreads());
  std::atomic<size_t> next = 0;
  mlir::parallelFor(kernels.getContext(), 0, threads, [&](size_t) {
    auto processor = makeProcessor(mcpu, level);
    std::string reason = processor ? "" : toString(processor.takeError());
    for (size_t i = next++; i < modules.size(); i = next++)
      if (!processor)
        errors[i] = reason;
      else if (auto object = make(i, *processor))
        objects[i] = std::move(*object);
      else
        errors[i] = toString(object.takeError());
  });
  std::map<std::string, std::string> bySymbol;
  for (auto [module, object, error] : zip(modules, objects, errors)) {
    if (!error.empty())
      return createStringError(error);
    for (auto f : module.getOps<mlir::LLVM::LLVMFuncOp>())
      if (!f.isExternal())
        bySymbol[f.getName().str()] = std::move(object);
  }
  return bySymbol;
}

} // namespace cnnc
