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
    Local,  ///< a map of a chain that lives within each unit: a unit's part of it in the memory of the thread that runs the unit
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
  int64_t offset = 0;           ///< in the arena, in a thread's local memory or in cnn_call::gradients, after planning
  int64_t unitBytes = 0;        ///< Local: of a unit's part
  int64_t renews = -1;          ///< what another launch has made once already: that buffer
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
  int64_t piecesOfStripe = 0; ///< so many pieces that follow each other add to the same sums, in order; 0: pieces are independent
  bool isPacking = false;     ///< brings its first argument into another form, the last one, for the launch that reads that
  bool mayRenew = false;      ///< a cheap elementwise program: to run it again costs less than to store what it makes
  uint64_t cachedBytes = 0; ///< of `bytes`, what an earlier launch of the chain has left in the caches
};

/// Launches that run unit by unit: all of them over a few images, then over the next few, so that what one hands to another is still in the
/// caches. Stripes of units are independent of each other.
struct Chain {
  int64_t first = 0, launches = 0; ///< in Program::launches
  int64_t units = 0;
  int64_t imagesOfUnit = 1;
  int64_t unitsOfStripe = 0; ///< so many run in order; 0: pieces have no order
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
  int64_t localBytes = 0; ///< of each thread
  int64_t memoryOn(int64_t threads) const { return arenaBytes + threads * localBytes; }
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
/// Maps that only one chain touches become local to its units; where running an elementwise program again makes two local maps of one that is stored
/// from the forward pass for the backward one, it runs again. `cacheBytes`: what a unit may touch; 0: launches whose pieces have an order alone.
void formChains(Program &program, int64_t cacheBytes);
/// Takes the chains apart again, and what they have made twice; the launches keep their order. Not to be run without formChains() behind it.
void dissolveChains(Program &program);

/// So many pieces of a launch cover so many images, a power of two; nothing where pieces are not cut so.
struct Granule {
  int64_t images, pieces;
};
std::optional<Granule> granuleOf(const Launch &l);
/// Bytes of the buffer that an argument covers.
int64_t bytesOf(const LaunchArgument &a);

/// Launches that may run again in the backward pass, so that what they make is stored nowhere in between.
struct Renewal {
  size_t launch; ///< the first one, by number
  int64_t buffer;
  size_t place;  ///< in front of this launch
};
std::vector<Renewal> findRenewals(const Program &program);
/// Lets them run again: launches and buffers are added.
void renew(Program &program, const std::vector<Renewal> &renewals);
/// Gives local maps to chains. What they move stays in the caches.
void makeLocal(Program &program);

/// Gives every arena buffer its offset: intervals of launches that overlap never share bytes. Greedy by size (Pisarchyk, Lee 2020).
/// Buffers of gradients stand one behind the other.
void planMemory(Program &program);

/// Inlines cheap elementwise producers into their consumers, on linalg.
void fuseElementwise(mlir::Operation *function);

/// Stores feature maps and their gradients as bf16, on fused linalg of f32.
void narrowStorage(mlir::Operation *function);

} // namespace cnnc
