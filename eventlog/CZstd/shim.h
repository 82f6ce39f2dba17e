#include <zstd.h>
// For the training of a dictionary with parameters that are given.
#define ZDICT_STATIC_LINKING_ONLY
#include <zdict.h>
#include <zstd_errors.h>
