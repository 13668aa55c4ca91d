// The launch code and tables around the kernels, as LLVM IR.
// In: kernels in the LLVM dialect, programs.  Out: a module that defines cnn_the_model (runtime/abi.h).
#include "compiler/codegen/Codegen.h"
#include "runtime/abi.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
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
    function = StructType::create({i64, i64, ptr, i64, i64}, "cnn_function");
    model = StructType::create({i32, i32, ptr, i64, function, function, function, ptr, ptr, ptr, ptr}, "cnn_model");
    launch = m.getOrInsertFunction("cnn_rt_launch", FunctionType::get(b.getVoidTy(), {ptr, ptr, ptr}, false));
  }

  void build() {
    for (Function &f : m)
      if (!f.isDeclaration())
        prepareKernel(f);
    std::vector<Constant *> gradients;
    for (int64_t buffer : t.trainStep.gradientBuffers)
      gradients.push_back(b.getInt64(buffer < 0 ? UINT64_MAX : t.trainStep.buffers[buffer].offset));
    Constant *schedule = m.getFunction("schedule");
    Constant *trainStep = t.trainStep.launches.empty() ? ConstantAggregateZero::get(function) : program(t.trainStep); // none: inference alone
    auto *value = ConstantStruct::get(
        model, {b.getInt32(CNN_ABI_VERSION), b.getInt32(t.isF64 ? CNN_F64 : CNN_F32), text(t.description), b.getInt64(t.description.size()),
                trainStep, program(t.predict), program(t.predictOne), array(i64, gradients), schedule, text(processor.cpu),
                text(processor.features)});
    new GlobalVariable(m, model, true, GlobalValue::ExternalLinkage, value, "cnn_the_model");
  }

private:
  Module &m;
  const ModelTables &t;
  const Processor &processor;
  IRBuilder<> b;
  PointerType *ptr;
  Type *i32, *i64, *real;
  StructType *bufferInfo, *kernel, *function, *model;
  FunctionCallee launch;
  std::map<std::string, Function *> runs;
  std::map<std::string, Constant *> texts;

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

  /// Kernels do not share buffers between arguments: see launch() in LowerToKernels.
  void prepareKernel(Function &f) {
    f.addFnAttr("target-cpu", processor.machine->getTargetCPU());
    f.addFnAttr("target-features", processor.machine->getTargetFeatureString());
    if (processor.info.vectorBytes == 64)
      f.addFnAttr("prefer-vector-width", "512");
    f.addFnAttr(Attribute::NoUnwind);
    f.setLinkage(GlobalValue::InternalLinkage);
    for (Argument &a : f.args())
      if (a.getType()->isPointerTy()) {
        a.addAttr(Attribute::NoAlias);
        a.addAttr(Attribute::getWithAlignment(m.getContext(), Align(64)));
      }
  }

  /// void run(void *const *buffers, int64_t piece): unpacks the buffers.
  Function *runOf(const std::string &name) {
    Function *&run = runs[name];
    if (run)
      return run;
    Function *body = m.getFunction(name);
    // Argument pointers can point into a buffer: only what has been planned at offset 0 of a line is aligned.
    for (Argument &a : body->args())
      if (a.getType()->isPointerTy())
        a.removeAttr(Attribute::Alignment);
    body->addFnAttr(Attribute::AlwaysInline);
    run = Function::Create(FunctionType::get(b.getVoidTy(), {ptr, i64}, false), GlobalValue::InternalLinkage, name + "_run", m);
    run->addFnAttr("target-cpu", processor.machine->getTargetCPU());
    run->addFnAttr("target-features", processor.machine->getTargetFeatureString());
    if (processor.info.vectorBytes == 64)
      run->addFnAttr("prefer-vector-width", "512");
    run->addFnAttr(Attribute::NoUnwind);
    b.SetInsertPoint(BasicBlock::Create(m.getContext(), "entry", run));
    std::vector<Value *> arguments;
    for (unsigned i = 0; i + 1 < body->arg_size(); ++i)
      arguments.push_back(b.CreateLoad(ptr, b.CreateConstGEP1_64(ptr, run->getArg(0), i)));
    arguments.push_back(run->getArg(1));
    b.CreateCall(body, arguments);
    b.CreateRetVoid();
    return run;
  }

  Constant *kernelTable(const Launch &l) {
    std::vector<Constant *> infos;
    for (const LaunchArgument &a : l.arguments)
      infos.push_back(ConstantStruct::get(bufferInfo, {b.getInt64(a.elements), b.getInt32(a.elementKind), b.getInt32(a.isOutput)}));
    auto *value = ConstantStruct::get(kernel, {runOf(l.kernel), b.getInt64(l.pieces), text(l.layer), text(l.what), b.getInt64(l.flops),
                                               b.getInt64(l.bytes), b.getInt32(l.arguments.size()), array(bufferInfo, infos)});
    return new GlobalVariable(m, kernel, true, GlobalValue::PrivateLinkage, value, "kernel");
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
    size_t most = 1;
    for (const Launch &l : p.launches)
      most = std::max(most, l.arguments.size());
    Value *buffers = b.CreateAlloca(ArrayType::get(ptr, most), nullptr, "buffers");
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
      }
      return b.CreateConstGEP1_64(b.getInt8Ty(), base, offset);
    };
    for (size_t i = 0; i < p.launches.size(); ++i) {
      const Launch &l = p.launches[i];
      for (size_t a = 0; a < l.arguments.size(); ++a)
        b.CreateStore(address(l.arguments[a]), b.CreateConstGEP1_64(ptr, buffers, a));
      b.CreateCall(launch, {call, kernels[i], buffers});
      if (int64_t(i) == p.lossLaunch)
        stopUnlessFinite(f, b.CreateConstGEP1_64(b.getInt8Ty(), arena, p.buffers[p.lossBuffer].offset));
    }
    b.CreateRet(b.getInt32(0));
    auto offsetOf = [&](int64_t buffer) { return b.getInt64(buffer < 0 ? 0 : p.buffers[buffer].offset); };
    return ConstantStruct::get(function, {b.getInt64(p.batch), b.getInt64(p.arenaBytes), f, offsetOf(p.logitsBuffer), offsetOf(p.lossBuffer)});
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

} // namespace

Expected<std::unique_ptr<Module>> makeModel(mlir::ModuleOp kernels, const ModelTables &tables, const Processor &processor,
                                            LLVMContext &context) {
  mlir::registerBuiltinDialectTranslation(*kernels.getContext());
  mlir::registerLLVMDialectTranslation(*kernels.getContext());
  auto module = mlir::translateModuleToLLVMIR(kernels, context, "model");
  if (!module)
    return createStringError("the kernels cannot be translated to LLVM IR");
  module->setTargetTriple(processor.machine->getTargetTriple());
  module->setDataLayout(processor.machine->createDataLayout());
  module->setPICLevel(PICLevel::BigPIC);
  ModelBuilder(*module, tables, processor).build();
  return module;
}

} // namespace cnnc
