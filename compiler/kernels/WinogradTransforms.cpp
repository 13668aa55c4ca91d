// Tiles of a map, transformed into scratch memory.
// In: maps (N,H,W,C).  Out: loops over vectors of channels. Tiles that reach over the map's edge load with masks, and so do vectors that reach over
// its channels.
#include "compiler/kernels/WinogradTransforms.h"

#include "mlir/IR/Matchers.h"

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

void throughChunks(KernelBuilder &k, const std::vector<LaneChunk> &chunks, llvm::function_ref<void(Value start, const LaneChunk &)> body) {
  for (size_t i = 0, same = 0; i < chunks.size(); i = same) {
    while (same < chunks.size() && chunks[same].width == chunks[i].width)
      ++same;
    const LaneChunk &chunk = chunks[i];
    k.loop(k.constant(chunk.start), k.constant(chunk.start + chunk.width * int64_t(same - i)), chunk.width, [&](Value start) { body(start, chunk); });
  }
}

std::vector<Value> WinogradTransforms::product(const WinogradMatrix &M, const std::vector<Value> &v) {
  Emit emit{k, element, lanes};
  return WinogradProduct<Emit>(emit, M).of(v);
}

void WinogradTransforms::ofRows(const WinogradMatrix &N, int64_t rows, Cell m, Use use) {
  int64_t number = 0;
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<Value> row;
    for (size_t j = 0; j < N[0].size(); ++j)
      row.push_back(m(i, int64_t(j)));
    for (Value value : product(N, row))
      use(number++, value);
  }
}

void WinogradTransforms::both(const WinogradMatrix &M, const WinogradMatrix &N, Cell m, Use use) {
  std::vector<std::vector<Value>> columns;
  for (size_t j = 0; j < N[0].size(); ++j) {
    std::vector<Value> v;
    for (size_t i = 0; i < M[0].size(); ++i)
      v.push_back(m(int64_t(i), int64_t(j)));
    columns.push_back(product(M, v));
  }
  ofRows(N, int64_t(M.size()), [&](int64_t i, int64_t j) { return columns[size_t(j)][size_t(i)]; }, use);
}

void WinogradTransforms::rectangles(const Map &map, Value n, Value row, Value column, int64_t rows, int64_t columns, Value firstChannel, Value channels,
                                    bool mayLeave, llvm::function_ref<void(Value, Cell)> use) {
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
    return k.b.createOrFold<arith::CmpIOp>(k.loc, arith::CmpIPredicate::ult, i, k.constant(extent));
  };
  auto both = [&](Value a, Value b) { return k.b.createOrFold<arith::AndIOp>(k.loc, a, b); };
  Value whole = both(both(within(row, H), within(k.add(row, rows - 1), H)), both(within(column, W), within(k.add(column, columns - 1), W)));
  // Tiles that are known to leave the map have no other form.
  OpBuilder::InsertionGuard guard(k.b);
  if (APInt known; !matchPattern(whole, m_ConstantInt(&known)) || !known.isZero()) {
    auto branch = scf::IfOp::create(k.b, k.loc, whole, /*withElseRegion=*/true);
    k.b.setInsertionPointToStart(&branch.getThenRegion().front());
    inside();
    k.b.setInsertionPointToStart(&branch.getElseRegion().front());
  }
  SmallVector<Value> address, masks;
  auto clamp = [&](Value i, int64_t extent) { return k.min(k.max(i, k.constant(0)), k.constant(extent - 1)); };
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      Value r = k.add(row, i), s = k.add(column, j);
      address.push_back(pixelAt(clamp(r, H), clamp(s, W)));
      masks.push_back(k.splat(both(within(r, H), within(s, W)), lanes));
    }
  k.loop(k.constant(0), channels, lanes, [&](Value ch) {
    Value mask = maskAt(ch), channel = channelAt(ch);
    use(ch, [&](int64_t i, int64_t j) {
      Value within = masks[i * columns + j];
      return k.loadMasked(map.memory, k.add(address[i * columns + j], channel), mask ? both(within, mask) : within);
    });
  });
}

void WinogradTransforms::withShape(const Tile &tile, bool shortRows, bool shortColumns, llvm::function_ref<void(const Tile &, int64_t, int64_t)> body) {
  auto along = [&](Value at, int64_t tiles, bool tells, int64_t count, llvm::function_ref<void(Value, int64_t)> use) {
    if (!tells)
      return use(at, c.form.outputs);
    Value last = k.constant(tiles - 1);
    if (tiles == 1)
      return use(last, count);
    k.when(k.less(at, last), [&] { use(at, c.form.outputs); });
    k.when(k.equal(at, last), [&] { use(k.constant(tiles - 1), count); });
  };
  along(tile.row, c.tileRows(), shortRows, c.lastRows(), [&](Value row, int64_t rows) {
    along(tile.column, c.tileColumns(), shortColumns, c.lastColumns(), [&](Value column, int64_t columns) { body({tile.n, row, column}, rows, columns); });
  });
}

