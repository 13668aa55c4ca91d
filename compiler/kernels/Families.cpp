// Convolutions, dense layers and pools, with the packing and the partial sums that they need.
// In: linalg.generic with cnn.kernel and cnn.geometry.  Out: launches.
#include "compiler/kernels/Amx.h"
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/PoolFusion.h"
#include "compiler/kernels/PoolSource.h"

using namespace mlir;

namespace cnnc {

/// From this many rows on a dense layer's weights are read again and again from a panel; below, each weight is read once and a dot product does.
constexpr int64_t manyDenseRows = 8;

/// Inputs of a dense layer, in vectors, from which its vectors run along the sum: adding up the lanes takes about five instructions a sum.
constexpr int64_t summedDenseVectors = 16;

/// Elements from row to row of a filter whose rows have `width` lanes: whole vectors, of which none lies in two lines of the cache, where the rows are
/// read often enough to be copied, and do not grow too much; else `width`.
static int64_t filterRow(const GatherConv &c, int64_t width, int64_t lanes) {
  constexpr int64_t often = 256, narrow = 4; // pixels, lanes
  const bool pays = !c.pairs && width > narrow && c.N * c.OH * c.OW >= often;
  return pays ? (width + lanes - 1) / lanes * lanes : width;
}

LogicalResult Lowering::lowerFamily(linalg::GenericOp op, linalg::GenericOp epilogue) {
  const StringRef family = op->getAttrOfType<StringAttr>("cnn.kernel").getValue();
  WindowGeometry g = WindowGeometry::fromAttr(op->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
  Location loc = op.getLoc();
  auto elementOf = [](Value v) { return cast<ShapedType>(v.getType()).getElementType(); };
  Value result = (epilogue ? epilogue : op)->getResult(0);
  Type element = computedIn(elementOf(result));
  if (family == "maxpool" || family == "avgpool")
    return pool(op, g, family == "maxpool");
  auto first = ref(op.getInputs()[0]);
  if (failed(first))
    return failure();
  std::string key = g.text(); // what a kernel is made from, beside its family and the types of its buffers
  int64_t inputs = g.N * g.H * g.W * g.C, outputs = g.N * g.OH * g.OW * g.O, filter = g.O * g.KH * g.KW * (g.C / g.G);
  // The second operand of a mean's gradient is a constant: it has no place and needs none.
  FailureOr<Ref> second = family == "avgpool_grad" ? FailureOr<Ref>(Ref()) : ref(op.getInputs()[1]);
  if (failed(second))
    return failure();
  auto left = [&](int64_t elements) { return Memory{*first, elements, elementOf(op.getInputs()[0])}; };
  auto right = [&](int64_t elements) { return Memory{*second, elements, elementOf(op.getInputs()[1])}; };
  auto made = [&](int64_t elements) { return Memory{newBuffer(result, elements), elements, elementOf(result)}; };
  auto madeThrough = [&](int64_t elements) -> FailureOr<Made> { // the epilogue
    SmallVector<Memory> operands;
    for (Value v : epilogue ? epilogue.getInputs() : ValueRange()) {
      if (rootOf(v) == op->getResult(0))
        continue;
      auto r = ref(v);
      if (failed(r))
        return failure();
      operands.push_back({*r, cast<ShapedType>(v.getType()).getNumElements(), elementOf(v)});
    }
    Made y(made(elements));
    if (epilogue)
      y.epilogue = EpiloguePlan::of(epilogue, op), y.operands = std::move(operands);
    return y;
  };
  bool padded = g.PT || g.PL || g.PB || g.PR;

  int64_t lanes = target.vectorBytes / elementBytes(element);
  if (family == "conv") {
    Memory x = left(inputs), w = right(filter);
    auto y = madeThrough(outputs);
    if (failed(y))
      return failure();
    GatherConv direct = multiplied(x, g.C / g.G, [&](bool pairs) { return GatherConv::forward(g, pairs); });
    WinogradConv c = WinogradConv::forward(g);
    c.pairs = direct.pairs;
    if (!amxTakes(direct, target) && winogradPays(g, c, direct.flops(), target, lanes, keepsWeights())) {
      c.filterInside = transformsInside(c, lanes);
      winograd(loc, family, c, x, w, *y);
    } else {
      if (direct.pairs)
        w = packPairs(loc, PairPacking::neighbours(g.O / g.block * g.KH * g.KW, g.C / g.G, g.block, direct.split), w);
      else
        w = alignedFilter(loc, direct, w, g.block, lanes);
      gather(loc, family, key, direct, x, w, *y);
    }
  } else if (family == "conv_input_grad") { // dy, w
    Memory dy = left(outputs), w = right(filter);
    int64_t block = filterBlock(g.C / g.G);
    Memory turned = w;
    GatherConv direct = multiplied(dy, g.O / g.G, [&](bool pairs) { return GatherConv::inputGrad(g, block, pairs); });
    WinogradConv c = WinogradConv::inputGrad(g, block);
    constexpr int64_t fewResults = 4;
    const bool sums = g.G == 1 && g.C <= fewResults && g.C * 2 < lanes && g.O >= lanes; // pairs, too, would leave most lanes empty
    if (sums) {
      direct = GatherConv::inputGradOfSums(g);
      turned = alignedFilter(loc, direct, w, g.block, lanes);
    }
    c.pairs = direct.pairs;
    const bool pays = !sums && !amxTakes(direct, target) && winogradPays(g, c, direct.flops(), target, lanes, keepsWeights());
    const bool turnsPairs = direct.pairs && !pays && g.block % 2 == 0; // a pair is of neighbours in the filter
    c.filterInside = pays && g.block % lanes == 0 && block % lanes == 0 && transformsInside(c, lanes);
    if (c.filterInside) {
      c.sourceBlock = g.block;
    } else if (!pays && !sums && !keepsWeights() && !amxTakes(direct, target) && direct.mayTranspose(target, lanes, g.block)) {
      direct.sourceBlock = g.block;
    } else if (turnsPairs) {
      turned = packPairs(loc, filterTransposition(g, block, block).inPairs(direct.split), w);
    } else if (!sums) {
      const int64_t row = pays ? block : filterRow(direct, block, lanes);
      turned = scratchMemory(filter / block * row, w.element);
      transpose(loc, filterTransposition(g, block, row), w, turned);
      direct.setFilterRows(block, row);
    }
    Memory dx = made(inputs);
    where[result].cropped = padded;
    if (pays) {
      winograd(loc, family, c, dy, turned, dx);
    } else {
      if (direct.pairs && !turnsPairs)
        turned = packPairs(loc, PairPacking::neighbours(g.C / block * g.KH * g.KW, g.O / g.G, block, direct.split), turned);
      gather(loc, family, key, direct, dy, turned, dx);
    }
  } else if (family == "conv_filter_grad") { // x, dy
    Memory x = left(inputs), dy = right(outputs);
    FilterGrad direct = FilterGrad::of(g);
    WinogradConv c = WinogradConv::forward(g);
    c.pairs = target.dotsPairs && x.element.isBF16() && dy.element.isBF16();
    if (filterGradOfTiles(op, family, key, direct, x, dy))
      return success();
    if (winogradPays(g, c, direct.flops(), target, lanes, keepsWeights())) {
      winogradFilterGrad(op, c, x, dy);
    } else if (target.dotsPairs && dy.element.isBF16()) {
      x = packPairs(loc, packX(g), x), dy = packPairs(loc, packDy(g), dy);
      filterGrad(op, family, key, FilterGrad::ofPairs(g), x, dy);
    } else {
      filterGrad(op, family, key, direct, x, dy);
    }
  } else if (family == "dense") { // x, w
    auto y = madeThrough(g.N * g.O);
    if (failed(y))
      return failure();
    dense(loc, g, left(g.N * g.C), right(g.O * g.C), *y);
  } else if (family == "dense_input_grad") { // w (O,I), dy (N,O): the lanes run along i, the taps along o
    Memory w = left(g.O * g.C), dy = right(g.N * g.O), dx = made(g.N * g.C);
    GatherConv c = multiplied(dy, g.O, [&](bool pairs) {
      GatherConv c = GatherConv::ofRows(g.N, g.O, g.C, filterBlock(g.C), pairs);
      c.wBlock = c.block, c.wChannel = g.C;
      return c;
    });
    if (!c.pairs) {
      launch(loc, family, g.text(), {read(w), read(dy), write(dx)}, 2ull * g.N * g.C * g.O,
             [&](KernelBuilder &k, ArrayRef<int>) { return buildDenseRows(k, {g.N, g.O, g.C}, element, k.buffer(1), k.buffer(0), k.buffer(2), {}); });
    } else {
      gather(loc, family, key, c, dy, packPairs(loc, PairPacking::neighbours(1, g.O, g.C, c.split), w), dx);
    }
  } else if (family == "dense_filter_grad") { // x (N,I), dy (N,O): dy is broadcast, the lanes run along i
    Memory x = left(g.N * g.C), dy = right(g.N * g.O);
    FilterGrad f;
    f.N = g.N, f.xChannels = g.O, f.yChannels = g.C;
    f.block = filterBlock(g.C), f.wBlock = f.block, f.wChannel = g.C;
    if (filterGradOfTiles(op, family, key, f, dy, x))
      return success();
    if (!target.dotsPairs || !x.element.isBF16() || !dy.element.isBF16()) {
      launchGradient(loc, family, g.text(), {read(x), read(dy)}, gradient(op, g.O * g.C, denseFilterGradIsAtOnce(g.N)), 2ull * g.N * g.C * g.O,
                     [&](KernelBuilder &k, StoreLanes store) { return buildDenseFilterGrad(k, g.N, g.C, g.O, element, store); });
    } else {
      f.pairs = true, f.N = (g.N + 1) / 2;
      x = packPairs(loc, PairPacking::neighbours(1, g.N, g.C), x), dy = packPairs(loc, PairPacking::neighbours(1, g.N, g.O), dy);
      filterGrad(op, family, key, f, dy, x);
    }
  } else if (family == "maxpool_grad") { // dy, indices
    Memory indices = right(outputs), dx = made(inputs);
    where[result].cropped = padded;
    launch(loc, family, key, {ofImages(read(left(outputs)), g.N), ofImages(read(indices), g.N), ofImages(write(dx), g.N)}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildMaxPoolGrad(k, g, element, indices.element); });
    program.launches.back().mayRenew = true;
  } else if (family == "avgpool_grad") {
    Memory dx = made(inputs);
    where[result].cropped = padded;
    launch(loc, family, key, {ofImages(read(left(outputs)), g.N), ofImages(write(dx), g.N)}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildAvgPoolGrad(k, g, element); });
    program.launches.back().mayRenew = true;
  } else if (family == "depthwise" || family == "depthwise_input_grad") {
    bool forward = family == "depthwise";
    auto y = madeThrough(forward ? outputs : inputs);
    if (failed(y))
      return failure();
    where[result].cropped = !forward && padded;
    launchConvolution(loc, family, key, left(forward ? inputs : outputs), right(filter), *y, g.N, 2 * outputs * g.KH * g.KW,
                      [&](KernelBuilder &k, const Ending &ending) { return forward ? buildDepthwise(k, g, element, ending) : buildDepthwiseInputGrad(k, g, element); });
  } else if (family == "depthwise_filter_grad") {
    FilterGrad f = FilterGrad::of(g);
    int64_t parts = filterGradParts(f, elementBytes(element));
    summedParts(loc, parts, gradient(op, filter, parts > 1), [&](const Gradient &out) {
      launch(loc, family, key, {read(left(inputs)), read(right(outputs)), write(out.memory)},
             2 * outputs * g.KH * g.KW, [&](KernelBuilder &k, ArrayRef<int>) { return buildDepthwiseFilterGrad(k, g, parts, element); });
    });
  } else {
    return op.emitOpError("is of an unknown family ") << family;
  }
  return success();
}

