// The filter's gradient in Winograd's form: dU[p] = sum over tiles of (B^T d B)[p]^T (A dy A^T)[p], then dw = G^T dU G.
// In: WinogradFilterGrad, buffers x, dy.  Out: one or two kernels. A piece is a block of channels x outputs and a part of the tiles; its sums stay in the
// second-level cache while runs of tiles pass over them, one group of rows of cells after the other. A piece that has all tiles ends its block itself,
// where they are one run each register tile's sums before the next one's begin; else a second kernel adds the parts in order.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/MapsAhead.h"
#include "compiler/kernels/Products.h"
#include "compiler/kernels/WinogradSums.h"
#include "compiler/kernels/WinogradTransforms.h"
#include "compiler/target/Tiles.h"

#include <optional>

using namespace mlir;

namespace cnnc {
namespace {

class Grad {
public:
  Grad(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store)
      : k(k), f(f), c(f.conv), store(store), element(element), lanes(k.lanes(element)), transforms(k, f.conv, element),
        products(k, c.pairs, lanes), x(k.buffer(0)), dy(k.buffer(1)) {}

  int64_t run() {
    int64_t bytes = k.target.vectorBytes / lanes;
    int64_t perSlot = products.perUnit(); // tiles that share a slot of scratch memory
    int64_t tileBytes = f.cells() * (f.channels + f.outputs) * bytes / perSlot;
    constexpr int64_t fewest = 16;
    const int64_t most = k.target.choice.of(Knob::WinogradTiles, 64);
    const int64_t heldSums = f.stripes ? f.cells() * f.cell : f.blockSums(); // stripes go through one group of rows after the other
    const int64_t room = std::max(k.target.l2Bytes * 5 / 8 - heldSums * bytes, k.target.l2Bytes / 4);
    int64_t T = std::clamp<int64_t>(room / tileBytes, fewest, most);
    const int64_t perPart = f.stripes ? c.tiles() / c.N * f.stripes.imagesOfPiece : (c.tiles() + f.parts - 1) / f.parts;
    if (!f.stripes && T < perPart && perPart <= 2 * most && perPart * tileBytes <= std::min(room, k.target.l2Bytes / 4))
      T = perPart; // the sums are made at once, and neither cleared nor added to
    T = (evenSplit(perPart, T).front() + perSlot - 1) / perSlot * perSlot;
    slots = T / perSlot;
    const bool isFar = slots >= slotsOfStep && c.N * (c.H * c.W * c.C + c.OH * c.OW * c.O) * bytes > k.target.l2Bytes;

    Type unit = c.pairs ? Type(k.b.getI32Type()) : element;
    int64_t unitBytes = unit.getIntOrFloatBitWidth() / 8;
    inputCell = WinogradTransforms::cellStride(slots * f.channels, unitBytes);
    gradCell = WinogradTransforms::cellStride(slots * f.outputs, unitBytes);
    const bool ends = f.ends(bytes);
    atOnce = perPart <= T;
    constexpr int64_t stackBytes = 1280 << 10;
    inNear = ends && atOnce && f.groups() * T * tileBytes <= std::min(k.target.l2Bytes * 5 / 8, stackBytes);
    const int64_t cells = inNear ? c.form.cells() : f.cells();
    inputs = k.scratch(unit, cells * inputCell), grads = k.scratch(unit, cells * gradCell);
    constexpr int64_t fewSlots = 8; // of more, register tiles of one cell read what is nearer, and sums go to memory less often
    columnsEnd = inNear && slots <= fewSlots && !c.pairs && k.target.registers >= 32 && c.lastRowCells() == c.form.side() && c.lastColumnCells() == c.form.side();
    if (inNear) {
      for (int64_t outputs : {f.outputs, c.paddedOutputs(lanes) % f.outputs}) // of the blocks
        for (const LaneChunk &chunk : laneChunks(outputs, lanes))
          nearCell = std::max(nearCell, WinogradTransforms::cellStride(nearHeightOf(chunk) * chunk.vectors * lanes, bytes));
      sums = k.scratch(element, nearCells() * nearCell);
    } else {
      sums = ends || f.stripes ? k.scratch(element, f.blockSums()) : k.buffer(2);
    }

    if (f.stripes) {
      target = k.constant(0);
      const Tiles tiles = tilesOf(k.piece, perPart);
      k.loop(k.constant(0), k.constant(f.blocks()), 1, [&](Value block) {
        channelBlock = k.div(block, f.outputBlocks), outputBlock = k.mod(block, f.outputBlocks);
        clear();
        k.loop(k.constant(0), k.constant(f.groups()), 1, [&](Value group) {
          runsOf(tiles, T, [&](Value from, Value count) {
            if (isFar)
              willReadPiece(k.add(k.mul(block, f.groups()), group), k.div(k.sub(from, tiles.first), T), (perPart + T - 1) / T);
            addGroup(group, from, count);
          });
        });
        endStripe();
      });
      return f.stripes.pieces(c.N);
    }
    outputBlock = k.mod(k.piece, f.outputBlocks);
    Value rest = k.div(k.piece, f.outputBlocks);
    channelBlock = k.mod(rest, f.channelBlocks);
    target = ends ? k.constant(0) : k.mul(k.piece, f.blockSums());
    const Tiles tiles = tilesOf(k.div(rest, f.channelBlocks), perPart);
    if (inNear) {
      gradOfTiles(tiles.first, k.sub(tiles.last, tiles.first));
      return f.blocks();
    }
    clear();
    runsOf(tiles, T, [&](Value from, Value count) {
      k.loop(k.constant(0), k.constant(f.groups()), 1, [&](Value group) {
        if (isFar)
          willReadRun(group, k.add(from, T), tiles);
        addGroup(group, from, count);
      });
    });
    if (ends)
      end(sumsOfBlock());
    return f.parts * f.blocks();
  }

private:
  KernelBuilder &k;
  const WinogradFilterGrad &f;
  const WinogradConv &c;
  StoreLanes store;
  Type element;
  int64_t lanes;
  WinogradTransforms transforms;
  Products products;
  Value x, dy, inputs, grads, sums, target; ///< target: where in sums the piece's own begin
  Value channelBlock, outputBlock;
  int64_t slots = 1; ///< of a run of tiles
  int64_t inputCell = 0, gradCell = 0;
  bool atOnce = false; ///< one run has all tiles of a piece
  bool inNear = false; ///< the sums of a register tile end before the next one's begin, in the first-level cache
  int64_t nearCell = 0;
  bool columnsEnd = false; ///< there, the cells of a column are summed at once and transformed before they are kept, which halves them
  int64_t nearCells() const { return (columnsEnd ? c.form.taps : c.form.side()) * c.form.side(); }
  static constexpr int64_t slotsOfStep = 4; ///< of the loop in a register tile
  std::optional<MapsAhead> ahead;           ///< what comes behind the tiles under way, where it is far
  Value firstStep;                          ///< the number of their group's first step

