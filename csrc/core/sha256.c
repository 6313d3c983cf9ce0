/* sha256.c: SHA-256 as FIPS 180-4 writes it down, and HMAC as FIPS 198-1 does; portable. */
#include "sha256.h"

#include <string.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
 */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, unsigned count)
{
    return word >> count | word << (32 - count);
}

static void expand(uint32_t words[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + words[i - 7] +
                   (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
    }
}

static void take_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t words[64], s[8];
    expand(words, block);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        const uint32_t e = turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25);
        const uint32_t chosen = (s[4] & s[5]) ^ (~s[4] & s[6]);
        const uint32_t first = s[7] + e + chosen + constants[i] + words[i];
        const uint32_t a = turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22);
        const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + a + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void uerl_sha256_begin(struct uerl_sha256 *hash)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, first, sizeof first);
    hash->bytes = 0;
}

void uerl_sha256_add(struct uerl_sha256 *hash, const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < bytes; i++) {
        hash->block[hash->bytes++ % UERL_SHA256_BLOCK_BYTES] = byte[i];
        if (hash->bytes % UERL_SHA256_BLOCK_BYTES == 0)
            take_block(hash->state, hash->block);
    }
}

void uerl_sha256_end(struct uerl_sha256 *hash, uint8_t digest[UERL_SHA256_BYTES])
{
    const uint64_t bits = hash->bytes * 8;
    uint8_t mark = 0x80, length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    uerl_sha256_add(hash, &mark, 1);
    for (mark = 0; hash->bytes % UERL_SHA256_BLOCK_BYTES != 56;)
        uerl_sha256_add(hash, &mark, 1);
    uerl_sha256_add(hash, length, sizeof length);
    for (int i = 0; i < UERL_SHA256_BYTES; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

static void add_key(struct uerl_sha256 *hash, const void *key, size_t key_bytes, uint8_t pad)
{
    uint8_t block[UERL_SHA256_BLOCK_BYTES] = {0};
    if (key_bytes > sizeof block) {
        uerl_sha256_begin(hash);
        uerl_sha256_add(hash, key, key_bytes);
        uerl_sha256_end(hash, block);
    } else {
        memcpy(block, key, key_bytes);
    }
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= pad;
    uerl_sha256_begin(hash);
    uerl_sha256_add(hash, block, sizeof block);
}

void uerl_hmac_begin(struct uerl_sha256 *hash, const void *key, size_t key_bytes)
{
    add_key(hash, key, key_bytes, 0x36);
}

void uerl_hmac_end(struct uerl_sha256 *hash, const void *key, size_t key_bytes,
                   uint8_t digest[UERL_SHA256_BYTES])
{
    uint8_t inner[UERL_SHA256_BYTES];
    uerl_sha256_end(hash, inner);
    add_key(hash, key, key_bytes, 0x5c);
    uerl_sha256_add(hash, inner, sizeof inner);
    uerl_sha256_end(hash, digest);
}
