// Lowered to ES5 for the plugin's front as well. In Node, `node:crypto` is faster; the test compares the two.

/** Digits of the fractional part of a root of a prime, as FIPS 180-4 takes its constants. */
function fraction(root: number): number {
  return ((root - Math.floor(root)) * 4294967296) | 0;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** The SHA-256 of an ASCII text as 64 hex digits (FIPS 180-4). Characters above 127 are not supported. */
export function sha256Ascii(text: string): string {
  const state: number[] = [];
  const constants: number[] = [];
  for (let candidate = 2; constants.length < 64; candidate++) {
    let prime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
      if (candidate % divisor === 0) prime = false;
    }
    if (!prime) continue;
    if (state.length < 8) state.push(fraction(Math.sqrt(candidate)));
    constants.push(fraction(cubeRoot(candidate)));
  }

  const words: number[] = [];
  const blocks = ((text.length + 8) >> 6) + 1;
  for (let i = 0; i < blocks * 16; i++) words.push(0);
  for (let i = 0; i <= text.length; i++) {
    const byte = i < text.length ? text.charCodeAt(i) & 127 : 128;
    words[i >> 2] = (words[i >> 2] as number) | (byte << (24 - (i & 3) * 8));
  }
  words[blocks * 16 - 1] = text.length * 8;

  for (let block = 0; block < blocks; block++)
    compress(state, constants, words.slice(block * 16, block * 16 + 16));

  let hex = '';
  for (let i = 0; i < 8; i++) {
    hex += `0000000${((state[i] as number) >>> 0).toString(16)}`.slice(-8);
  }
  return hex;
}

/** Exact enough for the 32 bits that are taken: Newton's step on the library's approximation. */
function cubeRoot(value: number): number {
  const guess = value ** (1 / 3);
  return guess - (guess * guess * guess - value) / (3 * guess * guess);
}

function compress(state: number[], constants: number[], w: number[]): void {
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] as number;
    const y = w[t - 2] as number;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w.push(((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0);
  }
  const v = state.slice(0);
  for (let t = 0; t < 64; t++) {
    const a = v[0] as number;
    const b = v[1] as number;
    const c = v[2] as number;
    const e = v[4] as number;
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & (v[5] as number)) ^ (~e & (v[6] as number));
    const one = ((v[7] as number) + sum1 + choice + (constants[t] as number) + (w[t] as number)) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const two = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    v.pop();
    v[3] = ((v[3] as number) + one) | 0;
    v.unshift((one + two) | 0);
  }
  for (let i = 0; i < 8; i++) state[i] = ((state[i] as number) + (v[i] as number)) | 0;
}
