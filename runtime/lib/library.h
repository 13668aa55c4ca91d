/* NETWORK as a library: create, load, train, predict, save.  Made by cnnc --emit=lib; C and C++.
 * Pictures are x: float (N, CNN_LIB_CHANNELS, CNN_LIB_HEIGHT, CNN_LIB_WIDTH), values in 0..1 (a byte / 255), normalised inside.
 * Every function that can fail returns a code below; cnn_lib_last_error() has the sentence.  Nothing is printed, no process is ended.
 * Models know nothing of each other; one model may be used from several threads, whose calls take turns.
 * Link libNAME.so, or libNAME.a with -lstdc++ -lm -lpthread. */
#ifndef CNN_LIB_H
#define CNN_LIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CNN_LIB_OK = 0,
  CNN_LIB_RUN_FAILED = 1, /* a loss that is not finite, no memory */
  CNN_LIB_USAGE = 2,      /* an argument that makes no sense */
  CNN_LIB_BAD_DATA = 3,   /* a label out of range */
  CNN_LIB_BAD_MODEL = 4,  /* a checkpoint that is damaged or of another network; a processor that lacks a feature */
  CNN_LIB_IO = 5          /* cannot write */
};

enum {
  CNN_LIB_CHANNELS = 0,
  CNN_LIB_HEIGHT = 0,
  CNN_LIB_WIDTH = 0,
  CNN_LIB_CLASSES = 0,
  CNN_LIB_BATCH = 0 /* samples of a training step; prediction takes any number */
};

typedef struct cnn_lib_model cnn_lib_model;

/* The numbers above, for callers that cannot read this file: channels, height, width, classes, batch. */
void cnn_lib_sizes(int64_t sizes[5]);

/* A model with initial weights drawn from the seed.  After a failure *model is null, or answers cnn_lib_last_error() and cnn_lib_destroy() alone.
 * threads: 0 for one on each core that the process may use. */
int cnn_lib_create(cnn_lib_model **model, int threads, uint64_t seed);
/* Null is allowed. */
void cnn_lib_destroy(cnn_lib_model *model);

/* The sentence of the model's last failure, cut to size and null-terminated; its whole length without the null. */
size_t cnn_lib_last_error(cnn_lib_model *model, char *text, size_t size);

/* v -> (v - mean) / std, CNN_LIB_CHANNELS numbers each; in force until the next call of this or of load.
 * At first: what the network's data block states, else none. */
int cnn_lib_set_normalization(cnn_lib_model *model, const double *mean, const double *std);

/* Weights and running statistics, and where the file has them the optimiser's states, the position and the normalisation; a safetensors file
 * of the trainer, of this library or of PyTorch.  After a failure the model is as it was. */
int cnn_lib_load(cnn_lib_model *model, const char *path);
/* The file appears whole or not at all. */
int cnn_lib_save(cnn_lib_model *model, const char *path);

/* One step on CNN_LIB_BATCH samples; labels in 0..CNN_LIB_CLASSES-1.  loss: the mean over them, or null.
 * Where it is not finite nothing is updated and CNN_LIB_RUN_FAILED returned.  What the train block freezes stays as create or load has left it;
 * the files that it loads are the trainer's: here cnn_lib_load takes what there is to take. */
int cnn_lib_train_step(cnn_lib_model *model, const float *x, const int32_t *labels, double learning_rate, double *loss);
/* What the train block says at this time, in epochs from 0, of a run of so many. */
double cnn_lib_learning_rate(const cnn_lib_model *model, double epoch, double epochs);

/* probabilities: (n, CNN_LIB_CLASSES). */
int cnn_lib_predict(cnn_lib_model *model, const float *x, int64_t n, float *probabilities);

/* The name of a class; lives as long as the model.  Null out of range. */
const char *cnn_lib_class_name(const cnn_lib_model *model, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
