// The launch code and tables around the kernels, as LLVM IR.
// In: functions in the LLVM dialect, programs.  Out: kernels with one signature; a module that defines cnn_the_model (runtime/abi.h).
#include "compiler/codegen/Codegen.h"
#include "runtime/abi.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/IRBuilder.h"

#include <cstddef>
#include <map>

using namespace llvm;

namespace cnnc {
namespace {

class ModelBuilder {
public:
  ModelBuilder(Module &module, const ModelTables &tables, const Processor &processor)
      : m(module), t(tables), processor(processor), b(module.getContext()), ptr(PointerType::getUnqual(module.getContext())),
        i32(b.getInt32Ty()), i64(b.getInt64Ty()), real(tables.isF64 ? b.getDoubleTy() : b.getFloatTy()) {
    bufferInfo = StructType::create({i64, i32, i32}, "cnn_buffer_info");
    kernel = StructType::create({ptr, i64, ptr, ptr, i64, i64, i32, ptr}, "cnn_kernel");
    function = StructType::create({i64, i64, i64, ptr, i64, i64}, "cnn_function");
    model = StructType::create({i32, i32, ptr, i64, function, function, function, ptr, i64, ptr, ptr, ptr, ptr}, "cnn_model");
    chain = StructType::create({i64, i64, i32, ptr, ptr, ptr, i64}, "cnn_chain");
    launch = m.getOrInsertFunction("cnn_rt_launch", FunctionType::get(b.getVoidTy(), {ptr, ptr, ptr}, false));
    launchChain = m.getOrInsertFunction("cnn_rt_chain", FunctionType::get(b.getVoidTy(), {ptr, ptr, ptr}, false));
  }

  void build() {
    std::vector<Constant *> gradients;
    for (int64_t i : t.trainStep.gradientBuffers) {
      const Buffer *buffer = i < 0 ? nullptr : &t.trainStep.buffers[i];
      gradients.push_back(b.getInt64(!buffer ? UINT64_MAX : buffer->space == Buffer::Space::Gradient ? CNN_APART | uint64_t(buffer->offset) : buffer->offset));
    }
    Constant *schedule = m.getFunction("schedule");
    Constant *trainStep = t.trainStep.launches.empty() ? ConstantAggregateZero::get(function) : program(t.trainStep); // none: inference alone
    auto *value = ConstantStruct::get(
        model, {b.getInt32(CNN_ABI_VERSION), b.getInt32(t.isF64 ? CNN_F64 : CNN_F32), description(), b.getInt64(t.description.size()),
                trainStep, program(t.predict), program(t.predictOne), array(i64, gradients),
                b.getInt64(t.trainStep.gradientBytes), schedule, text(processor.cpu),
                text(processor.features), t.hasNextLevel ? shared(nameOfLevel(t.level + 1), model, nullptr) : ConstantPointerNull::get(ptr)});
    shared(nameOfLevel(t.level), model, value);
  }

private:
  Module &m;
  const ModelTables &t;
  const Processor &processor;
  IRBuilder<> b;
  PointerType *ptr;
  Type *i32, *i64, *real;
  StructType *bufferInfo, *kernel, *chain, *function, *model;
  FunctionCallee launch, launchChain;
  std::map<std::string, Constant *> texts;

  static std::string nameOfLevel(int level) { return level ? "cnn_model_level_" + std::to_string(level) : "cnn_the_model"; }
  /// What several objects of a program name; without a value it is another's.
  Constant *shared(const std::string &name, Type *type, Constant *value) {
    auto *variable = new GlobalVariable(m, type, true, GlobalValue::ExternalLinkage, value, name);
    if (name != nameOfLevel(0))
      variable->setVisibility(GlobalValue::HiddenVisibility);
    return variable;
  }
  Constant *description() {
    Constant *bytes = ConstantDataArray::getString(m.getContext(), t.description, /*AddNull=*/false);
    return shared("cnn_description", bytes->getType(), t.level == 0 ? bytes : nullptr);
  }
  Constant *text(const std::string &s) {
    Constant *&c = texts[s];
    if (!c)
      c = b.CreateGlobalString(s, "text", 0, &m);
    return c;
  }
  Constant *array(Type *element, ArrayRef<Constant *> values) {
    auto *type = ArrayType::get(element, values.size());
    return new GlobalVariable(m, type, true, GlobalValue::PrivateLinkage, ConstantArray::get(type, values), "table");
  }