WinogradTransforms::ByKind WinogradTransforms::before(Value number) {
  const int64_t R = c.tileRows(), Q = c.tileColumns();
  Value image = k.div(number, R * Q), inside = k.mod(number, R * Q), row = k.div(inside, Q), column = k.mod(inside, Q);
  ByKind result;
  for (int kind = 0; kind < kinds; ++kind) {
    const int64_t rows = R - (shortRows() && (kind & 1)), columns = Q - (shortColumns() && (kind & 2));
    result[kind] = rows == R && columns == Q ? number
                                             : k.add(k.mul(image, rows * columns), k.min(k.add(k.mul(row, columns), k.min(column, k.constant(columns))),
                                                                                         k.constant(rows * columns)));
  }
  return result;
}

WinogradTransforms::ByKind WinogradTransforms::between(const ByKind &first, Value number, int64_t factor, Value start) {
  ByKind result = before(number);
  for (int kind = 0; kind < kinds; ++kind)
    result[kind] = k.add(start, k.mul(k.sub(result[kind], first[kind]), factor));
  return result;
}

int64_t WinogradTransforms::most(int kind, int64_t tiles) const {
  const int64_t R = c.tileRows(), Q = c.tileColumns(), rows = R - (shortRows() && (kind & 1)), columns = Q - (shortColumns() && (kind & 2));
  const int64_t rest = tiles % (R * Q), ofRest = rest - (columns < Q ? rest / Q : 0); // any Q tiles in a row have one of the last column
  return tiles / (R * Q) * rows * columns + std::min(ofRest, rows * columns);
}

void WinogradTransforms::place(const WinogradMatrix &M, const WinogradMatrix &N, const std::vector<int64_t> &rows, Cell m, Value ch, const Place &to) {
  std::vector<int64_t> have, numbers;
  for (auto [number, row] : llvm::enumerate(rows))
    if (row < int64_t(M.size()))
      have.push_back(row), numbers.push_back(int64_t(number));
  const int64_t columns = int64_t(N.size());
  both(rowsOf(M, have), N, m, [&](int64_t p, Value value) {
    const int64_t row = p / columns, column = p % columns;
    Value at = k.add(k.add(to.first[kindOf(have[size_t(row)], column)], ch), (numbers[size_t(row)] * c.form.side() + column) * to.cell);
    if (to.half == Place::Whole)
      k.store(value, to.memory, at, lanes);
    else
      k.storeHalves(value, to.half == Place::High, to.memory, at);
  });
}

void WinogradTransforms::transformInput(Value x, const Tile &tile, Value firstChannel, const std::vector<int64_t> &rows, const Place &to) {
  const int64_t m = c.form.outputs, reach = c.form.taps - 1;
  bool mayLeave = c.PT > 0 || c.PL > 0 || m * c.tileRows() + reach - c.PT > c.H || m * c.tileColumns() + reach - c.PL > c.W;
  withShape(tile, shortRows(), shortColumns(), [&](const Tile &at, int64_t outRows, int64_t outColumns) {
    const WinogradMatrix M = matricesOf(outRows).input, N = matricesOf(outColumns).input;
    if (llvm::none_of(rows, [&](int64_t row) { return row < int64_t(M.size()); }))
      return;
    rectangles({x, c.H, c.W, c.C, c.C}, at.n, k.add(k.mul(at.row, m), -c.PT), k.add(k.mul(at.column, m), -c.PL), int64_t(M.size()),
               int64_t(N.size()), firstChannel, to.channels, mayLeave, [&](Value ch, Cell d) { place(M, N, rows, d, ch, to); });
  });
}

void WinogradTransforms::transformOutputGrad(Value dy, const Tile &tile, Value firstOutput, const std::vector<int64_t> &rows, const Place &to) {
  const int64_t m = c.form.outputs;
  bool mayLeave = c.pairs && (c.OH % m || c.OW % m);
  withShape(tile, shortRows(), shortColumns(), [&](const Tile &at, int64_t outRows, int64_t outColumns) {
    const WinogradMatrix M = transposed(matricesOf(outRows).output), N = transposed(matricesOf(outColumns).output);
    if (llvm::none_of(rows, [&](int64_t row) { return row < int64_t(M.size()); }))
      return;
    rectangles({dy, c.OH, c.OW, c.O, c.block}, at.n, k.mul(at.row, m), k.mul(at.column, m), outRows, outColumns, firstOutput, to.channels, mayLeave,
               [&](Value o, Cell d) { place(M, N, rows, d, o, to); });
  });
}

} // namespace cnnc
