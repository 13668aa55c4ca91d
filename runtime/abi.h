/* The contract between generated code and the runtime: C structs and functions, their shapes and units.
 * In: the object file that cnnc makes of a model defines `cnn_the_model`.  Out: the runtime library drives it.
 * Neither side knows anything else of the other. */
#ifndef CNNC_RUNTIME_ABI_H
#define CNNC_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CNN_ABI_VERSION 6u

/* One buffer that a kernel touches. */
typedef struct cnn_buffer_info {
  uint64_t elements;
  uint32_t element_kind; /* one of CNN_F32 ... */
  uint32_t is_output;    /* 1: the kernel writes it */
} cnn_buffer_info;

enum { CNN_F32 = 0, CNN_F64 = 1, CNN_BF16 = 2, CNN_I8 = 3, CNN_I16 = 4, CNN_I32 = 5 };

/* A kernel: a function over `pieces` independent pieces of work.  The cut into pieces depends on shapes alone, never on the
 * number of threads, so results are bitwise the same for any number of threads. A piece takes up to 2 MiB of stack. */
typedef struct cnn_kernel {
  void (*run)(void *const *buffers, int64_t piece); /* buffers: n_buffers pointers, in the order of `buffer_infos` */
  int64_t pieces;
  const char *layer; /* the layer's name in the source, e.g. "basic3.conv1" */
  const char *what;  /* "forward", "backward" or "update", then ':' and the operation, e.g. "backward:conv_filter_grad" */
  uint64_t flops;    /* multiply and add counted as two; 0 where it makes no sense */
  uint64_t bytes;    /* least bytes moved */
  uint32_t n_buffers;
  const cnn_buffer_info *buffer_infos;
} cnn_kernel;

/* What one call of train_step or infer works on.  All memory is the runtime's. Alignment of every pointer: 64 bytes. */
typedef struct cnn_call {
  void *arena;           /* scratch memory of the size that cnn_model states for the function */
  const void *x;         /* (N,H,W,C): channels last, element type of the model, normalised */
  const int32_t *labels; /* (N); train_step alone */
  const int32_t *second_labels; /* (N); read by a train_step whose data block says mixup or cutmix */
  const void *mix;              /* (N), element type of the model: the loss of a sample is mix L(labels) + (1 - mix) L(second_labels) */
  void *const *tensors;  /* one pointer per entry of description["tensors"], in that order; train_step updates them in place */
  uint32_t rng[4];       /* seed low, seed high, step low, step high: the key and counter of dropout */
  double lr;             /* learning rate of this step, the schedule applied */
  double step;           /* 1 for the first step: what Adam's bias correction counts */
  void *runtime;         /* the runtime's own: its thread pool, traces */
  uint32_t prepared;     /* infer, infer_one: 1 where the last call with this arena was of the same function and no tensor has changed since:
                            what depends on tensors alone (transformed and packed filters) still stands there and is not made again */
  void *gradients;       /* train_step: gradient_bytes of memory for the gradients that are not in the arena, since the kernels that make them
                            update their parameters too; null: nobody wants them */
} cnn_call;

/* Runs every piece of the kernel and returns when all are done.  Called by generated code; defined by the runtime. */
void cnn_rt_launch(const cnn_call *call, const cnn_kernel *kernel, void *const *buffers);

/* Kernels that run unit by unit: unit u is, of each in turn, the pieces u * pieces_of_unit[k] and on, as many as there are of
 * pieces_of_unit[k]. units_of_stripe units that follow each other are a stripe: their pieces run in order, for some kernels add to what the pieces
 * before have left. Stripes are independent of each other, so they may run at the same time. Without local maps, one kernel behind the other gives
 * the same bits. */
typedef struct cnn_chain {
  int64_t units;
  int64_t units_of_stripe;    /* 0: no kernel has an order, all pieces of one are independent */
  uint32_t n_kernels;
  const cnn_kernel *const *kernels;
  const int64_t *pieces_of_unit;
  const int64_t *local_bytes; /* null: no map is local. Else one entry for each buffer of each kernel, one behind the other: 0, or how many bytes a
                                 unit has of a map that lives from its making to its last reading within the unit. Such a map has no place of its own:
                                 the buffer is where a unit's part of it stands in the first thread's part of cnn_function.local_bytes */
  uint64_t local_stride;      /* cnn_function.local_bytes */
} cnn_chain;

/* Runs every unit of the chain and returns when all are done; buffers[k]: the buffers of kernel k. */
void cnn_rt_chain(const cnn_call *call, const cnn_chain *chain, void *const *const *buffers);

typedef struct cnn_function {
  int64_t batch;        /* N, compiled in */
  uint64_t arena_bytes; /* scratch memory needed */
  uint64_t local_bytes; /* and so much more for each thread, behind it */
  /* Returns 0; or 1 when the loss of train_step is not finite: then no tensor has been updated. */
  int32_t (*run)(const cnn_call *call);
  uint64_t logits_offset; /* where in the arena the logits (N,K), element type of the model, stand after the call */
  uint64_t loss_offset;   /* train_step: where the mean loss (one element) stands */
} cnn_function;

#define CNN_APART (UINT64_C(1) << 63)

/* A program may carry a model for several levels of processors: cnn_the_model, the most demanding, leads to the others. They share the
 * description, and so the tensors and their storage; arenas, pieces and rounding are each one's own. */
