// Recognises what a linalg.generic is: which of its operands vary with samples, rows, channels, and how to cut it into pieces.
// In: linalg.generic on tensors.  Out: NestPlan, or failure where a map is neither identity nor broadcast.
#include "compiler/kernels/Nest.h"
#include "compiler/target/Tiles.h"

#include <numeric>

using namespace mlir;

namespace cnnc {
namespace {

/// `e` as a dimension divided by a constant, or what such a division leaves over.
struct Divided {
  AffineDimExpr dimension;
  int64_t by = 1;
};
std::optional<Divided> dividedBy(AffineExpr e, AffineExprKind kind) {
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary || binary.getKind() != kind)
    return {};
  auto d = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto c = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return d && c ? std::optional<Divided>({d, c.getValue()}) : std::nullopt;
}
bool has(AffineMap map, AffineExprKind kind) {
  return llvm::any_of(map.getResults(), [&](AffineExpr e) { return dividedBy(e, kind).has_value(); });
}

/// The loop dimensions that a map uses, divided or not; failure unless its results are distinct dimensions in ascending order, or constants 0.
FailureOr<SmallVector<unsigned>> dimensionsOf(AffineMap map) {
  SmallVector<unsigned> dims;
  for (AffineExpr e : map.getResults()) {
    if (auto divided = dividedBy(e, AffineExprKind::FloorDiv))
      e = divided->dimension;
    if (auto d = dyn_cast<AffineDimExpr>(e)) {
      if (!dims.empty() && d.getPosition() <= dims.back())
        return failure();
      dims.push_back(d.getPosition());
    } else if (auto c = dyn_cast<AffineConstantExpr>(e); !c || c.getValue() != 0) {
      return failure();
    }
  }
  return dims;
}

/// Elements between neighbours of operand `i` along a loop; 0 where it does not vary along it.
int64_t strideOf(linalg::GenericOp op, unsigned i, unsigned loop) {
  AffineMap map = op.getIndexingMapsArray()[i];
  auto shape = cast<ShapedType>(op->getOperand(i).getType()).getShape();
  int64_t stride = 1;
  for (unsigned d = shape.size(); d-- > 0; stride *= shape[d])
    if (auto e = dyn_cast<AffineDimExpr>(map.getResult(d)); e && e.getPosition() == loop)
      return stride;
  return 0;
}

} // namespace

FailureOr<PixelWindows> windowsOf(linalg::GenericOp op) {
  std::optional<PixelWindows> found;
  const SmallVector<int64_t> extents = op.getStaticLoopRanges();
  for (AffineMap map : op.getIndexingMapsArray()) {
    for (AffineExprKind kind : {AffineExprKind::FloorDiv, AffineExprKind::Mod}) {
      if (!has(map, kind))
        continue;
      PixelWindows w;
      for (AffineExpr e : map.getResults())
        if (auto divided = dividedBy(e, kind)) {
          const unsigned d = divided->dimension.getPosition();
          if (op.getNumLoops() != 4 || (d != 1 && d != 2) || extents[d] % divided->by)
            return failure();
          (d == 1 ? w.rows : w.columns) = divided->by;
        }
      w.across = op.getNumLoops() == 4 ? extents[2] / w.columns : 1;
      if (found && *found != w)
        return failure();
      found = w;
    }
  }
  return found.value_or(PixelWindows());
}

std::string NestPlan::text() const {
  std::string s;
  llvm::raw_string_ostream os(s);
  os << int(mode) << ' ' << N << ' ' << R << ' ' << C << ' ' << width << ' ' << perPiece << ' ' << wide;
  if (windows.cells() > 1)
    os << ' ' << windows.rows << 'x' << windows.columns << '/' << windows.across;
  for (const Strides &o : operands)
    os << ' ' << o.n << ',' << o.r << ',' << o.c << (o.of == Strides::Of::Windows ? "w" : o.of == Strides::Of::Cells ? "t" : "");
  // The body: every operation with the numbers of its operands; constants from outside by value.
  linalg::GenericOp generic = op;
  Block &body = generic.getRegion().front();
  DenseMap<Value, unsigned> number;
  for (BlockArgument a : body.getArguments())
    number[a] = number.size();
  for (Operation &o : body) {
    os << ';' << o.getName() << o.getAttrDictionary();
    for (Value v : o.getOperands()) {
      if (auto it = number.find(v); it != number.end())
        os << ' ' << it->second;
      else
        os << ' ' << v.getDefiningOp()->getAttrDictionary();
    }
    for (Value r : o.getResults()) {
      os << ':' << r.getType();
      number[r] = number.size();
    }
  }
  return os.str();
}