  struct Tiles {
    Value first, last;
    int64_t most; ///< the last part may have fewer
  };
  Tiles tilesOf(Value part, int64_t perPart) {
    Value first = k.mul(part, perPart);
    return {first, k.min(k.add(first, perPart), k.constant(c.tiles())), perPart};
  }
  void runsOf(const Tiles &tiles, int64_t T, llvm::function_ref<void(Value from, Value count)> use) {
    const bool even = c.tiles() % tiles.most == 0 && tiles.most % T == 0;
    k.loop(tiles.first, tiles.last, T, [&](Value from) { use(from, even ? k.constant(T) : k.min(k.constant(T), k.sub(tiles.last, from))); });
  }
  int64_t stepsOfCell() const {
    int64_t registerTiles = 0;
    for (const LaneChunk &chunk : laneChunks(f.outputs, lanes))
      registerTiles += f.channels / heightOf(chunk);
    return registerTiles * (slots / slotsOfStep);
  }
  int64_t stepsOfGroup() const { return f.cells() * stepsOfCell(); }
  /// The next piece of the stripes reads whole images; `round`: which block and group of this one, `run`: which of its `runs`.
  void willReadPiece(Value round, Value run, int64_t runs) {
    const int64_t images = f.stripes.imagesOfPiece, ofX = c.H * c.W * c.C, ofY = c.OH * c.OW * c.O;
    Value image = k.mul(k.add(k.piece, 1), images);
    ahead.emplace(k, std::array<MapsAhead::Map, 2>{{{x, k.mul(image, ofX), images * c.H * c.W, c.C, c.C}, {dy, k.mul(image, ofY), images * c.OH * c.OW, c.O, c.O}}},
                  f.blocks() * f.groups() * runs * stepsOfGroup());
    firstStep = k.mul(k.add(k.mul(round, runs), run), stepsOfGroup());
  }
  /// The run of tiles from `tile` on, or the first one of the next piece.
  void willReadRun(Value group, Value tile, const Tiles &tiles) {
    const int64_t ofImage = c.tileRows() * c.tileColumns(), m = c.form.outputs, count = slots * products.perUnit();
    Value goesOn = k.less(tile, tiles.last), piece = k.select(goesOn, k.piece, k.add(k.piece, 1)), rest = k.div(piece, f.outputBlocks);
    tile = k.select(goesOn, tile, k.mul(k.div(rest, f.channelBlocks), tiles.most));
    // Of rows of tiles that a run has in part, the pixels below come first.
    Value image = k.div(tile, ofImage), row = k.add(k.mul(k.div(k.mod(tile, ofImage), c.tileColumns()), m), count % c.tileColumns() ? m : 0);
    auto map = [&](Value memory, Value first, int64_t H, int64_t W, int64_t C, Value block, int64_t ofBlock) {
      Value pixel = k.mul(k.add(k.mul(image, H), first), W);
      return MapsAhead::Map{memory, k.add(k.mul(pixel, C), k.mul(block, ofBlock)), (count * H * W + ofImage - 1) / ofImage, std::min(C, ofBlock), C};
    };
    ahead.emplace(k, std::array<MapsAhead::Map, 2>{{map(x, k.add(row, c.form.taps - 1 - c.PT), c.H, c.W, c.C, k.mod(rest, f.channelBlocks), f.channels),
                                                   map(dy, row, c.OH, c.OW, c.O, k.mod(piece, f.outputBlocks), f.outputs)}},
                  f.groups() * stepsOfGroup());
    firstStep = k.mul(group, stepsOfGroup());
  }

