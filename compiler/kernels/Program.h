// Program: a compiled function as a straight line of kernel launches over planned memory.
// In: made by lowerToKernels.  Out: read by codegen (which writes the launch code and the tables of runtime/abi.h).
#pragma once

#include "compiler/target/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cnnc {

/// Where a buffer lives. Offsets are in bytes.
struct Buffer {
  enum class Space {
    Arena,  ///< planned memory
    Input,  ///< cnn_call::x
    Labels, ///< cnn_call::labels
    SecondLabels, Mix, ///< cnn_call::second_labels, mix
    Rng,    ///< cnn_call::rng
    Tensor, ///< cnn_call::tensors[index]
    Lr, Step, ///< scalars of cnn_call, converted to the element type and put into the arena by the program's prologue
    Gradient ///< cnn_call::gradients: written where the caller wants it
  };
  Space space = Space::Arena;
  int64_t index = 0;
  int64_t bytes = 0;
  int64_t offset = 0;           ///< in the arena or in cnn_call::gradients, after planning
  int64_t firstUse = -1, lastUse = -1; ///< numbers of launches; lastUse = INT64_MAX: alive at the end
};

/// One argument of a launch: a buffer and an offset into it.
struct LaunchArgument {
  int64_t buffer = 0;
  int64_t byteOffset = 0;
  int64_t elements = 0;
  uint32_t elementKind = 0; ///< CNN_F32 ... of runtime/abi.h
  bool isOutput = false;
  bool byImage = false; ///< a piece touches what belongs to its own images alone
};

struct Launch {
  std::string kernel; ///< symbol of the kernel function
  int64_t pieces = 1;
  std::string layer, what;
  uint64_t flops = 0, bytes = 0;
  std::vector<LaunchArgument> arguments;
  int64_t images = 0;       ///< pieces are cut as ImageCut says, of so many images; 0: otherwise
  int64_t piecesOfUnit = 0; ///< in a chain
  uint64_t cachedBytes = 0; ///< of `bytes`, what an earlier launch of the chain has left in the caches
};

/// Launches that run unit by unit: all of them over a few images, then over the next few, so that what one hands to another is still in the
/// caches. Units are independent of each other.
struct Chain {
  int64_t first = 0, launches = 0; ///< in Program::launches
  int64_t units = 0;
  int64_t last() const { return first + launches - 1; }
};

struct Program {
  std::string name; ///< "train_step", "predict", "predict_one"
  int64_t batch = 0;
  std::vector<Buffer> buffers;
  std::vector<Launch> launches;
  std::vector<Chain> chains; ///< in order
  int64_t constantLaunches = 0; ///< the first ones: they depend on the model's tensors alone, and what they make stays
  int64_t arenaBytes = 0, gradientBytes = 0;
  int64_t logitsBuffer = -1, lossBuffer = -1;
  int64_t lossLaunch = -1;              ///< after this launch the loss is known: stop there unless it is finite
  std::vector<int64_t> gradientBuffers; ///< one a tensor; -1: none
};

/// A kernel, made once: equal work is compiled once, in one program or across several.
struct MadeKernel {
  std::string symbol; ///< of its function in the kernels module
  int64_t pieces = 1;
  bool isStored = false; ///< its object is known from an earlier compilation: there is no function
};

/// One buffer of a kernel.
struct KernelArgument {
  mlir::Type element;
  int64_t elements;
};

/// A kernel that could be made with other tiles.
struct KernelTrial {
  llvm::StringRef family, key;
  llvm::ArrayRef<KernelArgument> buffers;
  /// Appends the kernel to a module, with the choice's tiles. Returns the pieces.
  llvm::function_ref<int64_t(mlir::ModuleOp, llvm::StringRef symbol, const TileChoice &)> build;
};

/// The kernels that have been made, by a text that determines them.
struct KernelCache {
  llvm::StringMap<MadeKernel> made;
  /// The symbol of a kernel. Empty: its family and a number.
  std::function<std::string(llvm::StringRef key)> symbolOf;
  /// The tiles of a kernel. Empty: by rule.
  std::function<TileChoice(const KernelTrial &)> choose;
  /// The number of pieces of a kernel whose object is known already. May be empty.
  std::function<std::optional<int64_t>(llvm::StringRef key)> stored;
};

/// Lowers one function of linalg on tensors to kernel functions (func, scf, vector, memref), appended to `kernels`, and its launches.
/// Returns failure after having emitted an error for an operation that has no kernel.
mlir::FailureOr<Program> lowerToKernels(mlir::Operation *function, mlir::ModuleOp kernels, KernelCache &cache, const TargetInfo &target);

/// Moves what depends on the model's tensors alone, and is written by nothing else, to the front. For functions that change no tensor.
void hoistConstants(Program &program);

/// Finds chains, moves what stands between their launches in front of them or behind, and lets their buffers live through the whole chain.
/// `cacheBytes`: what a unit may touch.
void formChains(Program &program, int64_t cacheBytes);
/// Takes the chains apart again; the launches keep their order.
void dissolveChains(Program &program);

/// Gives every arena buffer its offset: intervals of launches that overlap never share bytes. Greedy by size (Pisarchyk, Lee 2020).
/// Buffers of gradients stand one behind the other.
void planMemory(Program &program);

/// Inlines cheap elementwise producers into their consumers, on linalg.
void fuseElementwise(mlir::Operation *function);

/// Stores feature maps and their gradients as bf16, on fused linalg of f32.
void narrowStorage(mlir::Operation *function);

} // namespace cnnc