  /// The kernel's function, here or in another object.
  Function *runOf(const std::string &name) {
    if (Function *here = m.getFunction(name))
      return here;
    auto *f = Function::Create(FunctionType::get(b.getVoidTy(), {ptr, i64}, false), GlobalValue::ExternalLinkage, name, m);
    f->setVisibility(GlobalValue::HiddenVisibility);
    return f;
  }

  Constant *kernelTable(const Launch &l) {
    std::vector<Constant *> infos;
    for (const LaunchArgument &a : l.arguments)
      infos.push_back(ConstantStruct::get(bufferInfo, {b.getInt64(a.elements), b.getInt32(a.elementKind), b.getInt32(a.isOutput)}));
    auto *value = ConstantStruct::get(kernel, {runOf(l.kernel), b.getInt64(l.pieces), text(l.layer), text(l.what), b.getInt64(l.flops),
                                               b.getInt64(l.bytes), b.getInt32(l.arguments.size()), array(bufferInfo, infos)});
    return new GlobalVariable(m, kernel, true, GlobalValue::PrivateLinkage, value, "kernel");
  }

  Constant *chainTable(const Program &p, const Chain &c, ArrayRef<Constant *> kernels) {
    std::vector<Constant *> pieces, localBytes;
    bool isLocal = false;
    for (int64_t l = c.first; l <= c.last(); ++l) {
      pieces.push_back(b.getInt64(p.launches[l].piecesOfUnit));
      for (const LaunchArgument &a : p.launches[l].arguments) {
        const int64_t bytes = p.buffers[a.buffer].space == Buffer::Space::Local ? p.buffers[a.buffer].unitBytes : 0;
        localBytes.push_back(b.getInt64(bytes));
        isLocal |= bytes != 0;
      }
    }
    Constant *locals = isLocal ? array(i64, localBytes) : ConstantPointerNull::get(ptr);
    auto *value = ConstantStruct::get(chain, {b.getInt64(c.units), b.getInt64(c.unitsOfStripe), b.getInt32(c.launches), array(ptr, kernels.slice(c.first, c.launches)),
                                              array(i64, pieces), locals, b.getInt64(p.localBytes)});
    return new GlobalVariable(m, chain, true, GlobalValue::PrivateLinkage, value, "chain");
  }