  /// The sums of a block start from zero, unless they are made at once.
  void clear() {
    Value zero = k.zeroVector(element, lanes);
    if (!atOnce)
      k.loop(k.constant(0), k.constant(f.blockSums()), lanes, [&](Value i) { k.store(zero, sums, k.add(target, i), lanes); });
  }
  /// The group's cells of `count` tiles from number `from` on.
  void addGroup(Value group, Value from, Value count) {
    Value used = k.ceilDiv(count, products.perUnit());
    const auto groups = c.form.rowGroups();
    for (auto [number, rows] : llvm::enumerate(groups)) {
      auto transforms = [&, rows = rows] { transform(from, count, used, rows); };
      groups.size() == 1 ? transforms() : k.when(k.equal(group, k.constant(int64_t(number))), transforms);
    }
    const auto counts = transforms.between(transforms.before(from), k.add(from, count), 1, k.constant(0));
    k.loop(k.constant(0), k.constant(f.cells()), 1, [&](Value p) {
      Value slots = c.pairs ? used : slotsOf(k.add(k.mul(group, f.cells()), p), counts);
      product(p, k.add(target, k.mul(group, f.cells() * f.cell)), slots, k.add(k.mul(group, f.cells()), p));
    });
  }

  WinogradSums sumsOfBlock() { return WinogradSums::ofBlock(k, f, sums, target, channelBlock, outputBlock, lanes); }

  /// The gradient of all tiles, register tile after register tile: its products in all cells, and what ends them.
  void gradOfTiles(Value from, Value count) {
    std::vector<int64_t> rows;
    for (const auto &group : c.form.rowGroups())
      rows.insert(rows.end(), group.begin(), group.end());
    Value used = k.ceilDiv(count, products.perUnit()), channels = channelsOf(k, f, channelBlock);
    transform(from, count, used, rows);
    const auto counts = transforms.between(transforms.before(from), k.add(from, count), 1, k.constant(0));
    ofOutputs([&](int64_t outputs) {
      const auto chunks = laneChunks(outputs, lanes);
      const int64_t height = nearHeightOf(chunks.front());
      k.loop(k.constant(0), channels, height, [&](Value ch) {
        throughChunks(k, chunks, [&](Value start, const LaneChunk &chunk) {
          const int64_t row = chunk.vectors * lanes;
          WinogradSums s{sums, target, row, nearCell, k.min(k.constant(height), k.sub(channels, ch)), k.constant(row), ch, start, columnsEnd};
          // The sums of a cell at a time, or those of some channels in a column of cells.
          const int64_t together = !columnsEnd ? height : height % channelsOfColumn ? 1 : channelsOfColumn;
          const int64_t times = (columnsEnd ? c.form.side() : c.form.cells()) * height / together;
          k.loop(k.constant(0), k.constant(times), 1, [&](Value time) {
            if (store.reads())
              announce(ch, height, start, chunk.vectors, time, times);
            if (columnsEnd) {
              Value column = k.div(time, height / together), i = k.mul(k.mod(time, height / together), together);
              columnTile(column, k.add(ch, i), start, together, chunk.vectors, used, k.add(k.mul(column, nearCell), k.mul(i, row)));
            } else {
              registerTile(time, ch, start, height, chunk.vectors, c.pairs ? used : slotsOf(time, counts),
                           [&](int64_t i, int64_t v) { return k.add(k.mul(time, nearCell), i * row + v * lanes); });
            }
          });
          end(s);
        });
      });
    });
  }