typedef struct cnn_model {
  uint32_t abi_version;
  uint32_t element_kind;
  const char *description; /* JSON, see below; not null-terminated */
  uint64_t description_size;
  cnn_function train_step;  /* batch = description["batch"]; all zero in a program of --inference */
  cnn_function infer;       /* a batch of the training size */
  cnn_function infer_one;   /* batch = 1 */
  const uint64_t *gradient_offsets; /* one per entry of description["tensors"]: where in train_step's arena its gradient (before
                                       clipping, in the tensor's storage layout) stands after the call; with CNN_APART set, where
                                       in cnn_call.gradients; UINT64_MAX: it has none */
  uint64_t gradient_bytes;          /* of cnn_call.gradients */
  double (*schedule)(double epoch, double epochs); /* the factor of lr: epoch is a real number, counted from 0 */
  /* This processor must have the features that the code was compiled for: returns 0, or 1 if it lacks one. */
  const char *cpu;          /* as given to --mcpu, resolved: e.g. "znver4" */
  const char *cpu_features; /* comma separated x86 features that the code uses and cpuid must show, e.g. "avx512f,avx512bw" */
  const struct cnn_model *next; /* the next less demanding level, or null */
} cnn_model;

extern const cnn_model cnn_the_model;

/* description, JSON:
 * {
 *   "name": "lenet", "source_file": "lenet.cnn", "compiler": "cnnc 0.1.0", "hash": "<hash of the definition, hex>", "source": "<text>",
 *   "precision": "f32", "batch": 128, "target": "cpu", "cpu": "znver4", (of several levels: "x86-64-v4+x86-64-v3")
 *   "input": [1, 28, 28],                 channels, height, width
 *   "classes": 10, "seed": 1,
 *   "layers": [{"name": "conv1", "kind": "conv", "output": [32,28,28], "formula": "(28 - 5 + 2*2)/1 + 1 = 28",
 *               "parameters": 832, "macs": 627200, "flat": false,
 *               "inputs": [0],           indices of the layers before it whose outputs it takes
 *               "attributes": {"op": "conv", "kernel": [5,5], "stride": [1,1], "dilation": [1,1], "pads": [2,2,2,2], "groups": 1,
 *                              "weight": "conv1.weight", "bias": "conv1.bias"}}, ...],
 *       op, whatever word the source used, and its attributes (sizes are [h, w], pads [top, left, bottom, right], tensors by name or null):
 *         input flatten softmax add concat gate global_avgpool global_maxpool: none; gate: input 1 is one factor a channel of input 0
 *         conv: as above;  dense: weight, bias;  prelu: weight;  dropout: p, spatial
 *         maxpool avgpool: kernel, stride, pads, ceil_extra (rows and columns below and right, never counted), count_pad
 *         batchnorm: eps, momentum, weight, bias, running_mean, running_var;  groupnorm: groups, eps, weight, bias
 *         layernorm: eps, weight, bias;  lrn: size, alpha, beta, k
 *         activation: name, expression: a number, "x", or ["operator", expression...] with the operators of ScalarExpr and "select"
 *   "tensors": [{"name": "conv1.weight", "kind": "weight", "shape": [32,1,5,5],
 *                "storage": {"layout": "filter", "block": 32},
 *                "init": {"kind": "he_normal", "fan_in": 25, "fan_out": 800, "args": []}, "of": ""}, ...],
 *       kind: "weight" | "bias" | "running_mean" | "running_var" | "state"
 *       Parameters and statistics first, in the order in which the source creates them; then optimiser states,
 *       each "state" with "of": its parameter's name, and "name": "<parameter>.<state>".
 *       storage.layout: "plain" (row-major as shape) or
 *         "filter": OIHW stored as [O/block][KH][KW][I][block], block divides O (I is channels per group).
 *       A state has its parameter's storage.
 *       init.kind: he_normal he_uniform xavier_normal xavier_uniform lecun_normal orthogonal normal(std) uniform(a)
 *         zeros ones constant(c); args: the numbers in parentheses.
 *   "folded": [{"filter": "conv1.weight", "bias": "" or "conv1.bias", "scale": "batchnorm1.weight", "shift": "batchnorm1.bias",
 *               "mean": "batchnorm1.running_mean", "variance": "batchnorm1.running_var", "eps": 1e-5}, ...],
 *       of a program of --inference, whose code takes filter * f as filter and shift + (bias - mean) * f as shift, f = scale / sqrt(variance + eps)
 *   "data": {"root": "...", "train": {"reader": "idx", "files": [..]}, "test": {...}, "val": {"split": 0.1} | {"reader":..} | null,
 *            "class_names": [...],
 *            "normalize": "auto" | {"mean": [..], "std": [..]} | null, "augment": [{"name": "hflip", "args": []}, ...]} | null,
 *   "train": {"epochs": 10, "optimizer": {"name": "sgd", "lr": 0.05, "args": {...}}, "schedule": "cosine",
 *             "loss": {"kind": "cross_entropy", "smoothing": 0.0, "weights": [..one a class, or none], "args": {"delta": 1.0}},
 *             "keep": {"metric": "val.accuracy", "best": "max"} | null,
 *             "stop": {"metric": "val.loss", "epochs": 5} | null, "seed": 1,
 *             "load": [{"file": "stem.safetensors", "for": "stem" | "", "at": "lenet.cnn:20:8"}, ...], "freeze": ["stem", "basic1.conv1"],
 *             "plateau": {"metric": "val.loss", "best": "min", "factor": 0.1, "patience": 10, "cooldown": 0, "threshold": 1e-4, "floor": 0}}
 *       load, freeze, where there are some: weights that a run begins with, later ones win, and scopes of tensors that stay as they are;
 *         a scope is the name of a tensor, or what stands in front of one of the dots in it.  They are no part of the hash
 *       plateau, where there is one: on top of the schedule, by PyTorch's ReduceLROnPlateau; floor bounds the factors' product
 * }
 */

#ifdef __cplusplus
}
#endif
#endif
