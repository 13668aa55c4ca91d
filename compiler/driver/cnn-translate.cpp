// cnn-translate: LLVM IR out of the LLVM dialect and back, as mlir-translate does it.
// In: a module as text.  Out: LLVM IR (-mlir-to-llvmir), or a module (-import-llvm).
#include "mlir/InitAllTranslations.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  mlir::registerAllTranslations();
  return mlir::failed(mlir::mlirTranslateMain(argc, argv, "cnn-translate: modules of the cnnc compiler as LLVM IR\n"));
}
