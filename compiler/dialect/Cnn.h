// The door of the cnn dialect: its class, operations, attributes and the Differentiable interface.
#pragma once

#include "compiler/dialect/Phase.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "compiler/dialect/CnnDialect.h.inc"
#include "compiler/dialect/Differentiable.h.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/CnnAttrs.h.inc"
#define GET_OP_CLASSES
#include "compiler/dialect/CnnOps.h.inc"
