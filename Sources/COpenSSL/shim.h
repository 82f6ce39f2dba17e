// The SHA256_* and SHA1_* functions on a state of the caller's own are deprecated in 3.0, and are
// what the Crypto wrapper hashes with: see Sources/Crypto/decisions/0001-hash-states-as-values.md.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

// A macro over a variadic function, which Swift does not import.
static inline EVP_PKEY *daybook_p256_generate(void) { return EVP_EC_gen("P-256"); }