int64_t NestPlan::resultElements() const {
  switch (mode) {
  case Mode::Map:
    return N * R * windows.cells() * C;
  case Mode::ToChannels:
    return C;
  case Mode::ToScalar:
    return 1;
  case Mode::ToSamples:
    return N;
  case Mode::ToSampleChannels:
    return N * C;
  }
  return 0;
}

FailureOr<Operation *> combinerOf(linalg::GenericOp op, unsigned result) {
  Block &body = op.getRegion().front();
  Operation *last = body.getTerminator()->getOperand(result).getDefiningOp();
  Value acc = body.getArgument(op.getNumDpsInputs() + result);
  if (last && isa<arith::AddFOp, arith::MaximumFOp>(last) && llvm::is_contained(last->getOperands(), acc))
    return last;
  return failure();
}

/// Pieces of about `goal` elements that begin at whole images, or at whole parts of them. False: the images' size does not allow it.
static bool cutByImages(NestPlan &p, int64_t batch, int64_t extent, int64_t goal, int64_t multiple) {
  if (batch < 2 || extent % batch)
    return false;
  int64_t ofImage = extent / batch, elements = p.N * p.R * p.windows.cells() * p.C / batch;
  ImageCut cut = cutImages(double(elements), double(goal), batch, ofImage / std::gcd(ofImage, multiple));
  int64_t perPiece = ofImage * cut.images / cut.pieces;
  if (perPiece % multiple)
    return false;
  p.perPiece = perPiece, p.pieces = cut.count(batch);
  return true;
}

