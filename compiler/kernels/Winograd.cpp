// Winograd's convolution: the filter's transform, and tiles of the map through transform, a product for each cell and transform back.
// In: WinogradConv, buffers.  Out: kernels. A piece is a run of tiles whose transformed inputs stay in the second-level cache, and takes them through
// all filters. Where channels are many, that is so few tiles that the filters' way from memory takes longer than their multiplication: the map is then
// transformed apart, into memory, and a piece is a longer run of tiles and one block of filters, which it transforms itself where runs are few.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Products.h"
#include "compiler/kernels/WinogradTransforms.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t fewPieces = 4; ///< leave threads idle
constexpr int64_t turn = 32;     ///< channels, after which the next register tile has its turn
constexpr int64_t fewTiles = 32; ///< do not hide the filters' way from memory

/// Bytes of the transformed filters.
int64_t filterBytes(const WinogradConv &c, const TargetInfo &target, int64_t lanes) {
  return c.transformedFilter(target, lanes) * (target.vectorBytes / lanes) / (c.pairs ? 2 : 1);
}

/// How the tiles of a convolution are cut.
struct Cut {
  int64_t group = 1;  ///< tiles of one register tile
  int64_t groups = 1; ///< register tiles of a piece
  int64_t tiles = 1;  ///< of a piece: of whole images, or an equal part of each; at most slots()
  int64_t slots() const { return group * groups; }
};

/// Tiles of one of equal register tiles, at most `widest`: as few of those as can be, or one more where that leaves fewer places empty.
int64_t groupOf(int64_t tiles, int64_t widest) {
  constexpr double slower = 1.03;
  const int64_t groups = (tiles + widest - 1) / widest, group = (tiles + groups - 1) / groups, narrower = (tiles + groups) / (groups + 1);
  return slower * double(narrower * (groups + 1)) < double(group * groups) ? narrower : group;
}

/// Where the map is transformed apart: sums of a run of tiles and one chunk of outputs stay in the second-level cache.
Cut cutApart(const WinogradConv &c, const TargetInfo &target, int64_t lanes) {
  Cut cut;
  const int64_t vectors = laneChunks(c.block, lanes).front().vectors, widest = tilePixels(vectors, target);
  const int64_t most = std::max(widest, target.l2Bytes / 2 / (c.form.cells() * vectors * target.vectorBytes));
  cut.tiles = evenSplit(c.tiles(), most).front();
  cut.group = groupOf(cut.tiles, widest);
  cut.groups = (cut.tiles + cut.group - 1) / cut.group;
  return cut;
}

Cut cutOf(const WinogradConv &c, const TargetInfo &target, int64_t lanes) {
  if (c.apart)
    return cutApart(c, target, lanes);
  Cut cut;
  int64_t bytes = target.vectorBytes / lanes, vectors = laneChunks(c.block, lanes).front().vectors;
  const int64_t widest = tilePixels(vectors, target), ofImage = c.tiles() / c.N;
  int64_t cache = target.l2Bytes / 2, tileBytes = c.form.cells() * (c.paddedChannels(lanes) + vectors * lanes) * bytes;
  const int64_t most = target.choice.of(Knob::WinogradGroups, 8); // more reuse of the filter than the caches' speed asks for
  int64_t groups = std::clamp<int64_t>(cache / (tileBytes * widest), 1, most);
  // Several pieces, so that every thread has some, also of a single image.
  constexpr int64_t pieces = 16;
  groups = std::clamp<int64_t>(c.tiles() / widest / pieces, 1, groups);
  // Whole images, or parts of one, of about so many tiles.
  constexpr double slack = 1.15;
  ImageCut images = cutImages(double(ofImage), slack * double(groups * widest), c.N, ofImage);
  // A few images whose number of tiles has no such part: a smaller one, for threads to share, which still reads the filters for some tiles at once.
  for (int64_t k = 2; images.images == 1 && images.pieces == 1 && c.N < fewPieces && ofImage / k * 2 >= widest; ++k)
    if (ofImage % k == 0)
      images.pieces = k;
  cut.tiles = ofImage * images.images / images.pieces;
  cut.group = groupOf(cut.tiles, widest);
  cut.groups = (cut.tiles + cut.group - 1) / cut.group;
  return cut;
}

