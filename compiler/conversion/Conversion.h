// The door of the conversion cnn -> linalg on tensors.
// In: functions whose types carry encodings (cnn-layout).  Out: linalg, tensor, arith; no cnn operation is left.
//
// Maps become (N,H,W,C), filters [O/block][KH][KW][I][block]. Each operation of weight is a linalg.generic whose maps say what it computes
// (any lowering of linalg is right), and which also carries the attributes `cnn.kernel` (its family) and `cnn.geometry`
// (WindowGeometry), from which compiler/kernels makes fast code without working the maps out again.
#pragma once

#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/DialectConversion.h"

#include <array>
#include <cstdint>
#include <string>

namespace cnnc {

std::unique_ptr<mlir::Pass> createCnnToLinalgPass();
void registerConversionPasses();

/// The loops of a convolution or pooling. Letters as everywhere; PT PL PB PR the four pads; UH UW rows and columns of PB, PR that never
/// count; block: the filter's layout; countPad: as in cnn.avgpool.
struct WindowGeometry {
  int64_t N = 1, H = 1, W = 1, C = 1, O = 1, OH = 1, OW = 1, KH = 1, KW = 1, SH = 1, SW = 1, DH = 1, DW = 1;
  int64_t PT = 0, PL = 0, PB = 0, PR = 0, G = 1, block = 1, UH = 0, UW = 0, countPad = 1;

  mlir::DenseI64ArrayAttr toAttr(mlir::MLIRContext *context) const;
  /// All numbers, for keys.
  std::string text() const;
  static WindowGeometry fromAttr(mlir::DenseI64ArrayAttr attr);
};

namespace conversion {
/// Pattern sets, one a family.
void populateConv(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateDense(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populatePool(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateNorm(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateElementwise(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateShape(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
void populateLoss(mlir::TypeConverter &converter, mlir::RewritePatternSet &patterns);
} // namespace conversion
} // namespace cnnc
