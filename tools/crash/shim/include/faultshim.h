/* Nothing to call: the library is preloaded. See shim.c. */