/// How the transformed tiles of a piece lie: inputs[p*cell + slot*tile + channel].
struct InputLayout {
  int64_t tile, cell;
  InputLayout(const WinogradConv &c, const Cut &cut, const TargetInfo &target, int64_t lanes) {
    const int64_t bytes = c.pairs ? 2 : target.vectorBytes / lanes;
    tile = c.paddedChannels(lanes) + (c.apart ? TargetInfo::lineBytes / bytes : 0); // apart: rows of tiles begin in different sets of the caches
    cell = WinogradTransforms::cellStride(cut.slots() * tile, bytes);
  }
};

class Conv {
public:
  Conv(KernelBuilder &k, const WinogradConv &c, Type element, const Ending &ending)
      : k(k), c(c), element(element), lanes(k.lanes(element)), cut(cutOf(c, k.target, lanes)), layout(c, cut, k.target, lanes), transforms(k, c, element),
        products(k, c.pairs, lanes), ending(ending) {}

  /// All tiles through all filters.
  int64_t run() {
    const int64_t T = cut.tiles, all = c.tiles(), runs = (all + T - 1) / T, blocks = c.O / c.block;
    const int64_t width = laneChunks(c.block, lanes).front().vectors * lanes;
    // Apart: of the map and the filters, the smaller is read again and again from the caches.
    const bool filtersOutside = c.form.cells() * c.C * c.paddedOutputs(lanes) > runs * c.form.cells() * layout.cell;
    Value run = !c.apart ? k.piece : filtersOutside ? k.mod(k.piece, runs) : k.div(k.piece, blocks);
    Value first = k.mul(run, T), count = k.min(k.constant(T), k.sub(k.constant(all), first));
    const auto firsts = transforms.before(first);
    firstTile = first;
    u = c.filterInside ? k.scratch(element, c.form.cells() * insideCell(width)) : k.buffer(1), y = k.buffer(2);
    if (c.sourceBlock)
      square = k.scratch(element, c.form.taps * c.form.taps * lanes * width);
    writesFar = cut.tiles % c.tileColumns() == 0 && isFar(k.target, y);
    sumCell = WinogradTransforms::cellStride(cut.slots() * width, k.target.vectorBytes / lanes);
    if (c.apart) {
      inputs = k.buffer(0), start = k.mul(run, c.form.cells() * layout.cell);
    } else {
      inputs = k.scratch(kept(), c.form.cells() * layout.cell), start = k.constant(0);
      k.loop(k.constant(0), count, 1, [&](Value slot) { transform(k.buffer(0), k.add(first, slot), firsts); });
    }
    sums = k.scratch(element, c.form.cells() * sumCell);
    results.emplace(k, y, ending);
    const auto counts = transforms.between(firsts, k.add(first, count), 1, k.constant(0));
    auto throughBlock = [&](Value ob) {
      throughChunks([&](const Chunk &chunk) {
        auto multiply = [&](Value firstChannel, int64_t channels, bool addsTo) {
          throughCells([&](Value p, int kind, int64_t group) {
            inParts(channels, takesTurns() ? turn * products.perUnit() : channels, [&](Value first, int64_t ofTurn, bool isFirst) {
              k.loop(k.constant(0), k.ceilDiv(counts[kind], group), 1,
                     [&](Value g) { product(ob, p, k.mul(g, group), group, chunk, k.add(firstChannel, first), ofTurn, addsTo || !isFirst); });
            });
          });
        };
        if (!c.filterInside) {
          multiply(k.constant(0), c.C, false);
        } else {
          inParts(c.C, channelsInside(), [&](Value channel, int64_t channels, bool isFirst) {
            transformFilter(ob, channel, channels, chunk);
            multiply(channel, channels, !isFirst);
          });
        }
        k.loop(k.constant(0), count, 1, [&](Value slot) { finish(k.add(first, slot), firsts, ob, chunk); });
      });
    };
    if (c.apart)
      throughBlock(filtersOutside ? k.div(k.piece, runs) : k.mod(k.piece, blocks));
    else
      k.loop(k.constant(0), k.constant(blocks), 1, throughBlock);
    return c.apart ? runs * blocks : runs;
  }

