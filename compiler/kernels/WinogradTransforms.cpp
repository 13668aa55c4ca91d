// Tiles of a map, transformed into scratch memory.
// In: maps (N,H,W,C).  Out: loops over vectors of channels. Tiles that reach over the map's edge load with masks, and so do vectors that reach over
// its channels.
#include "compiler/kernels/WinogradTransforms.h"

using namespace mlir;

namespace cnnc {
namespace {

struct Emit {
  using Value = mlir::Value;
  KernelBuilder &k;
  Type element;
  int64_t lanes;
  Value number(double c) { return k.splat(k.scalar(element, c), lanes); }
  Value add(Value x, Value y) { return arith::AddFOp::create(k.b, k.loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(k.b, k.loc, x, y); }
  Value mul(double c, Value x) { return arith::MulFOp::create(k.b, k.loc, x, number(c)); }
  Value fma(double c, Value x, Value y) { return k.fma(x, number(c), y); }
};

} // namespace

void WinogradTransforms::both(const WinogradMatrix &M, const WinogradMatrix &N, Cell m, Use use) {
  Emit emit{k, element, lanes};
  std::vector<std::vector<Value>> columns;
  for (size_t j = 0; j < N[0].size(); ++j) {
    std::vector<Value> v;
    for (size_t i = 0; i < M[0].size(); ++i)
      v.push_back(m(int64_t(i), int64_t(j)));
    columns.push_back(WinogradProduct<Emit>(emit, M).of(v));
  }
  int64_t number = 0;
  for (size_t i = 0; i < M.size(); ++i) {
    std::vector<Value> v;
    for (const std::vector<Value> &column : columns)
      v.push_back(column[i]);
    for (Value value : WinogradProduct<Emit>(emit, N).of(v))
      use(number++, value);
  }
}

void WinogradTransforms::squares(const Map &map, Value n, Value row, Value column, int64_t side, Value firstChannel, Value channels, bool mayLeave,
                                 llvm::function_ref<void(Value, Cell)> use) {
  const int64_t H = map.H, W = map.W, padded = (map.block + lanes - 1) / lanes * lanes;
  auto pixelAt = [&](Value i, Value j) { return k.mul(k.add(k.mul(k.add(k.mul(n, H), i), W), j), map.C); };
  auto channelAt = [&](Value ch) {
    Value lane = k.add(firstChannel, ch);
    return padded == map.block || map.block == map.C ? lane : k.add(k.mul(k.div(lane, padded), map.block), k.mod(lane, padded));
  };
  // The lanes of a vector that are of the block; none: all.
  auto maskAt = [&](Value ch) -> Value {
    if (padded == map.block)
      return {};
    Value lane = k.add(firstChannel, ch), left = k.sub(k.constant(map.block), map.block == map.C ? lane : k.mod(lane, padded));
    return vector::CreateMaskOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getI1Type()), left);
  };
  auto inside = [&] {
    Value pixel = pixelAt(row, column);
    k.loop(k.constant(0), channels, lanes, [&](Value ch) {
      Value mask = maskAt(ch), base = k.add(pixel, channelAt(ch));
      use(ch, [&](int64_t i, int64_t j) {
        Value at = k.add(base, (i * W + j) * map.C);
        return mask ? k.loadMasked(map.memory, at, mask) : k.load(map.memory, at, lanes);
      });
    });
  };
  if (!mayLeave)
    return inside();

  auto within = [&](Value i, int64_t extent) {
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ult, i, k.constant(extent)).getResult();
  };
  auto both = [&](Value a, Value b) { return arith::AndIOp::create(k.b, k.loc, a, b).getResult(); };
  Value whole = both(both(within(row, H), within(k.add(row, side - 1), H)), both(within(column, W), within(k.add(column, side - 1), W)));
  auto branch = scf::IfOp::create(k.b, k.loc, whole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(&branch.getThenRegion().front());
  inside();
  k.b.setInsertionPointToStart(&branch.getElseRegion().front());
  SmallVector<Value> address, masks;
  auto clamp = [&](Value i, int64_t extent) { return k.min(k.max(i, k.constant(0)), k.constant(extent - 1)); };
  for (int64_t i = 0; i < side; ++i)
    for (int64_t j = 0; j < side; ++j) {
      Value r = k.add(row, i), s = k.add(column, j);
      address.push_back(pixelAt(clamp(r, H), clamp(s, W)));
      masks.push_back(k.splat(both(within(r, H), within(s, W)), lanes));
    }
  k.loop(k.constant(0), channels, lanes, [&](Value ch) {
    Value mask = maskAt(ch), channel = channelAt(ch);
    use(ch, [&](int64_t i, int64_t j) {
      Value within = masks[i * side + j];
      return k.loadMasked(map.memory, k.add(address[i * side + j], channel), mask ? both(within, mask) : within);
    });
  });
}

void WinogradTransforms::put(int64_t number, Value value, Value ch, const Place &to) {
  Value at = k.add(k.add(to.first, ch), number * to.cell);
  if (to.half == Place::Whole)
    k.store(value, to.memory, at, lanes);
  else
    k.storeHalves(value, to.half == Place::High, to.memory, at);
}

void WinogradTransforms::transformInput(Value x, const Tile &tile, Value firstChannel, const WinogradMatrix &rows, const Place &to) {
  const int64_t m = c.form.outputs, reach = c.form.taps - 1;
  bool mayLeave = c.PT > 0 || c.PL > 0 || m * c.tileRows() + reach - c.PT > c.H || m * c.tileColumns() + reach - c.PL > c.W;
  squares({x, c.H, c.W, c.C, c.C}, tile.n, k.add(k.mul(tile.row, m), -c.PT), k.add(k.mul(tile.column, m), -c.PL), c.form.side(), firstChannel,
          to.channels, mayLeave,
          [&](Value ch, Cell d) { both(rows, matrices.input, d, [&](int64_t p, Value value) { put(p, value, ch, to); }); });
}

void WinogradTransforms::transformOutputGrad(Value dy, const Tile &tile, Value firstOutput, const std::vector<int64_t> &rows,
                                             const Place &to) {
  const int64_t m = c.form.outputs;
  bool mayLeave = c.OH % m || c.OW % m;
  const WinogradMatrix adjoint = transposed(matrices.output), some = rowsOf(adjoint, rows);
  squares({dy, c.OH, c.OW, c.O, c.block}, tile.n, k.mul(tile.row, m), k.mul(tile.column, m), m, firstOutput, to.channels, mayLeave,
          [&](Value o, Cell d) { both(some, adjoint, d, [&](int64_t p, Value value) { put(p, value, o, to); }); });
}

} // namespace cnnc