  Constant *program(const Program &p) {
    std::vector<Constant *> kernels;
    for (const Launch &l : p.launches)
      kernels.push_back(kernelTable(l));
    Function *f = Function::Create(FunctionType::get(i32, {ptr}, false), GlobalValue::InternalLinkage, p.name, m);
    f->addFnAttr(Attribute::NoUnwind);
    Value *call = f->getArg(0);
    b.SetInsertPoint(BasicBlock::Create(m.getContext(), "entry", f));
    auto field = [&](size_t offset) { return b.CreateConstGEP1_64(b.getInt8Ty(), call, offset); };
    Value *arena = b.CreateLoad(ptr, field(offsetof(cnn_call, arena)), "arena");
    Value *x = b.CreateLoad(ptr, field(offsetof(cnn_call, x)), "x");
    Value *labels = b.CreateLoad(ptr, field(offsetof(cnn_call, labels)), "labels");
    Value *secondLabels = b.CreateLoad(ptr, field(offsetof(cnn_call, second_labels)), "second_labels");
    Value *mix = b.CreateLoad(ptr, field(offsetof(cnn_call, mix)), "mix");
    Value *tensors = b.CreateLoad(ptr, field(offsetof(cnn_call, tensors)), "tensors");
    Value *gradients = p.gradientBytes ? b.CreateLoad(ptr, field(offsetof(cnn_call, gradients)), "gradients") : nullptr;
    Value *noGradients = gradients ? b.CreateIsNull(gradients) : nullptr;
    // The buffers of a launch, or of the launches of a chain one behind the other.
    size_t most = 1, mostLists = 1;
    for (const Launch &l : p.launches)
      most = std::max(most, l.arguments.size());
    for (const Chain &c : p.chains) {
      size_t all = 0;
      for (int64_t l = c.first; l <= c.last(); ++l)
        all += p.launches[l].arguments.size();
      most = std::max(most, all), mostLists = std::max<size_t>(mostLists, c.launches);
    }
    Value *buffers = b.CreateAlloca(ArrayType::get(ptr, most), nullptr, "buffers");
    Value *lists = p.chains.empty() ? nullptr : b.CreateAlloca(ArrayType::get(ptr, mostLists), nullptr, "lists");
    for (const Buffer &buffer : p.buffers) {
      if (buffer.space != Buffer::Space::Lr && buffer.space != Buffer::Space::Step)
        continue;
      size_t offset = buffer.space == Buffer::Space::Lr ? offsetof(cnn_call, lr) : offsetof(cnn_call, step);
      Value *v = b.CreateLoad(b.getDoubleTy(), field(offset));
      if (!t.isF64)
        v = b.CreateFPTrunc(v, real);
      b.CreateStore(v, b.CreateConstGEP1_64(b.getInt8Ty(), arena, buffer.offset));
    }
    auto address = [&](const LaunchArgument &a) -> Value * {
      const Buffer &buffer = p.buffers[a.buffer];
      int64_t offset = a.byteOffset;
      Value *base = nullptr;
      switch (buffer.space) {
      case Buffer::Space::Arena:
      case Buffer::Space::Lr:
      case Buffer::Space::Step:
        base = arena, offset += buffer.offset;
        break;
      case Buffer::Space::Local:
        base = arena, offset += p.arenaBytes + buffer.offset;
        break;
      case Buffer::Space::Input:
        base = x;
        break;
      case Buffer::Space::Labels:
        base = labels;
        break;
      case Buffer::Space::SecondLabels:
        base = secondLabels;
        break;
      case Buffer::Space::Mix:
        base = mix;
        break;
      case Buffer::Space::Rng:
        base = field(offsetof(cnn_call, rng));
        break;
      case Buffer::Space::Tensor:
        base = b.CreateLoad(ptr, b.CreateConstGEP1_64(ptr, tensors, buffer.index));
        break;
      case Buffer::Space::Gradient:
        return b.CreateSelect(noGradients, gradients, b.CreateConstGEP1_64(b.getInt8Ty(), gradients, offset + buffer.offset));
      }
      return b.CreateConstGEP1_64(b.getInt8Ty(), base, offset);
    };
    BasicBlock *rest = nullptr;
    if (p.constantLaunches && p.constantLaunches < int64_t(p.launches.size())) {
      auto *prepare = BasicBlock::Create(m.getContext(), "prepare", f);
      rest = BasicBlock::Create(m.getContext(), "rest", f);
      Value *prepared = b.CreateLoad(i32, field(offsetof(cnn_call, prepared)), "prepared");
      b.CreateCondBr(b.CreateIsNotNull(prepared), rest, prepare);
      b.SetInsertPoint(prepare);
    }
    size_t nextChain = 0;
    for (size_t i = 0; i < p.launches.size(); ++i) {
      if (rest && int64_t(i) == p.constantLaunches) {
        b.CreateBr(rest);
        b.SetInsertPoint(rest);
      }
      size_t at = 0;
      auto fill = [&](const Launch &l) {
        for (const LaunchArgument &a : l.arguments)
          b.CreateStore(address(a), b.CreateConstGEP1_64(ptr, buffers, at++));
      };
      if (nextChain < p.chains.size() && p.chains[nextChain].first == int64_t(i)) {
        const Chain &c = p.chains[nextChain++];
        for (int64_t l = 0; l < c.launches; ++l) {
          b.CreateStore(b.CreateConstGEP1_64(ptr, buffers, at), b.CreateConstGEP1_64(ptr, lists, l));
          fill(p.launches[c.first + l]);
        }
        b.CreateCall(launchChain, {call, chainTable(p, c, kernels), lists});
        i = c.last();
      } else {
        fill(p.launches[i]);
        b.CreateCall(launch, {call, kernels[i], buffers});
      }
      if (int64_t(i) == p.lossLaunch)
        stopUnlessFinite(f, b.CreateConstGEP1_64(b.getInt8Ty(), arena, p.buffers[p.lossBuffer].offset));
    }
    b.CreateRet(b.getInt32(0));
    auto offsetOf = [&](int64_t buffer) { return b.getInt64(buffer < 0 ? 0 : p.buffers[buffer].offset); };
    return ConstantStruct::get(function, {b.getInt64(p.batch), b.getInt64(p.arenaBytes), b.getInt64(p.localBytes), f, offsetOf(p.logitsBuffer), offsetOf(p.lossBuffer)});
  }

