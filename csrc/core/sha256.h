/* sha256.h: SHA-256 (FIPS 180-4) and HMAC with it (FIPS 198-1), for the proofs of a bridge. */
#ifndef UERL_SHA256_H
#define UERL_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { UERL_SHA256_BYTES = 32, UERL_SHA256_BLOCK_BYTES = 64 };

struct uerl_sha256 {
    uint32_t state[8];
    uint64_t bytes; /* so far */
    uint8_t block[UERL_SHA256_BLOCK_BYTES];
};

void uerl_sha256_begin(struct uerl_sha256 *hash);
void uerl_sha256_add(struct uerl_sha256 *hash, const void *data, size_t bytes);
void uerl_sha256_end(struct uerl_sha256 *hash, uint8_t digest[UERL_SHA256_BYTES]);

/* HMAC over several parts: begin with the key, add them, end with the same key. */
void uerl_hmac_begin(struct uerl_sha256 *hash, const void *key, size_t key_bytes);
void uerl_hmac_end(struct uerl_sha256 *hash, const void *key, size_t key_bytes,
                   uint8_t digest[UERL_SHA256_BYTES]);

#endif
