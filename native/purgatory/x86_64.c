// What runs between two kernels with --verify-in-purgatory, on x86_64: hashes what was loaded, where it lies now, and
// returns when it is what was loaded. Else it says so on the first serial port and stops the machine: a kernel or an
// initrd that something has written over does harm.
//
// It runs where it is put (position-independent), in long mode, on page tables that map memory to itself, on the
// trampoline's stack, without interrupts, SSE or anyone to call. scripts/build-purgatory.mjs makes
// src/engine/layout/x86_64/verification-code.ts of it.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct range {
  const u8* address;
  u64 length;
};

// As src/engine/layout/x86_64/verification.ts writes it.
struct table {
  u8 digest[32];
  u64 count;
  struct range ranges[];
};

struct sha256 {
  u32 state[8];
  u64 length;
  u8 block[64];
};

// FIPS 180-4, section 4.2.2.
static const u32 constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline u32 rotate(u32 word, int bits) { return word >> bits | word << (32 - bits); }

// One block: FIPS 180-4, section 6.2.2. The schedule is kept for 16 words only.
static void digest_block(u32 state[8], const u8* block) {
  u32 words[16];
  u32 a = state[0];
  u32 b = state[1];
  u32 c = state[2];
  u32 d = state[3];
  u32 e = state[4];
  u32 f = state[5];
  u32 g = state[6];
  u32 h = state[7];
  for (int round = 0; round < 64; round++) {
    u32 word = 0;
    if (round < 16) {
      word = __builtin_bswap32(((const u32*)block)[round]);
    } else {
      u32 w1 = words[(round + 1) & 15];
      u32 w14 = words[(round + 14) & 15];
      u32 s0 = rotate(w1, 7) ^ rotate(w1, 18) ^ w1 >> 3;
      u32 s1 = rotate(w14, 17) ^ rotate(w14, 19) ^ w14 >> 10;
      word = words[round & 15] + s0 + words[(round + 9) & 15] + s1;
    }
    words[round & 15] = word;
    u32 choice = (e & f) ^ (~e & g);
    u32 majority = (a & b) ^ (a & c) ^ (b & c);
    u32 t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + constants[round] + word;
    u32 t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// Segments begin in the middle of a block when the one before did not fill it.
static void add(struct sha256* sha, const u8* bytes, u64 length) {
  for (u64 filled = sha->length & 63; length > 0 && filled > 0; length--) {
    sha->block[filled] = *bytes++;
    sha->length++;
    filled = sha->length & 63;
    if (filled == 0) digest_block(sha->state, sha->block);
  }
  for (; length >= 64; length -= 64, bytes += 64, sha->length += 64) digest_block(sha->state, bytes);
  for (; length > 0; length--, sha->length++) sha->block[sha->length & 63] = *bytes++;
}

static void finish(struct sha256* sha, u8 digest[32]) {
  u64 bits = sha->length * 8;
  u8 byte = 0x80;
  do {
    add(sha, &byte, 1);
    byte = 0;
  } while ((sha->length & 63) != 56);
  for (int shift = 56; shift >= 0; shift -= 8) {
    byte = (u8)(bits >> shift);
    add(sha, &byte, 1);
  }
  for (int at = 0; at < 32; at++) digest[at] = (u8)(sha->state[at / 4] >> (24 - 8 * (at % 4)));
}

static inline u8 in(unsigned short port) {
  u8 value = 0;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void out(unsigned short port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }

// The first serial port as the old kernel left it. Where there is none, nobody waits.
static void say(const char* text) {
  const unsigned short port = 0x3f8;
  for (; *text != 0; text++) {
    for (int tries = 0; tries < 1000000 && (in(port + 5) & 0x20) == 0; tries++) {
    }
    out(port, (u8)*text);
  }
}

__attribute__((section(".text.entry"), used)) void verify(const struct table* table) {
  struct sha256 sha = {.length = 0};
  // FIPS 180-4, section 5.3.3.
  sha.state[0] = 0x6a09e667, sha.state[1] = 0xbb67ae85, sha.state[2] = 0x3c6ef372, sha.state[3] = 0xa54ff53a;
  sha.state[4] = 0x510e527f, sha.state[5] = 0x9b05688c, sha.state[6] = 0x1f83d9ab, sha.state[7] = 0x5be0cd19;
  for (u64 at = 0; at < table->count; at++) add(&sha, table->ranges[at].address, table->ranges[at].length);
  u8 digest[32];
  finish(&sha, digest);
  u8 difference = 0;
  for (int at = 0; at < 32; at++) difference |= digest[at] ^ table->digest[at];
  if (difference == 0) return;
  say("\r\nlinux-kexec: what was loaded was overwritten in memory (SHA-256); the new kernel is not started, the "
      "machine "
      "stops here.\r\n");
  for (;;) __asm__ volatile("cli; hlt");
}