  /// return 1 unless |loss| < inf
  void stopUnlessFinite(Function *f, Value *at) {
    Value *loss = b.CreateLoad(real, at);
    Value *size = b.CreateUnaryIntrinsic(Intrinsic::fabs, loss);
    Value *finite = b.CreateFCmpOLT(size, ConstantFP::getInfinity(real));
    auto *stop = BasicBlock::Create(m.getContext(), "stop", f), *go = BasicBlock::Create(m.getContext(), "go", f);
    b.CreateCondBr(finite, go, stop);
    b.SetInsertPoint(stop);
    b.CreateRet(b.getInt32(1));
    b.SetInsertPoint(go);
  }
};

void setProcessor(Function &f, const Processor &processor) {
  f.addFnAttr("target-cpu", processor.machine->getTargetCPU());
  f.addFnAttr("target-features", processor.machine->getTargetFeatureString());
  if (processor.info.vectorBytes == 64)
    f.addFnAttr("prefer-vector-width", "512");
  f.addFnAttr(Attribute::NoUnwind);
}

/// void name(void *const *buffers, int64_t piece): unpacks the buffers and does what `body` does.
void wrapKernel(Function &body, const Processor &processor) {
  Module &m = *body.getParent();
  std::string name = body.getName().str();
  body.setName(name + "_body");
  body.setLinkage(GlobalValue::InternalLinkage);
  body.addFnAttr(Attribute::AlwaysInline);
  // Arguments in the same place share a buffer of the launch: no two of a kernel overlap.
  for (Argument &a : body.args())
    if (a.getType()->isPointerTy())
      a.addAttr(Attribute::NoAlias);
  IRBuilder<> b(m.getContext());
  Type *ptr = b.getPtrTy();
  Function *run = Function::Create(FunctionType::get(b.getVoidTy(), {ptr, b.getInt64Ty()}, false), GlobalValue::ExternalLinkage, name, m);
  run->setVisibility(GlobalValue::HiddenVisibility);
  setProcessor(*run, processor);
  b.SetInsertPoint(BasicBlock::Create(m.getContext(), "entry", run));
  std::vector<Value *> arguments;
  for (unsigned i = 0; i + 1 < body.arg_size(); ++i)
    arguments.push_back(b.CreateLoad(ptr, b.CreateConstGEP1_64(ptr, run->getArg(0), i)));
  arguments.push_back(run->getArg(1));
  b.CreateCall(&body, arguments);
  b.CreateRetVoid();
}

} // namespace

Expected<std::unique_ptr<Module>> translate(mlir::ModuleOp functions, const Processor &processor, LLVMContext &context) {
  auto module = mlir::translateModuleToLLVMIR(functions, context, "model");
  if (!module)
    return createStringError("the kernels cannot be translated to LLVM IR");
  module->setTargetTriple(processor.machine->getTargetTriple());
  module->setDataLayout(processor.machine->createDataLayout());
  module->setPICLevel(PICLevel::BigPIC);
  std::vector<Function *> defined;
  for (Function &f : *module)
    if (!f.isDeclaration())
      defined.push_back(&f);
  for (Function *f : defined) {
    setProcessor(*f, processor);
    if (f->getName() == "schedule")
      f->setLinkage(GlobalValue::InternalLinkage);
    else
      wrapKernel(*f, processor);
  }
  return module;
}

void addModel(Module &module, const ModelTables &tables, const Processor &processor) { ModelBuilder(module, tables, processor).build(); }

} // namespace cnnc