  /// Transforms the map into memory, piece by piece of tiles.
  int64_t transformApart() {
    const int64_t all = c.tiles(), grain = cutImages(double(c.C), 4096, all).images; // channels of a piece, about
    inputs = k.buffer(1);
    Value first = k.mul(k.piece, grain);
    k.loop(first, k.min(k.add(first, grain), k.constant(all)), 1, [&](Value number) {
      start = k.mul(k.div(number, cut.tiles), c.form.cells() * layout.cell);
      transform(k.buffer(0), number, transforms.before(k.mul(k.div(number, cut.tiles), cut.tiles)));
    });
    return (all + grain - 1) / grain;
  }

private:
  KernelBuilder &k;
  const WinogradConv &c;
  Type element;
  int64_t lanes;
  Cut cut;
  InputLayout layout;
  WinogradTransforms transforms;
  Products products;
  Ending ending;
  std::optional<Results> results;
  Value u, square, y, inputs, start, sums; // of the transformed tiles: memory, and where a piece's begin
  Value firstTile;         ///< of the piece
  bool writesFar = false;  ///< whole rows of tiles, to a map that does not stay in the second-level cache
  int64_t sumCell = 0;

  Type kept() const { return c.pairs ? Type(k.b.getBF16Type()) : element; }

  /// `firsts`: of the piece's first tile.
  void transform(Value x, Value number, const WinogradTransforms::ByKind &firsts) {
    transforms.transformInput(x, transforms.tileAt(number), k.constant(0),
                              {inputs, transforms.between(firsts, number, layout.tile, start), layout.cell, k.constant(c.C)});
  }

  /// The cells of each kind, and how many tiles of it a register tile takes.
  void throughCells(llvm::function_ref<void(Value p, int kind, int64_t group)> body) {
    const int64_t side = c.form.side(), rows = c.lastRowCells(), columns = c.lastColumnCells();
    for (int kind = 0; kind < WinogradTransforms::kinds; ++kind) {
      const int64_t most = transforms.most(kind, cut.tiles);
      if (most == 0)
        continue;
      const int64_t group = groupOf(most, tilePixels(laneChunks(c.block, lanes).front().vectors, k.target));
      k.loop(k.constant(kind & 1 ? rows : 0), k.constant(kind & 1 ? side : rows), 1, [&](Value i) {
        k.loop(k.constant(kind & 2 ? columns : 0), k.constant(kind & 2 ? side : columns), 1,
               [&](Value j) { body(k.add(k.mul(i, side), j), kind, group); });
      });
    }
  }

  /// Outputs of a block that are multiplied at once: `width` of them from `start` on.
  struct Chunk {
    Value start;
    int64_t vectors, width;
    int64_t widthOf(int64_t v, int64_t lanes) const { return std::min(lanes, width - v * lanes); }
  };
  void throughChunks(llvm::function_ref<void(const Chunk &)> body) {
    cnnc::throughChunks(k, laneChunks(c.block, lanes), [&](Value start, const LaneChunk &chunk) { body({start, chunk.vectors, chunk.width}); });
  }

  // ---- filters that a piece transforms itself: some input channels of one chunk of outputs, after which their products are added ----

  /// Equal parts of the channels but for the last, whole vectors whose cells stay in the second-level cache beside the sums.
  int64_t channelsInside() const {
    constexpr int64_t widest = 64;
    return std::min(c.C, evenSplit(c.paddedChannels(lanes) / lanes, widest / lanes).front() * lanes);
  }
  int64_t insideCell(int64_t width) const { return WinogradTransforms::cellStride(channelsInside() * width, k.target.vectorBytes / lanes); }