linalg::GenericOp Lowering::programOf(linalg::GenericOp pool) {
  Value x = pool.getInputs()[0];
  if (auto pad = x.getDefiningOp<tensor::PadOp>(); pad && pad->hasOneUse())
    x = pad.getSource();
  auto program = x.getDefiningOp<linalg::GenericOp>();
  return program && x.hasOneUse() && takesIn(pool, program) ? program : linalg::GenericOp();
}

bool Lowering::isTakenIn(linalg::GenericOp program) {
  if (program->getNumResults() != 1 || !program->getResult(0).hasOneUse())
    return false;
  linalg::GenericOp pool = poolOf(*program->getResult(0).use_begin());
  return pool && programOf(pool) == program;
}

LogicalResult Lowering::pool(linalg::GenericOp op, const WindowGeometry &g, bool isMax) {
  auto memoryOf = [](Ref r, Value v) { return Memory{r, cast<ShapedType>(v.getType()).getNumElements(), cast<ShapedType>(v.getType()).getElementType()}; };
  linalg::GenericOp program = programOf(op);
  std::optional<NestPlan> plan;
  if (program)
    plan = planOfPixels(program);
  SmallVector<Argument> arguments;
  std::string key = g.text();
  for (auto [i, v] : llvm::enumerate(program ? program.getInputs() : op.getInputs().take_front())) {
    auto r = ref(v);
    if (failed(r))
      return failure();
    const bool isMap = !plan || plan->operands[i].r;
    Memory m = memoryOf(*r, v);
    if (!program)
      m.elements = g.N * g.H * g.W * g.C; // behind a padding is the map itself
    arguments.push_back(ofImages(read(m), isMap ? g.N : 0));
  }
  if (plan)
    key += plan->text();
  for (Value v : op->getResults())
    arguments.push_back(ofImages(write(memoryOf(newBuffer(v), v)), g.N));
  Type element = computedIn(cast<ShapedType>(op->getResult(0).getType()).getElementType());
  launch(op.getLoc(), isMax ? "maxpool" : "avgpool", key, arguments, 0, [&](KernelBuilder &k, ArrayRef<int> numbers) {
    const NestPlan *of = plan ? &*plan : nullptr;
    return isMax ? buildMaxPool(k, g, element, cast<ShapedType>(op->getResult(1).getType()).getElementType(), of, numbers) : buildAvgPool(k, g, element, of, numbers);
  });
  return success();
}