  /// Asks the caches for what the update at the end of a block of channels and outputs reads: a share with each of `parts` register tiles, so that memory
  /// is at work while products are made.
  void announce(Value firstChannel, int64_t channels, Value firstOutput, int64_t vectors, Value number, int64_t parts) {
    const int64_t run = runOf(vectors), runs = vectors * lanes / run, rows = f.taps() * runs * channels, share = (rows + parts - 1) / parts;
    for (int64_t i = 0; i < share; ++i) {
      Value row = k.add(k.mul(number, share), i), rest = k.div(row, channels), output = k.add(firstOutput, k.mul(k.mod(rest, runs), run));
      Value to = placeOf(k, f, channelBlock, k.add(firstChannel, k.mod(row, channels)), outputBlock, output, lanes);
      for (int64_t lane = 0; lane < run; lane += lanes)
        store.soon(k.add(k.add(to, k.mul(k.div(rest, runs), c.C * c.block)), lane));
    }
  }
  /// Of so many vectors of outputs, the lanes that stand side by side in a channel of dw.
  int64_t runOf(int64_t vectors) const { return vectors * lanes % f.unit == 0 ? f.unit : f.unit % (vectors * lanes) == 0 ? vectors * lanes : lanes; }

  /// Adds the block's gradient to what the stripe's pieces before have left in the third buffer.
  void endStripe() {
    Value image = k.mul(k.piece, f.stripes.imagesOfPiece), stripe = k.div(image, f.stripes.imagesOfStripe);
    Value isFirst = k.equal(k.mod(image, f.stripes.imagesOfStripe), k.constant(0)), out = k.mul(stripe, f.dwSize());
    auto addTo = [&](Value value, Value place, int64_t width) {
      Value sum = arith::AddFOp::create(k.b, k.loc, k.load(k.buffer(2), place, lanes, width), value);
      k.store(arith::SelectOp::create(k.b, k.loc, isFirst, value, sum), k.buffer(2), place, width);
    };
    const WinogradSums s = sumsOfBlock();
    k.loop(k.constant(0), s.channels, 1, [&](Value channel) {
      endChannel(k, f, transforms, s, channel, lanes, [&](Value lane, int64_t tap, Value value) {
        Value place = k.add(placeOf(k, f, channelBlock, channel, outputBlock, lane, lanes), tap * c.C * c.block);
        storeInBlock(k, c, {addTo}, value, k.add(out, place), k.mod(k.add(k.mul(outputBlock, f.outputs), lane), c.paddedBlock(lanes)), lanes);
      });
    });
  }