  void transformFilter(Value ob, Value firstChannel, int64_t channels, const Chunk &chunk) {
    const int64_t taps = c.form.taps * c.form.taps, run = c.C * c.block, width = chunk.vectors * lanes;
    if (!c.sourceBlock) {
      Value from = k.add(k.add(k.mul(ob, taps * run), k.mul(firstChannel, c.block)), chunk.start);
      transformFilters(k.buffer(1), from, run, c.block, k.constant(0), channels, chunk);
      return;
    }
    // The filter as the forward convolution has it, [C/sourceBlock][taps][O][sourceBlock]: transposed by squares, in the first-level cache.
    const int64_t tap = lanes * width;
    k.loop(k.constant(0), k.constant(channels), lanes, [&](Value ch) {
      Value channel = k.add(firstChannel, ch);
      Value from = k.add(k.mul(k.div(channel, c.sourceBlock), taps * c.O * c.sourceBlock), k.mod(channel, c.sourceBlock));
      from = k.add(from, k.mul(k.add(k.mul(ob, c.block), chunk.start), c.sourceBlock));
      k.loop(k.constant(0), k.constant(taps), 1, [&](Value t) {
        for (int64_t v = 0; v < chunk.vectors; ++v)
          transposeTile(k, k.buffer(1), k.add(k.add(from, k.mul(t, c.O * c.sourceBlock)), v * lanes * c.sourceBlock), c.sourceBlock, square,
                        k.add(k.mul(t, tap), v * lanes), width, element);
      });
      transformFilters(square, k.constant(0), tap, width, ch, lanes, chunk);
    });
  }

  /// u[p, first ..., chunk] of `count` channels: taps `tap` elements apart, channels `row`.
  void transformFilters(Value memory, Value from, int64_t tap, int64_t row, Value first, int64_t count, const Chunk &chunk) {
    const int64_t side = c.form.taps, taps = side * side, width = chunk.vectors * lanes;
    k.loop(k.constant(0), k.constant(count), 1, [&](Value ch) {
      for (int64_t v = 0; v < chunk.vectors; ++v)
        transforms.filter(
            [&](int64_t i, int64_t j) {
              int64_t t = i * side + j;
              return k.load(memory, k.add(k.add(from, k.mul(ch, row)), (c.turned ? taps - 1 - t : t) * tap + v * lanes), lanes, chunk.widthOf(v, lanes));
            },
            [&](int64_t p, Value value) { k.store(value, u, k.add(k.mul(k.add(first, ch), width), p * insideCell(width) + v * lanes), lanes); });
    });
  }

  /// A tap's weights for one part of the channels and one chunk lie side by side, or in rows, but those of the next tap far behind, so that caches do not fetch
  /// them by themselves. So the products of a cell ask for lines of the part that is transformed behind this one, `ofStep` with each step.
  struct FilterAhead {
    Value tap;   ///< where the tap's weights of that part begin
    Value first; ///< line of them
    int64_t ofStep = 0;
  };

  /// Some cells share a tap, and the `steps` of their register tiles share its lines; `group`: which tile of them.
  FilterAhead filterAhead(Value ob, Value p, Value group, const Chunk &chunk, Value firstChannel, int64_t steps) {
    const int64_t line = elementsOfLine(k.buffer(1)), width = chunk.vectors * lanes, taps = c.form.taps * c.form.taps, channels = channelsInside();
    if (!c.filterInside || c.tiles() > fewTiles || steps == 0 || width % line)
      return {};
    const int64_t cellsOfTap = std::max<int64_t>(1, c.form.cells() / taps), share = (channels * width / line + cellsOfTap - 1) / cellsOfTap;
    const int64_t ofStep = (share + steps * cut.groups - 1) / (steps * cut.groups);
    Value behind = k.add(firstChannel, channels), goesOn = k.less(behind, k.constant(c.C));
    Value channel = k.select(goesOn, behind, k.constant(0)), block = k.select(goesOn, ob, k.add(ob, 1)), tap = k.div(p, cellsOfTap);
    Value from = k.add(k.mul(k.add(k.mul(k.add(k.mul(block, taps), tap), c.C), channel), c.block), chunk.start);
    if (c.sourceBlock)
      from = k.mul(k.add(k.add(k.mul(k.add(k.mul(k.div(channel, c.sourceBlock), taps), tap), c.O), k.mul(block, c.block)), chunk.start), c.sourceBlock);
    return {from, k.add(k.mul(k.mod(p, cellsOfTap), share), k.mul(group, steps * ofStep)), ofStep};
  }