Lowering::Memory Lowering::alignedFilter(Location loc, GatherConv &c, const Memory &w, int64_t width, int64_t lanes) {
  const int64_t rows = w.elements / width, row = filterRow(c, width, lanes);
  if (row == width)
    return w;
  Memory aligned = scratchMemory(rows * row, w.element);
  copyRows(loc, w.ref, width, 0, aligned.ref, row, 0, rows, width, w.element);
  c.setFilterRows(width, row);
  return aligned;
}

bool Lowering::multipliesPairs(const Memory &x, int64_t channels) const { return target.dotsPairs && x.element.isBF16() && channels % 2 == 0; }

GatherConv Lowering::multiplied(const Memory &x, int64_t channels, llvm::function_ref<GatherConv(bool)> make) const {
  if (target.splitsF32 && x.element.isF32() && channels % 2 == 0) {
    GatherConv c = make(true);
    c.split = true;
    if (amxTakes(c, target))
      return c;
  }
  return make(multipliesPairs(x, channels));
}

Lowering::Memory Lowering::packPairs(Location loc, const PairPacking &p, const Memory &source) {
  Memory packed = scratchMemory(p.targetElements(), BFloat16Type::get(source.element.getContext()));
  launch(loc, "pair_packing", p.text(), {ofImages(read(source), p.images), ofImages(write(packed), p.images)}, 0, [&](KernelBuilder &k, ArrayRef<int>) { return buildPairPacking(k, p); });
  program.launches.back().isPacking = true;
  return packed;
}

