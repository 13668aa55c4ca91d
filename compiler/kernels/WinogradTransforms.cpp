// Tiles of a map, transformed into scratch memory.
// In: maps (N,H,W,C).  Out: loops over vectors of channels. Tiles that reach over the map's edge load with masks.
#include "compiler/kernels/WinogradTransforms.h"

using namespace mlir;

namespace cnnc {

void WinogradTransforms::squares(Value map, Value n, Value row, Value column, int64_t side, int64_t H, int64_t W, int64_t mapChannels,
                                 Value firstChannel, int64_t channels, bool mayLeave, llvm::function_ref<void(Value, const Cells &)> use) {
  auto addressOf = [&](Value i, Value j) {
    Value at = k.add(k.mul(k.add(k.mul(n, H), i), W), j);
    return k.add(k.mul(at, mapChannels), firstChannel);
  };
  auto inside = [&] {
    Value base = addressOf(row, column);
    k.loop(k.constant(0), k.constant(channels), lanes, [&](Value ch) {
      Cells cells;
      for (int64_t i = 0; i < side; ++i)
        for (int64_t j = 0; j < side; ++j)
          cells.push_back(k.load(map, k.add(k.add(base, ch), (i * W + j) * mapChannels), lanes));
      use(ch, cells);
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
  Cells address, masks;
  auto clamp = [&](Value i, int64_t extent) { return k.min(k.max(i, k.constant(0)), k.constant(extent - 1)); };
  for (int64_t i = 0; i < side; ++i)
    for (int64_t j = 0; j < side; ++j) {
      Value r = k.add(row, i), s = k.add(column, j);
      address.push_back(addressOf(clamp(r, H), clamp(s, W)));
      masks.push_back(k.splat(both(within(r, H), within(s, W)), lanes));
    }
  k.loop(k.constant(0), k.constant(channels), lanes, [&](Value ch) {
    Cells cells;
    for (auto [at, mask] : llvm::zip(address, masks))
      cells.push_back(k.loadMasked(map, k.add(at, ch), mask));
    use(ch, cells);
  });
}

void WinogradTransforms::put(const Cells &cells, Value ch, const Place &to) {
  Value base = k.add(k.mul(to.slot, to.channels), ch);
  for (auto [p, value] : llvm::enumerate(cells)) {
    Value at = k.add(base, p * to.cell);
    if (to.half == Place::Whole)
      k.store(value, to.memory, at, lanes);
    else
      k.storeHalves(value, to.half == Place::High, to.memory, at);
  }
}

void WinogradTransforms::transformInput(Value x, const Tile &tile, Value firstChannel, const Place &to) {
  bool mayLeave = c.PT > 0 || c.PL > 0 || 2 * c.tileRows() + 2 - c.PT > c.H || 2 * c.tileColumns() + 2 - c.PL > c.W;
  squares(x, tile.n, k.add(k.mul(tile.row, 2), -c.PT), k.add(k.mul(tile.column, 2), -c.PL), 4, c.H, c.W, c.C, firstChannel, to.channels, mayLeave,
          [&](Value ch, const Cells &d) { put(input(d), ch, to); });
}

void WinogradTransforms::transformOutputGrad(Value dy, const Tile &tile, Value firstOutput, const Place &to) {
  bool mayLeave = c.OH % 2 || c.OW % 2;
  squares(dy, tile.n, k.mul(tile.row, 2), k.mul(tile.column, 2), 2, c.OH, c.OW, c.O, firstOutput, to.channels, mayLeave,
          [&](Value o, const Cells &d) { put(outputAdjoint(d), o, to); });
}

} // namespace cnnc