FailureOr<NestPlan> planNest(linalg::GenericOp op, int64_t lanes, int64_t batch) {
  using Mode = NestPlan::Mode;
  using Cut = NestPlan::Cut;
  NestPlan p;
  p.op = op;
  unsigned rank = op.getNumLoops();
  SmallVector<int64_t> extents = op.getStaticLoopRanges();
  SmallVector<SmallVector<unsigned>> dims;
  int64_t loops = 1;
  for (int64_t e : extents)
    loops *= e;
  bool channelOnly = false, sampleUse = false, inLeaps = false;
  auto windows = windowsOf(op);
  if (failed(windows))
    return failure();
  p.windows = *windows;
  const int64_t cells = p.windows.cells();
  for (auto [i, map] : llvm::enumerate(op.getIndexingMapsArray())) {
    if (has(map, AffineExprKind::Mod)) {
      dims.push_back({});
      continue;
    }
    auto d = dimensionsOf(map);
    if (failed(d))
      return failure();
    bool full = d->size() == rank, none = d->empty();
    bool last = d->size() == 1 && d->back() == rank - 1 && rank > 1;
    bool sample = d->size() == 1 && d->front() == 0 && rank > 1;
    bool both = d->size() == 2 && rank > 2 && d->front() == 0 && d->back() == rank - 1;
    if (!full && !none && !last && !sample && !both)
      return failure();
    channelOnly |= last;
    sampleUse |= !full && (sample || both);
    inLeaps |= full && cast<ShapedType>(op->getOperand(i).getType()).getNumElements() * (has(map, AffineExprKind::FloorDiv) ? cells : 1) != loops;
    dims.push_back(*d);
  }
  bool indexed = false;
  op.getRegion().walk([&](linalg::IndexOp) { indexed = true; });
  bool reduces = op.getNumReductionLoops() > 0;

  if (rank == 0) {
    // all 1
  } else if (!channelOnly && !sampleUse && !indexed && !inLeaps && cells == 1) { // contiguous: one long row
    p.C = loops;
  } else {
    p.C = extents[rank - 1];
    if (sampleUse || indexed) {
      p.N = rank > 1 ? extents[0] : 1;
      for (unsigned i = 1; i + 1 < rank; ++i)
        p.R *= extents[i];
    } else {
      for (unsigned i = 0; i + 1 < rank; ++i)
        p.R *= extents[i];
    }
    if (rank >= 3)
      p.width = extents[rank - 2];
    p.R /= cells;
  }
  bool flat = p.N == 1 && p.R == 1;

  for (auto [i, d] : llvm::enumerate(dims)) {
    NestPlan::Strides s;
    if (rank > 0 && llvm::is_contained(d, rank - 1))
      s.c = 1;
    if (p.N > 1)
      s.n = strideOf(op, i, 0);
    if ((p.R > 1 || cells > 1) && d.size() == rank)
      s.r = cells > 1 ? cast<ShapedType>(op->getOperand(i).getType()).getShape().back() : strideOf(op, i, rank - 2);
    if (AffineMap map = op.getIndexingMapsArray()[i]; has(map, AffineExprKind::Mod))
      s.of = NestPlan::Strides::Of::Cells;
    else if (has(map, AffineExprKind::FloorDiv))
      s.of = NestPlan::Strides::Of::Windows;
    p.operands.push_back(s);
  }
  if (reduces) {
    auto &out = dims[op.getNumDpsInputs()];
    for (unsigned i = op.getNumDpsInputs(); i < dims.size(); ++i)
      if (dims[i] != out || failed(combinerOf(op, i - op.getNumDpsInputs())))
        return failure();
    p.mode = out.empty() ? Mode::ToScalar
             : out.size() == 2 ? Mode::ToSampleChannels
             : out.front() == 0 && rank > 1 ? Mode::ToSamples
                                            : Mode::ToChannels;
    if (p.mode == Mode::ToSamples && p.R != 1)
      return failure();
  } else {
    for (unsigned i = op.getNumDpsInputs(); i < dims.size(); ++i)
      if (dims[i].size() != rank)
        return failure();
  }

  if (p.mode == Mode::ToChannels || p.mode == Mode::ToSampleChannels) {
    // f32 terms: out type f32 (of the whole batch), or f64 with the term widened just before it is added.
    const bool narrow = p.mode == Mode::ToChannels;
    p.wide = true;
    for (unsigned i = 0; i < op.getNumDpsInits(); ++i) {
      Operation *combiner = *combinerOf(op, i);
      Type out = cast<ShapedType>(op.getDpsInits()[i].getType()).getElementType();
      Operation *term = combiner->getOperand(combiner->getOperand(0) == op.getRegion().front().getArgument(op.getNumDpsInputs() + i)).getDefiningOp();
      p.wide &= isa<arith::AddFOp>(combiner) && ((narrow && out.isF32()) || (out.isF64() && isa_and_nonnull<arith::ExtFOp>(term)));
    }
  }

  // Pieces of about `grain` elements; sums have at most `mostPartials`.
  constexpr int64_t grain = 16384, mostPartials = 64;
  int64_t total = p.N * p.R * cells * p.C;
  int64_t wanted = std::max<int64_t>(1, total / grain);
  if (p.mode == Mode::ToChannels || p.mode == Mode::ToScalar)
    wanted = std::min(wanted, mostPartials);
  int64_t extent;
  if (flat) {
    p.cut = Cut::Elements, extent = p.C;
  } else if (p.N > 1) {
    p.cut = Cut::Samples, extent = p.N;
  } else {
    p.cut = Cut::Rows, extent = p.R;
  }
  constexpr int64_t chunk = 4; // vectors; pieces of one long row begin at whole chunks
  p.byImage = rank >= 2 && extents[0] == batch && cutByImages(p, batch, extent, (total + wanted - 1) / wanted, flat ? chunk * lanes : 1);
  if (p.byImage)
    return p;
  p.perPiece = (extent + wanted - 1) / wanted;
  if (flat)
    p.perPiece = (p.perPiece + chunk * lanes - 1) / (chunk * lanes) * (chunk * lanes);
  p.pieces = (extent + p.perPiece - 1) / p.perPiece;
  return p;
}

} // namespace cnnc