  void askForFilter(const FilterAhead &next, const Chunk &chunk, Value step) {
    const int64_t line = elementsOfLine(k.buffer(1)), width = chunk.vectors * lanes, taps = c.form.taps * c.form.taps;
    // Rows of a channel's outputs; transposed, of the outputs' channels of a source block.
    const int64_t run = (c.sourceBlock ? c.sourceBlock * width : width) / line, distance = c.sourceBlock ? taps * c.O * c.sourceBlock : c.block;
    for (int64_t t = 0; t < next.ofStep; ++t) {
      Value number = k.add(k.add(next.first, k.mul(step, next.ofStep)), t);
      k.prefetch(k.buffer(1), k.add(next.tap, k.add(k.mul(k.div(number, run), distance), k.mul(k.mod(number, run), line))));
    }
  }

  /// A tile writes short rows that caches do not fetch ahead, and all tiles of a piece one after the other. So the products before ask for the chunk's lines
  /// of the map: rows of tiles write whole rows. `group`: which register tile of cell p asks for its share.
  void askForOutputs(Value ob, const Chunk &chunk, Value p, Value group) {
    const int64_t rows = cut.tiles / c.tileColumns(), ofImage = c.tileRows(), m = c.form.outputs; // of tiles
    const int64_t pixels = (rows % ofImage == 0 ? rows / ofImage * c.OH : rows * m) * c.OW, ofPixel = (chunk.vectors * lanes + elementsOfLine(y) - 1) / elementsOfLine(y);
    const int64_t calls = c.form.cells() * cut.groups, share = (pixels * ofPixel + calls - 1) / calls;
    Value row = k.div(firstTile, c.tileColumns()), line = k.mul(k.add(k.mul(p, cut.groups), group), share);
    Value pixel = k.mul(k.add(k.mul(k.div(row, ofImage), c.OH), k.mul(k.mod(row, ofImage), m)), c.OW);
    Value from = k.add(k.add(k.mul(pixel, c.O), k.mul(ob, c.block)), chunk.start);
    for (int64_t t = 0; t < share; ++t) {
      Value of = k.add(line, t);
      k.prefetch(y, k.add(from, k.add(k.mul(k.div(of, ofPixel), c.O), k.mul(k.mod(of, ofPixel), elementsOfLine(y)))), KernelBuilder::Second, /*isWrite=*/true);
    }
  }

  /// Filters that come from beyond the second-level cache: register tiles take turns with them every few input channels, with sums in between, so that they
  /// are fetched all the time, and not with a cell's first register tile alone.
  bool takesTurns() const {
    return !c.filterInside && cut.groups > 1 && filterBytes(c, k.target, lanes) > k.target.l2Bytes;
  }
  /// The channels in parts of at most so many: body(first channel, channels, whether they are the first)
  void inParts(int64_t channels, int64_t most, llvm::function_ref<void(Value, int64_t, bool)> body) {
    const int64_t part = std::min(channels, most), whole = channels / part * part;
    body(k.constant(0), part, true);
    k.loop(k.constant(part), k.constant(whole), part, [&](Value first) { body(first, part, false); });
    if (whole < channels)
      body(k.constant(whole), channels - whole, false);
  }