  void end(const WinogradSums &s) {
    const int64_t tapStride = c.C * c.block, padded = c.paddedBlock(lanes);
    const bool inRuns = store.reads() || inNear;
    auto inBlock = [&](Value output) { return k.mod(k.add(k.mul(outputBlock, f.outputs), k.add(s.firstOutput, output)), padded); };
    auto place = [&](Value channel, Value output) {
      return placeOf(k, f, channelBlock, k.add(s.firstChannel, channel), outputBlock, k.add(s.firstOutput, output), lanes);
    };
    k.loop(k.constant(0), s.channels, 1, [&](Value channel) {
      endChannel(k, f, transforms, s, channel, lanes, [&](Value lane, int64_t tap, Value value) {
        if (inRuns)
          k.store(value, sums, k.add(k.add(s.from, k.add(k.mul(channel, s.row), lane)), tap * s.cell), lanes);
        else
          storeInBlock(k, c, store, value, k.add(place(channel, lane), tap * tapStride), inBlock(lane), lanes);
      });
    });
    if (!inRuns)
      return;
    // Taps have taken the place of cells that they are made of; they leave in long rows: side by side, they are often a power of two apart, all in the
    // same sets of the caches.
    constexpr int64_t ahead = 8; // channels
    const int64_t run = inNear ? runOf(s.row / lanes) : f.unit;
    k.loop(k.constant(0), k.constant(f.taps()), 1, [&](Value tap) {
      k.loop(k.constant(0), s.outputs, run, [&](Value output) {
        k.loop(k.constant(0), s.channels, 1, [&](Value channel) {
          Value from = k.add(k.add(s.from, k.mul(tap, s.cell)), k.add(k.mul(channel, s.row), output));
          Value to = k.add(place(channel, output), k.mul(tap, tapStride));
          for (int64_t lane = 0; lane < run && !atOnce; lane += lanes) // the products have asked for it
            store.soon(k.add(to, ahead * c.block + lane));
          for (int64_t lane = 0; lane < run; lane += lanes)
            storeInBlock(k, c, store, k.load(sums, k.add(from, lane), lanes), k.add(to, lane), run == padded ? k.constant(lane) : inBlock(k.add(output, lane)), lanes);
        });
      });
    });
  }

  /// These rows of cells of the `count` tiles from number `from` on, in `used` slots.
  void transform(Value from, Value count, Value used, const std::vector<int64_t> &rows) {
    using Place = WinogradTransforms::Place;
    Value channels = channelsOf(k, f, channelBlock), outputs = outputsOf(k, f, outputBlock, lanes);
    const auto firsts = transforms.before(from);
    k.loop(k.constant(0), used, 1, [&](Value slot) {
      auto at = [&](Value number, int64_t elements) {
        if (!c.pairs)
          return transforms.between(firsts, number, elements, k.constant(0));
        WinogradTransforms::ByKind same;
        same.fill(k.mul(slot, elements));
        return same;
      };
      auto put = [&](Value number, Place::Half half) {
        Value tileNumber = k.add(from, number);
        auto tile = transforms.tileAt(tileNumber);
        transforms.transformInput(x, tile, k.mul(channelBlock, f.channels), rows, {inputs, at(tileNumber, f.channels), inputCell, channels, half});
        transforms.transformOutputGrad(dy, tile, k.mul(outputBlock, f.outputs), rows, {grads, at(tileNumber, f.outputs), gradCell, outputs, half});
      };
      if (!c.pairs)
        return put(slot, Place::Whole);
      Value number = k.mul(slot, 2), next = k.add(number, 1);
      put(number, Place::Low);
      k.when(k.less(next, count), [&] { put(next, Place::High); });
    });
  }

  /// How many slots a cell has, of all in the order of their groups: `counts` says it of each kind.
  Value slotsOf(Value cell, const WinogradTransforms::ByKind &counts) {
    const int64_t side = c.form.side();
    uint64_t rows = 0; // a bit for each row of cells that the last tiles of a column have
    for (auto [row, place] : llvm::enumerate(c.form.rowPlaces()))
      rows |= uint64_t(int64_t(row) < c.lastRowCells()) << place;
    Value bits = arith::ShRUIOp::create(k.b, k.loc, k.constant(int64_t(rows)), k.div(cell, side));
    Value allRows = k.equal(k.mod(bits, 2), k.constant(1)), allColumns = k.less(k.mod(cell, side), k.constant(c.lastColumnCells()));
    return k.select(allRows, k.select(allColumns, counts[0], counts[2]), k.select(allColumns, counts[1], counts[3]));
  }

