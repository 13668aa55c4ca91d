// See the header.
// In: pixels of x and dy.  Out: loops over blocks of 8 channels x 32 pixels, and over pairs of pixels x 16 filters.
#include "compiler/kernels/AmxOperands.h"

using namespace mlir;

namespace cnnc {
using namespace amx;

Planes planesOf(const AmxFilterGrad &a) {
  const FilterGrad &f = a.f;
  Planes p;
  p.rows = Reach(-f.PT, (f.KH - 1) * f.DH, f.SH, f.OH), p.columns = Reach(-f.PL, (f.KW - 1) * f.DW, f.SW, f.OW);
  p.IH = f.H, p.IW = f.W, p.xChannels = f.xChannels;
  p.channels = a.gathers || a.rows % tile ? roundUp(f.xChannels, eighth) : std::min(a.panelRows * tile, f.xChannels);
  p.images = a.images, p.outRows = a.outRows, p.width = a.width, p.terms = a.split ? 2 : 1;
  return p;
}

/// The furthest that a tap shifts.
static int64_t reachOf(const Planes &p) { return p.rows.line(p.rows.lowest + p.rows.span) * p.width + p.columns.line(p.columns.lowest + p.columns.span); }

PlaneRows::PlaneRows(const AmxFilterGrad &a) : planes(planesOf(a)) {
  const int64_t reach = reachOf(planes);
  steps = a.gathers ? a.steps : a.steps + ceilDiv(reach, depth);
  pitch = a.gathers ? roundUp(a.steps * depth + reach, depth) : 0;
  planes.slack = std::max<int64_t>(0, (a.gathers ? pitch : steps * depth) - planes.planePixels());
  pairs = before + std::max(a.steps * tile, planes.images * planes.height() * planes.width / 2) + behind;
  copies = 1;
  for (int64_t l = 0; l < a.f.KW && !a.gathers; ++l)
    copies = std::max(copies, 1 + l * a.f.DW / a.f.SW % 2);
}

int64_t AmxOperands::turnedTerm() const { return runs() * roundUp(a.panelRows, 2) * tileElements; }
int64_t AmxOperands::pairedTerm() const { return a.bySamples ? a.groups * f.OH * f.OW * roundUp(a.panelLanes, 2) * tileElements : rows.paired(a); }

Value AmxOperands::tileOf(Value number, Value c) {
  return k.mul(k.add(k.mul(k.add(k.mul(k.div(c, 2 * tile), runs()), number), 2 * tile), k.mod(c, 2 * tile)), depth);
}
Value AmxOperands::pairedTile(Value number, Value lt) {
  return k.mul(k.add(k.mul(k.add(k.mul(k.div(lt, 2), a.groups * f.OH * f.OW), number), 2), k.mod(lt, 2)), tileElements);
}

void AmxOperands::allocateOperands() {
  Type narrow = k.b.getBF16Type();
  turned = k.scratch(narrow, terms * turnedTerm()), paired = k.scratch(narrow, terms * pairedTerm());
  if (a.bySamples) {
    lines = k.scratch(narrow, terms * depth * depth);
    return;
  }
  planes = k.scratch(narrow, rows.planes.bytes() / 2);
  if (a.gathers)
    channelRows = k.scratch(narrow, terms * rows.channelRows());
  k.loop(k.constant(0), k.constant(terms * rows.copies * a.panelLanes), 1, [&](Value number) {
    k.loop(k.constant(0), k.constant(rows.before), 1, [&](Value pair) {
      storeBits(zeros(depth), paired, k.mul(k.add(k.mul(number, rows.pairs), pair), depth));
    });
  });
  // What is read beside what is brought in must be finite: it is multiplied with zeros.
  const bool always = f.N % a.images == 0 && (!f.stripes || f.stripes.imagesOfPiece % a.images == 0) && ceilDiv(f.N, f.parts) % a.images == 0;
  if (!always || rows.planes.slack)
    rows.planes.clear(k, planes, always ? rows.planes.pixels() - rows.planes.slack : 0);
}

/// Lanes of bf16 as they are multiplied, in one term or two.
SmallVector<Value> AmxOperands::narrowed(Value buffer, Value index, int64_t lanes, int64_t width) {
  if (terms == 2) {
    auto [high, low] = k.split(k.load(buffer, index, lanes, width));
    return {bits(high), bits(low)};
  }
  return {bits(k.loadStored(buffer, index, lanes, width))};
}
/// bf16 as i16; f32 is rounded first.
Value AmxOperands::bits(Value v) {
  auto type = cast<VectorType>(v.getType());
  if (!type.getElementType().isBF16())
    v = arith::TruncFOp::create(k.b, k.loc, type.clone(k.b.getBF16Type()), v);
  return vector::BitCastOp::create(k.b, k.loc, type.clone(k.b.getI16Type()), v);
}
Value AmxOperands::zeros(int64_t lanes) {
  auto type = VectorType::get(lanes, k.b.getI16Type());
  return arith::ConstantOp::create(k.b, k.loc, type, k.b.getZeroAttr(type));
}
void AmxOperands::storeBits(Value v, Value buffer, Value index) {
  auto type = VectorType::get(depth, k.b.getBF16Type());
  vector::StoreOp::create(k.b, k.loc, vector::BitCastOp::create(k.b, k.loc, type, v), buffer, index);
}

/// target[to + c * pitch + s] = source(s)[c] for 8 channels c and 32 pixels s.
void AmxOperands::turn(llvm::function_ref<Value(int64_t)> source, Value target, Value to, int64_t pitch) {
  SmallVector<Value> vectors;
  for (int64_t r = 0; r < eighth; ++r) {
    Value v = zeros(depth);
    for (int64_t l = 0; l < depth; l += eighth)
      v = vector::InsertStridedSliceOp::create(k.b, k.loc, source(l + r), v, l, 1);
    vectors.push_back(v);
  }
  vectors = transposedQuarters(k, vectors);
  for (int64_t c = 0; c < eighth; ++c)
    storeBits(vectors[c], target, k.add(to, c * pitch));
}

/// Pairs of the lanes of two pixels.
void AmxOperands::storePair(Value low, Value high, Value index) {
  auto words = VectorType::get(tile, k.b.getI32Type());
  Value pair = arith::ExtUIOp::create(k.b, k.loc, words, low);
  if (high) {
    Value half = arith::ConstantOp::create(k.b, k.loc, words, DenseElementsAttr::get(words, k.b.getI32IntegerAttr(16)));
    pair = arith::OrIOp::create(k.b, k.loc, pair, arith::ShLIOp::create(k.b, k.loc, arith::ExtUIOp::create(k.b, k.loc, words, high), half));
  }
  storeBits(vector::BitCastOp::create(k.b, k.loc, VectorType::get(depth, k.b.getI16Type()), pair), paired, index);
}

void AmxOperands::laneTile(Value number, LaneTile body) {
  Value global = k.add(firstLaneTile, number);
  if (a.laneTilesOfBlock == 1) {
    Value filter = k.mul(global, std::min(tile, f.block));
    return body(number, filter, k.add(k.mul(k.div(filter, f.block), f.wBlock), k.mod(filter, f.block)), std::min(tile, f.block));
  }
  Value block = k.div(global, a.laneTilesOfBlock), inBlock = k.mod(global, a.laneTilesOfBlock);
  for (int64_t t = 0; t < a.laneTilesOfBlock; ++t)
    k.when(k.equal(inBlock, k.constant(t)), [&] {
      body(number, k.add(k.mul(block, f.block), t * tile), k.add(k.mul(block, f.wBlock), t * tile), std::min(tile, f.block - t * tile));
    });
}
/// Eighths of the channels that the piece has, from `start` on: body(first channel in the piece, in the map, how many).
void AmxOperands::eachEighth(Value start, llvm::function_ref<void(Value, Value, int64_t)> body) {
  const int64_t rest = f.xChannels % eighth;
  Value first = k.mul(firstRowTile, tile), count = k.min(k.mul(rowTiles, tile), k.sub(k.constant(f.xChannels), first));
  k.loop(start, k.mul(k.div(count, eighth), eighth), eighth, [&](Value c) { body(c, k.add(first, c), eighth); });
  if (rest)
    k.when(k.equal(k.add(first, count), k.constant(f.xChannels)), [&] {
      Value c = k.sub(count, k.constant(rest));
      body(c, k.add(first, c), rest);
    });
}

/// 32 lanes of sample s, in memory where all samples lie together. Those of the next pixel come closer.
void AmxOperands::stage(Value buffer, Value from, int64_t pixel, int64_t s) {
  if (!a.once && a.perImage == 1)
    k.prefetch(buffer, k.add(from, pixel));
  if (terms == 1 && cast<MemRefType>(buffer.getType()).getElementType().isBF16())
    return storeBits(narrowed(buffer, from, depth, depth)[0], lines, k.constant(s * depth));
  for (int64_t half = 0; half < 2; ++half) {
    auto values = narrowed(buffer, k.add(from, half * tile), tile, tile);
    for (int64_t term = 0; term < terms; ++term) {
      auto type = VectorType::get(tile, k.b.getBF16Type());
      Value narrow = vector::BitCastOp::create(k.b, k.loc, type, values[term]);
      vector::StoreOp::create(k.b, k.loc, narrow, lines, k.constant((term * depth + s) * depth + half * tile));
    }
  }
}
Value AmxOperands::stagedLanes(int64_t s, Value lane, int64_t width, int64_t term) {
  return bits(k.loadStored(lines, k.add(lane, (term * depth + s) * depth), width, width));
}

void AmxOperands::bringSamples(Value n, Value group, bool whole) {
  auto image = [&](int64_t s) { return whole ? k.add(n, s) : k.min(k.add(n, s), k.sub(lastImage, k.constant(1))); };
  k.loop(k.constant(0), k.constant(f.H * f.W), 1, [&](Value pixel) {
    Value run = k.add(k.mul(group, f.H * f.W), pixel);
    auto from = [&](int64_t s, Value channel) { return k.add(k.mul(k.add(k.mul(image(s), f.H * f.W), pixel), f.xChannels), channel); };
    Value first = k.mul(firstRowTile, tile), count = k.min(k.mul(rowTiles, tile), k.sub(k.constant(f.xChannels), first));
    // Images may lie so far apart that they share a set of the first-level cache: each line is read once.
    Value staged = k.mul(k.div(count, depth), depth);
    k.loop(k.constant(0), staged, depth, [&](Value c) {
      for (int64_t s = 0; s < depth; ++s)
        stage(x, from(s, k.add(first, c)), f.xChannels, s);
      k.loop(k.constant(0), k.constant(depth), eighth, [&](Value e) {
        for (int64_t term = 0; term < terms; ++term)
          turn([&](int64_t s) { return stagedLanes(s, e, eighth, term); }, turned, k.add(tileOf(run, k.add(c, e)), term * turnedTerm()), depth);
      });
    });
    eachEighth(staged, [&](Value inPiece, Value channel, int64_t width) {
      SmallVector<SmallVector<Value>> samples;
      for (int64_t s = 0; s < depth; ++s)
        samples.push_back(narrowed(x, from(s, channel), eighth, width));
      for (int64_t term = 0; term < terms; ++term)
        turn([&](int64_t s) { return samples[s][term]; }, turned, k.add(tileOf(run, inPiece), term * turnedTerm()), depth);
    });
  });
  k.loop(k.constant(0), k.constant(f.OH * f.OW), 1, [&](Value pixel) {
    Value run = k.add(k.mul(group, f.OH * f.OW), pixel);
    auto from = [&](int64_t s, Value filter) { return k.add(k.mul(k.add(k.mul(image(s), f.OH * f.OW), pixel), f.yChannels), filter); };
    auto interleave = [&](Value number, llvm::function_ref<SmallVector<Value>(int64_t)> sample) {
      Value to = pairedTile(run, number);
      auto present = [&](int64_t s) {
        auto values = sample(s);
        if (!whole)
          for (Value &v : values)
            v = arith::SelectOp::create(k.b, k.loc, k.less(k.add(n, s), lastImage), v, zeros(tile));
        return values;
      };
      for (int64_t pair = 0; pair < tile; ++pair) {
        auto low = present(2 * pair), high = present(2 * pair + 1);
        for (int64_t term = 0; term < terms; ++term)
          storePair(low[term], high[term], k.add(to, term * pairedTerm() + pair * depth));
      }
    };
    if (a.laneTilesOfBlock > 1 || f.block % tile || a.laneTiles % 2 || a.panelLanes % 2)
      return eachLaneTile([&](Value number, Value filter, Value, int64_t width) {
        interleave(number, [&](int64_t s) { return narrowed(dy, from(s, filter), tile, width); });
      });
    k.loop(k.constant(0), laneTiles, 2, [&](Value number) {
      for (int64_t s = 0; s < depth; ++s)
        stage(dy, from(s, k.mul(k.add(firstLaneTile, number), tile)), f.yChannels, s);
      for (int64_t half = 0; half < 2; ++half)
        interleave(k.add(number, half), [&](int64_t s) {
          SmallVector<Value> values;
          for (int64_t term = 0; term < terms; ++term)
            values.push_back(stagedLanes(s, k.constant(half * tile), tile, term));
          return values;
        });
    });
  });
}

void AmxOperands::bringSamples(Value n, Value group) {
  if (f.N % depth == 0 && imagesOfPart % depth == 0)
    return bringSamples(n, group, true);
  Value isWhole = k.less(k.add(n, depth - 1), lastImage);
  auto branch = scf::IfOp::create(k.b, k.loc, isWhole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(k.b);
  k.b.setInsertionPointToStart(&branch.getThenRegion().front());
  bringSamples(n, group, true);
  k.b.setInsertionPointToStart(&branch.getElseRegion().front());
  bringSamples(n, group, false);
}

void AmxOperands::bringPlanes(Value n, Value count, Value firstRow, Value rowCount, Value pixelCount) {
  const Planes &p = rows.planes;
  if (p.channels < f.xChannels) {
    Value first = k.mul(firstRowTile, tile);
    p.fill(k, x, planes, n, count, firstRow, first, k.min(k.constant(p.channels), k.sub(k.constant(f.xChannels), first)));
  } else {
    p.fill(k, x, planes, n, count, firstRow);
  }
  k.loop(k.constant(0), k.constant(rows.residues()), 1, [&](Value residue) {
    k.loop(k.constant(0), k.constant(a.gathers ? rows.pitch / depth : rows.steps), 1, [&](Value step) {
      k.loop(k.constant(0), k.constant(p.channels), eighth, [&](Value c) {
        Value from = k.add(k.mul(k.add(k.mul(residue, p.planePixels()), k.mul(step, depth)), p.channels), c);
        Value run = k.add(k.mul(residue, rows.steps), step), row = k.add(k.mul(residue, p.channels), c);
        Value to = a.gathers ? k.add(k.mul(row, rows.pitch), k.mul(step, depth)) : tileOf(run, c);
        const int64_t toTerm = a.gathers ? rows.channelRows() : turnedTerm();
        for (int64_t term = 0; term < terms; ++term) {
          auto source = [&](int64_t s) { return bits(k.loadStored(planes, k.add(from, s * p.channels + term * p.termElements()), eighth, eighth)); };
          turn(source, a.gathers ? channelRows : turned, k.add(to, term * toTerm), a.gathers ? rows.pitch : depth);
        }
      });
    });
  });
  if (a.gathers)
    gather();
  pairPlanes(n, count, firstRow, rowCount, pixelCount);
}

/// dy, with zeros where planes have padding.
void AmxOperands::pairPlanes(Value n, Value count, Value firstRow, Value rowCount, Value pixelCount) {
  const Planes &p = rows.planes;
  const int64_t pairsOfRow = p.width / 2;
  /// The first element of a pair, counted from the first that is no zero, of one copy.
  auto place = [&](int64_t copy, Value number, Value pair, int64_t term) {
    return k.add(k.mul(k.add(k.add(k.mul(number, rows.pairs), pair), rows.before), depth), copy * a.panelLanes * rows.pairs * depth + term * pairedTerm());
  };
  auto clearPairs = [&](int64_t copy, Value number, Value from, Value to) {
    k.loop(from, to, 1, [&](Value pair) {
      for (int64_t term = 0; term < terms; ++term)
        storeBits(zeros(depth), paired, place(copy, number, pair, term));
    });
  };
  k.loop(k.constant(0), count, 1, [&](Value m) {
    k.loop(k.constant(0), rowCount, 1, [&](Value i) {
      Value from = k.mul(k.add(k.mul(k.add(n, m), f.OH), k.add(firstRow, i)), f.OW), first = k.mul(k.add(k.mul(m, p.height()), i), pairsOfRow);
      eachLaneTile([&](Value number, Value filter, Value, int64_t width) {
        for (int64_t copy = 0; copy < rows.copies; ++copy) {
          auto pair = [&](Value j, bool hasLow, bool hasHigh) {
            Value at = k.add(k.mul(k.add(k.add(from, k.mul(j, 2)), -copy), f.yChannels), filter);
            auto low = hasLow ? narrowed(dy, at, tile, width) : SmallVector<Value>(terms, zeros(tile));
            auto high = hasHigh ? narrowed(dy, k.add(at, f.yChannels), tile, width) : SmallVector<Value>(terms);
            for (int64_t term = 0; term < terms; ++term)
              storePair(low[term], high[term], place(copy, number, k.add(first, j), term));
          };
          // Pairs j have pixels 2j - copy and 2j - copy + 1.
          const int64_t whole = (f.OW + copy) / 2, all = (f.OW + copy + 1) / 2;
          if (copy)
            pair(k.constant(0), false, true);
          k.loop(k.constant(copy), k.constant(whole), 1, [&](Value j) { pair(j, true, true); });
          if (whole < all && whole >= copy)
            pair(k.constant(whole), true, false);
          clearPairs(copy, number, k.add(first, all), k.add(first, pairsOfRow));
        }
      });
    });
    if (a.images > 1)
      eachLaneTile([&](Value number, Value, Value, int64_t) {
        for (int64_t copy = 0; copy < rows.copies; ++copy)
          clearPairs(copy, number, k.mul(k.add(k.mul(m, p.height()), f.OH), pairsOfRow), k.mul(k.mul(k.add(m, 1), p.height()), pairsOfRow));
      });
  });
  eachLaneTile([&](Value number, Value, Value, int64_t) {
    Value end = k.div(pixelCount, 2);
    for (int64_t copy = 0; copy < rows.copies; ++copy)
      clearPairs(copy, number, end, k.add(end, tile + 1));
  });
}

/// Rows of all taps, each the row of a channel from its tap's shift on.
void AmxOperands::gather() {
  const Planes &p = rows.planes;
  k.loop(k.constant(0), k.constant(a.steps), 1, [&](Value step) {
    for (int64_t row = 0; row < a.rows; ++row) {
      const int64_t channel = row % f.xChannels, tap = row / f.xChannels, r = tap / f.KW * f.DH, l = tap % f.KW * f.DW;
      const int64_t residue = r % f.SH * p.columns.residues + l % f.SW, shift = r / f.SH * p.width + l / f.SW;
      for (int64_t term = 0; term < terms; ++term) {
        Value from = k.add(k.mul(step, depth), (residue * p.channels + channel) * rows.pitch + shift + term * rows.channelRows());
        Value values = k.loadStored(channelRows, from, depth, depth);
        vector::StoreOp::create(k.b, k.loc, values, turned, k.add(tileOf(step, k.constant(row)), term * turnedTerm()));
      }
    }
  });
}

} // namespace cnnc