  /// sums[p, `group` tiles from `slot` on, chunk] = or += inputs[p, tiles, channels] u[ob, p, channels, chunk], of so many channels from the first on.
  /// Slots past the last tile hold numbers that nobody reads.
  void product(Value ob, Value p, Value slot, int64_t group, const Chunk &chunk, Value firstChannel, int64_t channels, bool addsTo) {
    const int64_t width = chunk.vectors * lanes, per = products.perUnit(), tile = layout.tile / per;
    const int64_t units = channels / per;
    Value from = k.add(k.add(k.div(start, per), k.mul(p, layout.cell / per)), k.mul(slot, tile)), to = k.add(k.mul(p, sumCell), k.mul(slot, width));
    Value filter = c.filterInside ? k.mul(p, insideCell(width)) : k.add(k.mul(k.add(k.mul(ob, c.form.cells()), p), c.filterCell(k.target, lanes)), k.mul(chunk.start, c.C / per));
    Value first = k.div(firstChannel, per);
    from = k.add(from, first);
    if (!c.filterInside)
      filter = k.add(filter, k.mul(first, width));
    SmallVector<Value> total;
    for (int64_t t = 0; t < group; ++t)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        total.push_back(addsTo ? k.load(sums, k.add(to, t * width + v * lanes), lanes) : k.zeroVector(element, lanes));
    const bool fetches = takesTurns() || (!c.filterInside && c.tiles() <= fewTiles);
    constexpr int64_t unroll = 4;
    const int64_t whole = units / unroll * unroll;
    const FilterAhead next = filterAhead(ob, p, k.div(slot, group), chunk, firstChannel, whole / unroll);
    if (writesFar && !addsTo) // once, with the first part of the channels
      askForOutputs(ob, chunk, p, k.div(slot, group));
    auto steps = [&](Value ch, int64_t count, SmallVector<Value> a) {
      askForFilter(next, chunk, k.div(ch, unroll));
      for (int64_t i = 0; i < count; ++i) {
        SmallVector<Value> lanesOfFilter;
        for (int64_t v = 0; v < chunk.vectors && fetches; v += vectorsOfLine(k.target))
          k.prefetch(u, k.mul(k.add(k.add(filter, k.mul(ch, width)), (i + filtersAhead) * width + v * lanes), per), KernelBuilder::First);
        for (int64_t v = 0; v < chunk.vectors; ++v)
          lanesOfFilter.push_back(products.load(u, k.add(k.add(filter, k.mul(ch, width)), i * width + v * lanes), lanes));
        for (int64_t t = 0; t < group; ++t) {
          Value value = products.splat(inputs, k.add(k.add(from, ch), t * tile + i));
          for (int64_t v = 0; v < chunk.vectors; ++v)
            a[t * chunk.vectors + v] = products.add(value, lanesOfFilter[v], a[t * chunk.vectors + v]);
        }
      }
      return a;
    };
    total = k.loop(k.constant(0), k.constant(whole), unroll, total, [&](Value ch, ValueRange carried) { return steps(ch, unroll, SmallVector<Value>(carried)); });
    total = steps(k.constant(whole), units - whole, total);
    for (int64_t t = 0; t < group; ++t)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        k.store(total[t * chunk.vectors + v], sums, k.add(to, t * width + v * lanes), lanes);
  }