Lowering::Memory Lowering::packPairs(Location loc, const Transposition &t, const Memory &source) {
  Memory packed = scratchMemory(t.targetElements(), BFloat16Type::get(source.element.getContext()));
  launch(loc, "pair_packing", t.text() + "transposed", {read(source), write(packed)}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildTransposition(k, t, k.b.getF32Type()); });
  return packed;
}

void Lowering::launchConvolution(Location loc, StringRef family, StringRef key, const Memory &x, const Memory &w, const Made &y, int64_t images, uint64_t flops,
                                 BuildConvolution build) {
  SmallVector<Argument> arguments = {ofImages(read(x), images), read(w), ofImages(write(y.memory), images)};
  for (const Memory &m : y.operands)
    arguments.push_back(ofImages(read(m), m.elements == y.memory.elements ? images : 0));
  launch(loc, family, y.epilogue ? key.str() + y.epilogue->text() : key.str(), arguments, flops, [&](KernelBuilder &k, ArrayRef<int> numbers) {
    if (!y.epilogue)
      return build(k, {});
    SmallVector<int> buffers(numbers.drop_front(3));
    buffers.insert(buffers.begin() + y.epilogue->result, -1);
    return build(k, {&*y.epilogue, buffers});
  });
}

void Lowering::gather(Location loc, StringRef family, StringRef key, const GatherConv &c, const Memory &x, const Memory &w, const Made &y) {
  if (amxTakes(c, target)) {
    int64_t images = amxIsByImage(c, target) ? c.N : 0;
    Memory source = x;
    if (c.split && amxReadsInPlace(c, target)) {
      source = scratchMemory(2 * x.elements, w.element);
      launch(loc, "split", textOf({x.elements}), {read(x), write(source)}, 0, [&](KernelBuilder &k, ArrayRef<int>) { return buildSplit(k, x.elements); });
    }
    return launchConvolution(loc, family, (key + (c.split ? "tiles of parts" : "tiles")).str(), source, w, y, images, c.flops(),
                             [&](KernelBuilder &k, const Ending &) { return buildAmxConv(k, c); });
  }
  const Type element = computedIn(y.memory.element);
  int64_t images = gatherIsByImage(c, target, target.vectorBytes / elementBytes(element)) ? c.N : 0;
  const std::string form = (c.pairs ? "pairs" : c.sums ? "sums" : c.sourceBlock ? "transposing" : "") + textOf({c.wChannel});
  launchConvolution(loc, family, (key + form).str(), x, w, y, images, c.flops(),
                    [&](KernelBuilder &k, const Ending &ending) { return buildGatherConv(k, c, element, ending); });
}

