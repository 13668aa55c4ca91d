// The cnn dialect's registration. In: nothing.  Out: operations and attributes known to an MLIRContext.
#include "compiler/dialect/Cnn.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "compiler/dialect/CnnDialect.cpp.inc"
#include "compiler/dialect/Differentiable.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/CnnAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/dialect/CnnOps.cpp.inc"

void cnnc::cnn::CnnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/dialect/CnnAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/CnnOps.cpp.inc"
      >();
}