  /// sums[p] += inputs[p]^T grads[p] over the first `count` of all slots; `target` is where the group's sums begin.
  void product(Value p, Value target, Value count, Value cell) {
    ofOutputs([&](int64_t outputs) { product(p, target, count, cell, outputs); });
  }
  /// body(outputs of the block): the last block may have fewer.
  void ofOutputs(llvm::function_ref<void(int64_t)> body) {
    const int64_t rest = c.paddedOutputs(lanes) % f.outputs;
    if (rest == 0)
      return body(f.outputs);
    Value last = k.constant(f.outputBlocks - 1);
    k.when(k.less(outputBlock, last), [&] { body(f.outputs); });
    k.when(k.equal(outputBlock, last), [&] { body(rest); });
  }
  void product(Value p, Value target, Value count, Value cell, int64_t outputs) {
    const auto chunks = laneChunks(outputs, lanes);
    int64_t before = 0; // register tiles
    for (const auto &[number, chunk] : llvm::enumerate(chunks)) {
      const int64_t height = heightOf(chunk), tilesOfChunk = f.channels / height, parts = c.form.cells() * tilesOfChunk * int64_t(chunks.size());
      k.loop(k.constant(0), channelsOf(k, f, channelBlock), height, [&, number = number, chunk = chunk](Value ch) {
        Value step;
        if (ahead)
          step = k.add(firstStep, k.add(k.mul(p, stepsOfCell()), k.mul(k.add(k.div(ch, height), before), slots / slotsOfStep)));
        if (atOnce && store.reads())
          announce(k.constant(0), f.channels, k.constant(0), f.outputs / lanes,
                   k.add(k.mul(k.add(k.mul(cell, int64_t(chunks.size())), int64_t(number)), tilesOfChunk), k.div(ch, height)), parts);
        registerTile(p, ch, k.constant(chunk.start), height, chunk.vectors, count, [&](int64_t i, int64_t v) {
          Value at = k.add(target, k.add(k.mul(p, f.cell), k.mul(k.add(ch, i), f.outputs)));
          return k.add(at, chunk.start + v * lanes);
        }, step);
      });
      before += tilesOfChunk;
    }
  }
  /// Channels of a register tile.
  int64_t heightOf(const LaneChunk &chunk) const {
    const int64_t limit = (k.target.registers - chunk.vectors - 2) / chunk.vectors;
    constexpr int64_t enough = 8;
    int64_t height = 1;
    while (height * 2 <= std::min(limit, enough) && f.channels % (height * 2) == 0)
      height *= 2;
    return height;
  }
  /// The same where its sums of all cells stay in the first-level cache; still as many sums at once as hide the latency of their additions.
  int64_t nearHeightOf(const LaneChunk &chunk) const {
    constexpr int64_t sumsAtOnce = 8;
    int64_t height = heightOf(chunk);
    while (height % 2 == 0 && height / 2 * chunk.vectors >= sumsAtOnce && nearCells() * height * chunk.vectors * k.target.vectorBytes > k.target.l1Bytes)
      height /= 2;
    return height;
  }
  /// Slots 0 to `count`, `unroll` a round of the loop, each round after `before`.
  SmallVector<Value> throughSlots(Value count, int64_t unroll, SmallVector<Value> sums, llvm::function_ref<SmallVector<Value>(Value, SmallVector<Value>)> step,
                                  llvm::function_ref<void(Value)> before = [](Value) {}) {
    Value whole = k.mul(k.div(count, unroll), unroll);
    sums = k.loop(k.constant(0), whole, unroll, sums, [&](Value t, ValueRange carried) {
      SmallVector<Value> s(carried);
      before(t);
      for (int64_t u = 0; u < unroll; ++u)
        s = step(k.add(t, u), s);
      return s;
    });
    return k.loop(whole, count, 1, sums, [&](Value t, ValueRange carried) { return step(t, SmallVector<Value>(carried)); });
  }
  /// sums[i, v] += inputs[p, t, ch + i] grads[p, t, start + v], `vectors` of them a row.
  void addSlot(Value p, Value t, Value ch, Value start, int64_t vectors, MutableArrayRef<Value> sums) {
    Value xAt = k.add(k.add(k.mul(p, inputCell), k.mul(t, f.channels)), ch), yAt = k.add(k.add(k.mul(p, gradCell), k.mul(t, f.outputs)), start);
    SmallVector<Value> values;
    for (int64_t v = 0; v < vectors; ++v)
      values.push_back(products.load(grads, k.add(yAt, v * lanes), lanes));
    for (int64_t i = 0; i < int64_t(sums.size()) / vectors; ++i) {
      Value value = products.splat(inputs, k.add(xAt, i));
      for (int64_t v = 0; v < vectors; ++v)
        sums[i * vectors + v] = products.add(value, values[v], sums[i * vectors + v]);
    }
  }