bool Lowering::transformsInside(const WinogradConv &c, int64_t lanes) const {
  return !keepsWeights() && c.mayTransformFilterInside(target, lanes);
}

void Lowering::winograd(Location loc, StringRef family, const WinogradConv &c, const Memory &x, const Memory &w, const Made &y) {
  Type element = computedIn(y.memory.element);
  const int64_t lanes = target.vectorBytes / elementBytes(element);
  Memory u = c.filterInside ? w : scratchMemory(c.transformedFilter(target, lanes), c.pairs ? x.element : element);
  if (!c.filterInside)
    launch(loc, "winograd_filter", textOf({c.C, c.O, c.block, c.turned, c.form.outputs, c.form.taps}), {read(w), write(u)}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradFilter(k, c, element); });
  auto build = [&](KernelBuilder &k, const Ending &ending) { return buildWinogradConv(k, c, element, ending); };
  if (!c.apart)
    return launchConvolution(loc, ("winograd_" + family).str(), c.text(), x, u, y, c.N, c.flops(), build);
  Memory transformed = scratchMemory(c.transformedMap(target, lanes), c.pairs ? x.element : element);
  launch(loc, "winograd_input", c.text(), {read(x), write(transformed)}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradInput(k, c, element); });
  launchConvolution(loc, ("winograd_" + family).str(), c.text(), transformed, u, y, 0, c.flops(), build);
}

GradStripes Lowering::stripes(int64_t N, int64_t work, int64_t leastWork, int64_t bytes) const {
  if (N != program.batch || !GradStripes::mayHold(bytes))
    return {};
  return GradStripes::of(N, work, leastWork);
}

void Lowering::stripedGrad(Location loc, StringRef family, StringRef key, const GradStripes &s, const Memory &x, const Memory &dy, const Gradient &dw,
                           uint64_t flops, Build build) {
  const int64_t N = program.batch, count = s.count(N);
  Memory sums = scratchMemory(count * dw.memory.elements, dw.memory.element);
  launch(loc, family, (key + "stripes " + textOf({s.imagesOfPiece, s.imagesOfStripe})).str(), {ofImages(read(x), N), ofImages(read(dy), N), write(sums)}, flops, build);
  program.launches.back().piecesOfStripe = s.imagesOfStripe / s.imagesOfPiece;
  combine(loc, sums.ref, sums.element, dw, count, /*isMax=*/false);
}