  /// y of one tile and chunk: A^T m A.
  void finish(Value number, const WinogradTransforms::ByKind &firsts, Value ob, const Chunk &chunk) {
    const int64_t width = chunk.vectors * lanes, m = c.form.outputs;
    const auto tile = transforms.tileAt(number);
    const auto slots = transforms.between(firsts, number, width, k.constant(0));
    Value row = k.mul(tile.row, m), column = k.mul(tile.column, m);
    Value out = k.mul(k.add(k.mul(k.add(k.mul(tile.n, c.OH), row), c.OW), column), c.O);
    out = k.add(k.add(out, k.mul(ob, c.block)), chunk.start);
    transforms.withShape(tile, c.OH % m != 0, c.OW % m != 0, [&](const WinogradTransforms::Tile &, int64_t rows, int64_t columns) {
      for (int64_t v = 0; v < chunk.vectors; ++v) {
        SmallVector<Value> values;
        transforms.output(
            rows, columns,
            [&](int64_t i, int64_t j) { return k.load(sums, k.add(slots[transforms.kindOf(i, j)], (i * c.form.side() + j) * sumCell + v * lanes), lanes); },
            [&](int64_t, Value value) { values.push_back(value); });
        const int64_t made = c.pairs ? m : columns; // in a row
        const ChannelScope of = results->of(k.add(k.add(k.mul(ob, c.block), chunk.start), v * lanes), chunk.widthOf(v, lanes));
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j)
            results->store(of, values[i * made + j], k.add(out, (i * c.OW + j) * c.O + v * lanes));
      }
    });
  }
};

/// Whether to transform the map apart: where a piece's tiles would not go on the stack, or where the filters' way through the caches would be the
/// bound: each piece reads all of them, `vectorBytes` for a vector's multiplications of its tiles, or they are written to memory to be read once. Also where
/// kept filters are multiplied with so few tiles that their blocks alone make pieces for threads.
bool paysApart(const WinogradConv &c, const TargetInfo &target, int64_t lanes, bool keepsWeights) {
  constexpr int64_t stackBytes = 1 << 20, bytesACycle = 4; // from beyond the second-level cache, with all cores at it
  const Cut cut = cutOf(c, target, lanes);
  if (keepsWeights && c.tiles() < fewPieces * cut.tiles && c.O / c.block >= fewPieces)
    return true;
  const int64_t bytes = target.vectorBytes / lanes, filters = filterBytes(c, target, lanes);
  if (c.form.cells() * cut.slots() * c.paddedChannels(lanes) * bytes > stackBytes)
    return true;
  const bool isOneRun = c.tiles() <= cutApart(c, target, lanes).tiles; // whose pieces transform a filter each
  return filters > 2 * target.l2Bytes && (target.vectorBytes > bytesACycle * cut.tiles || (isOneRun && !keepsWeights && !c.pairs));
}

/// Vector instructions of the convolution: products, transforms with their loads and stores, and the filter's transform, unless that is done once for many.
double costOf(const WinogradConv &c, const TargetInfo &target, int64_t lanes, bool keepsWeights) {
  const WinogradMatrices m = WinogradMatrices::of(c.form);
  const double n = double(c.form.side()), r = double(c.form.taps), o = double(c.form.outputs), cells = n * n;
  constexpr double address = 6, tile = 40;
  const double scattered = c.mayTransformFilterInside(target, lanes) ? 1.2 : 2.5; // of addresses and loops; stores to as many places as there are cells, and to memory
  const double input = 2 * cells + 2 * n * double(winogradOperations(m.input)) + address;
  const double output = cells + o * o + (n + o) * double(winogradOperations(m.output));
  const double filter = scattered * (r * r + cells + (r + n) * double(winogradOperations(m.filter)));
  const double in = double(c.paddedChannels(lanes) / lanes), out = double(c.paddedOutputs(lanes) / lanes), rate = c.pairs ? 2 : 1; // products of an instruction and lane
  return double(c.cellsOfTiles()) * double(c.C) * out / rate + double(c.tiles()) * (in * input + out * output + tile) + (keepsWeights ? 0 : double(c.C) * out * filter);
}

} // namespace

WinogradConv WinogradConv::forward(const WindowGeometry &g) {
  WinogradConv c;
  c.N = g.N, c.H = g.H, c.W = g.W, c.C = g.C, c.OH = g.OH, c.OW = g.OW, c.O = g.O;
  c.PT = g.PT, c.PL = g.PL, c.block = g.block, c.form.taps = g.KH;
  return c;
}