  static constexpr int64_t channelsOfColumn = 2; ///< times two vectors times six cells: as many sums as there are registers for
  /// The sums of `height` channels from `ch` on and `vectors` vectors of outputs from `start` on, in all cells of a column, over the first `count` slots:
  /// G^T of them, [taps][height][vectors], from `to` on.
  void columnTile(Value column, Value ch, Value start, int64_t height, int64_t vectors, Value count, Value to) {
    const int64_t side = c.form.side(), ofCell = height * vectors;
    const auto places = c.form.rowPlaces();
    constexpr int64_t unroll = 2;
    SmallVector<Value> sum = throughSlots(count, unroll, SmallVector<Value>(side * ofCell, k.zeroVector(element, lanes)), [&](Value t, SmallVector<Value> a) {
      for (int64_t i = 0; i < side; ++i)
        addSlot(k.add(column, places[i] * side), t, ch, start, vectors, MutableArrayRef(a).slice(i * ofCell, ofCell));
      return a;
    });
    for (int64_t h = 0; h < height; ++h)
      for (int64_t v = 0; v < vectors; ++v) {
        std::vector<Value> cells;
        for (int64_t i = 0; i < side; ++i)
          cells.push_back(sum[i * ofCell + h * vectors + v]);
        for (auto [tap, value] : llvm::enumerate(transforms.filterAdjointOfColumn(cells)))
          k.store(value, sums, k.add(to, int64_t(tap) * side * nearCell + (h * vectors + v) * lanes), lanes);
      }
  }

  /// The sums of `height` channels from `ch` on and `vectors` vectors of outputs from `start` on, in cell p: `address` tells where they are. `firstStep`: the
  /// number of its first step, if it asks for what is ahead.
  void registerTile(Value p, Value ch, Value start, int64_t height, int64_t vectors, Value count, llvm::function_ref<Value(int64_t i, int64_t v)> address,
                    Value firstStep = {}) {
    SmallVector<Value> sum;
    for (int64_t i = 0; i < height; ++i)
      for (int64_t v = 0; v < vectors; ++v)
        sum.push_back(atOnce ? k.zeroVector(element, lanes) : k.load(sums, address(i, v), lanes));
    Value asks = firstStep ? ahead->asks(firstStep) : Value();
    auto before = [&](Value t) {
      if (asks)
        k.when(asks, [&] { ahead->ask(k.add(firstStep, k.div(t, slotsOfStep))); });
    };
    auto step = [&](Value t, SmallVector<Value> a) {
      addSlot(p, t, ch, start, vectors, a);
      return a;
    };
    sum = throughSlots(count, slotsOfStep, sum, step, before);
    for (int64_t i = 0; i < height; ++i)
      for (int64_t v = 0; v < vectors; ++v)
        k.store(sum[i * vectors + v], sums, address(i, v), lanes);
  }
};

} // namespace

WinogradFilterGrad WinogradFilterGrad::of(const WinogradConv &c, const TargetInfo &target, int64_t lanes) {
  WinogradFilterGrad f;
  f.conv = c;
  constexpr int64_t widest = 64, pieces = 16, tilesOfPart = 64;
  f.unit = c.paddedBlock(lanes) <= widest ? c.paddedBlock(lanes) : lanes;
  // A quarter more of one of them, where that makes fewer blocks: each block transforms its maps anew.
  auto blockOf = [&](int64_t extent, int64_t unit, bool mayBeWider) {
    auto blocks = evenSplit(extent / unit, widest / unit);
    if (auto fewer = evenSplit(extent / unit, widest * 5 / 4 / unit); mayBeWider && fewer.size() < blocks.size())
      blocks = fewer;
    return blocks.front() * unit;
  };
  f.outputs = blockOf(c.paddedOutputs(lanes), f.unit, true);
  f.channels = blockOf(c.paddedChannels(lanes), lanes, f.outputs <= widest);
  f.channelBlocks = (c.C + f.channels - 1) / f.channels;
  f.outputBlocks = (c.paddedOutputs(lanes) + f.outputs - 1) / f.outputs;
  f.cell = WinogradTransforms::cellStride(f.channels * f.outputs, target.vectorBytes / lanes);
  f.parts = std::clamp<int64_t>(pieces / f.blocks(), 1, std::max<int64_t>(1, c.tiles() / tilesOfPart));
  int64_t perPart = (c.tiles() + f.parts - 1) / f.parts;
  f.parts = (c.tiles() + perPart - 1) / perPart; // no part is empty
  return f;
}

int64_t buildWinogradFilterGrad(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store) {
  int64_t pieces = Grad(k, f, element, store).run();
  k.finish();
  return pieces;
}

} // namespace cnnc
