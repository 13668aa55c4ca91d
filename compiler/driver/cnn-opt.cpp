// cnn-opt: every pass of the compiler, one by one, as mlir-opt runs MLIR's.
// In: a module as text.  Out: the module after the passes named on the command line.
#include "compiler/conversion/Conversion.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<cnnc::cnn::CnnDialect>();
  mlir::registerAllPasses();
  cnnc::registerTransformsPasses();
  cnnc::registerConversionPasses();
  cnnc::registerPipelinePasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "cnn-opt: passes of the cnnc compiler\n", registry));
}