WinogradConv WinogradConv::inputGrad(const WindowGeometry &g, int64_t block) {
  WinogradConv c;
  c.N = g.N, c.H = g.OH, c.W = g.OW, c.C = g.O, c.OH = g.H, c.OW = g.W, c.O = g.C;
  c.PT = g.KH - 1 - g.PT, c.PL = g.KW - 1 - g.PL, c.block = block, c.form.taps = g.KH;
  c.turned = true;
  return c;
}

std::string WinogradConv::text() const { return textOf({N, H, W, C, OH, OW, O, PT, PL, block, turned, pairs, apart, filterInside, sourceBlock, form.outputs, form.taps}); }

int64_t WinogradConv::filterCell(const TargetInfo &target, int64_t lanes) const {
  return WinogradTransforms::cellStride(C * paddedBlock(lanes) / (pairs ? 2 : 1), target.vectorBytes / lanes);
}

int64_t WinogradConv::transformedMap(const TargetInfo &target, int64_t lanes) const {
  const Cut cut = cutApart(*this, target, lanes);
  return (tiles() + cut.tiles - 1) / cut.tiles * form.cells() * InputLayout(*this, cut, target, lanes).cell;
}

bool WinogradConv::mayTransformFilterInside(const TargetInfo &target, int64_t lanes) const {
  constexpr int64_t mostRuns = 4; // each transforms all filters
  return apart && !pairs && evenSplit(tiles(), cutApart(*this, target, lanes).tiles).size() <= mostRuns;
}

bool winogradPays(const WindowGeometry &g, WinogradConv &c, uint64_t directFlops, const TargetInfo &target, int64_t lanes, bool keepsWeights) {
  // Six cells a side round 2.4 times as much as the definition at 16 channels, and 1.0 to 1.2 times at 24 and more, where accumulation is the larger part.
  // Transformed maps of theirs are too far apart in size for bf16.
  constexpr int64_t fewestChannels = 24;
  if (g.KH != g.KW || (g.KH != 3 && g.KH != 5) || g.SH != 1 || g.SW != 1 || g.DH != 1 || g.DW != 1 || g.G != 1)
    return false;
  if (!target.winograd || c.PT < 0 || c.PL < 0)
    return false;
  constexpr double gain = 0.9;
  const double padding = double(c.paddedOutputs(lanes)) / double(c.O); // the definition's vectors end with the block, too
  // Kept filters come from memory with each run, which a small batch does not hide; where they are made in the step they are in the caches.
  constexpr double instructionsOfLine = 20;
  const double elementBytes = c.pairs ? 2 : double(target.vectorBytes) / double(lanes);
  auto fetched = [&](int64_t elements) {
    const double bytes = double(elements) * elementBytes;
    return keepsWeights && bytes > double(target.l2Bytes) / 2 ? bytes / double(target.lineBytes) * instructionsOfLine : 0;
  };
  double least = std::max(gain * padding * double(directFlops) / 2 / double(lanes) / (c.pairs ? 2 : 1), fetched(c.O * c.C * g.KH * g.KW));
  bool pays = false;
  for (WinogradForm form : {WinogradForm{2, 3}, WinogradForm{4, 3}, WinogradForm{2, 5}}) {
    if (form.taps != g.KH || (form.side() > 4 && (c.pairs || c.C < fewestChannels)))
      continue;
    WinogradConv tried = c;
    tried.form = form, tried.apart = false;
    tried.apart = paysApart(tried, target, lanes, keepsWeights);
    if (const double cost = std::max(costOf(tried, target, lanes, keepsWeights), fetched(tried.transformedFilter(target, lanes))); cost < least)
      least = cost, c = tried, pays = true;
  }
  return pays;
}

int64_t buildWinogradInput(KernelBuilder &k, const WinogradConv &c, Type element) {
  int64_t pieces = Conv(k, c, element, {}).transformApart();
  k.finish();
  return pieces;
}

int64_t buildWinogradConv(KernelBuilder &k, const WinogradConv &c, Type element, const Ending &ending) {
  int64_t pieces = Conv(k, c, element, ending).run();
  k.finish();
  return pieces;
}

} // namespace cnnc