void Lowering::winogradFilterGrad(linalg::GenericOp op, const WinogradConv &c, const Memory &x, const Memory &dy) {
  Location loc = op.getLoc();
  Gradient dw = gradient(op, c.O * c.C * c.form.taps * c.form.taps, true);
  Type element = dw.memory.element;
  auto f = WinogradFilterGrad::of(c, target, target.vectorBytes / elementBytes(element));
  constexpr int64_t leastTiles = 64; // against what it costs to end their sums
  if (GradStripes s = stripes(c.N, c.tiles() / c.N, leastTiles, dw.memory.elements * elementBytes(element))) {
    f.stripes = s, f.parts = 1;
    return stripedGrad(loc, "winograd_conv_filter_grad", c.text(), s, x, dy, dw, c.flops(), [&](KernelBuilder &k, ArrayRef<int>) {
      return buildWinogradFilterGrad(k, f, element, {[](Value, Value, int64_t) {}});
    });
  }
  if (f.ends(elementBytes(element))) {
    launchGradient(loc, "winograd_conv_filter_grad", c.text(), {read(x), read(dy)}, dw, c.flops(),
                   [&](KernelBuilder &k, StoreLanes store) { return buildWinogradFilterGrad(k, f, element, store); });
    return;
  }
  Memory sums = scratchMemory(f.size(), element);
  launch(loc, "winograd_conv_filter_grad", c.text(), {read(x), read(dy), write(sums)}, c.flops(),
         [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradFilterGrad(k, f, element, {[](Value, Value, int64_t) {}}); });
  launchGradient(loc, "winograd_filter_end", textOf({c.C, c.O, c.block, f.parts, c.form.outputs, c.form.taps}), {read(sums)}, dw, 0,
                 [&](KernelBuilder &k, StoreLanes store) { return buildWinogradFilterGradEnd(k, f, element, store); });
}

void Lowering::dense(Location loc, const WindowGeometry &g, const Memory &x, const Memory &w, const Made &y) {
  const Type element = computedIn(y.memory.element);
  auto launchDense = [&](StringRef form, BuildConvolution build) { launchConvolution(loc, "dense", g.text() + form.str(), x, w, y, 0, 2ull * g.N * g.C * g.O, build); };
  if (g.N < manyDenseRows)
    return launchDense("", [&](KernelBuilder &k, const Ending &ending) { return buildDenseDot(k, g.N, g.C, g.O, element, ending); });
  const bool packsOnce = keepsWeights(); // they are transposed once, and that form is the faster one then
  const int64_t block = filterBlock(g.O), lanes = target.vectorBytes / elementBytes(element);
  GatherConv c = multiplied(x, g.C, [&](bool pairs) {
    GatherConv c = GatherConv::ofRows(g.N, g.C, g.O, block, pairs);
    c.wBlock = block * c.inChannels, c.wChannel = block;
    return c;
  });
  const bool tiles = c.pairs && target.amx;
  if (const DenseRows rows{g.N, g.C, g.O, /*turned=*/true}; !packsOnce && !c.pairs && rows.pays(lanes))
    return launchDense("rows", [&](KernelBuilder &k, const Ending &ending) { return buildDenseRows(k, rows, element, k.buffer(0), k.buffer(1), k.buffer(2), ending); });
  if (!packsOnce && !tiles && g.C >= summedDenseVectors * lanes)
    return launchDense("sums", [&](KernelBuilder &k, const Ending &ending) { return buildDenseDots(k, g.N, c.inChannels, g.O, element, c.pairs, ending); });
  Transposition t; // (O,I) -> [O/block][I][block]
  t.loops = {{g.O / block, block * g.C, block * g.C}};
  t.rows = block, t.columns = g.C, t.sourceRow = g.C, t.targetRow = block;
  Memory packed;
  if (c.pairs) {
    packed = packPairs(loc, t.inPairs(c.split), w);
  } else {
    packed = scratchMemory(g.O * g.C, w.element);
    transpose(loc, t, w, packed);
  }
  gather(loc, "dense", g.text(), c, x, packed, y);
}

