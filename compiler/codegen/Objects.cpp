// Kernels -> objects, side by side.
// In: a module of modules, one a kernel, in the LLVM dialect.  Out: an object a kernel. Each is made in an LLVM context of its own, so the
// bytes do not depend on the number of threads.
#include "compiler/codegen/Codegen.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Threading.h"

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
  mlir::parallelFor(kernels.getContext(), 0, modules.size(), [&](size_t i) {
    auto make = [&]() -> Expected<std::string> {
      auto processor = makeProcessor(mcpu, level);
      if (!processor)
        return processor.takeError();
      LLVMContext context;
      auto module = translate(modules[i], *processor, context);
      if (!module)
        return module.takeError();
      if (level == OptimisationLevel::Full)
        optimise(**module, *processor);
      return emitCode(**module, *processor, /*assembly=*/false);
    };
    if (auto object = make())
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