void Lowering::summedParts(Location loc, int64_t parts, const Gradient &out, llvm::function_ref<void(const Gradient &)> partial) {
  if (parts == 1)
    return partial(out);
  Memory sums = scratchMemory(parts * out.memory.elements, out.memory.element);
  partial({sums, {}});
  combine(loc, sums.ref, out.memory.element, out, parts, /*isMax=*/false);
}

bool Lowering::filterGradOfTiles(linalg::GenericOp op, StringRef family, StringRef key, FilterGrad f, const Memory &x, const Memory &dy) {
  constexpr int64_t leastPixels = 16; // half a product's
  const bool split = target.splitsF32 && x.element.isF32() && dy.element.isF32();
  if (!target.amx || f.groups != 1 || f.N * f.OH * f.OW < leastPixels || !(split || x.element.isBF16() || dy.element.isBF16()))
    return false;
  constexpr int64_t leastOfPiece = 256, fewestPieces = 8;
  AmxFilterGrad a;
  if (f.stripes = stripes(f.N, f.OH * f.OW, leastOfPiece, f.size() * 4); f.stripes)
    a = AmxFilterGrad::of(f, split);
  if (!f.stripes || !a) {
    f.stripes = {};
    if (a = AmxFilterGrad::of(f, split); a.pieces() < fewestPieces)
      f.parts = filterGradParts(f, 4), a = AmxFilterGrad::of(f, split);
  }
  if (!a)
    return false;
  Gradient dw = gradient(op, f.size(), true);
  auto build = [&](KernelBuilder &k, StoreLanes store) { return buildAmxFilterGrad(k, a, store); };
  if (f.stripes) {
    stripedGrad(op.getLoc(), family, (key + "tiles").str(), f.stripes, x, dy, dw, f.flops(), [&](KernelBuilder &k, ArrayRef<int>) {
      return build(k, {[](Value, Value, int64_t) {}});
    });
    return true;
  }
  summedParts(op.getLoc(), f.parts, dw, [&](const Gradient &out) {
    launchGradient(op.getLoc(), family, (key + (split ? "tiles of parts" : "tiles")).str(), {read(x), read(dy)}, out, f.flops(), build);
  });
  return true;
}

void Lowering::filterGrad(linalg::GenericOp op, StringRef family, StringRef key, FilterGrad f, const Memory &x, const Memory &dy) {
  Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
  const bool panels = PointwiseFilterGrad::pays(f, elementBytes(element));
  f.parts = filterGradParts(f, elementBytes(element));
  Gradient dw = gradient(op, f.size(), f.parts > 1 || panels || f.mayBeAtOnce(target));
  auto build = [&](KernelBuilder &k, StoreLanes store) {
    if (panels) {
      const auto p = PointwiseFilterGrad::of(f);
      buildPointwiseFilterGrad(k, p, element, store);
      return p.pieces();
    }
    buildFilterGrad(k, f, element, store);
    return f.pieces();
  };
  constexpr int64_t leastPixels = 128; // against what it costs to load and store the sums
  if (f.stripes = stripes(f.N, f.OH * f.OW, leastPixels, f.size() * elementBytes(element)); f.stripes) {
    return stripedGrad(op.getLoc(), family, key, f.stripes, x, dy, dw, f.flops(), [&](KernelBuilder &k, ArrayRef<int> numbers) {
      return build(k, {[&](Value vector, Value index, int64_t width) { k.store(vector, k.buffer(numbers[2]), index, width); }});
    });
  }
  f.atOnce = f.parts == 1 && dw.update && !panels;
  summedParts(op.getLoc(), f.parts, dw, [&](const Gradient &out) {
    launchGradient(op.getLoc(), family, (key + (f.pairs ? "pairs" : "")).str(), {read(x), read(dy)}, out, f.flops(), build);
  });
}

void Lowering::transpose(Location loc, const Transposition &t, const Memory &from, const Memory &to) {
  launch(loc, "transpose", t.text(), {read(from), write(to)}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildTransposition(k, t, computedIn(from.element)); });
}

} // namespace cnnc
